// Scheduled functions and cron jobs of a pushed app, through the official CLI and clients.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { jsonToConvex, type JSONValue } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

type Job = {
  readonly _id: string
  readonly _creationTime: number
  readonly name: string
  readonly args: readonly unknown[]
  readonly scheduledTime: number
  readonly completedTime?: number
  readonly state: { readonly kind: string; readonly error?: string }
}

let server: TestServer
let app: PushedApp
let client: ConvexHttpClient
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('clockwork') })
  client = new ConvexHttpClient(app.url, { logger: false })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const mutate = async (path: string, args: Record<string, unknown>): Promise<unknown> =>
  await client.mutation(makeFunctionReference<'mutation'>(path), args)
const query = async (path: string, args: Record<string, unknown>): Promise<unknown> =>
  await client.query(makeFunctionReference<'query'>(path), args)
const schedule = async (path: string, args: Record<string, unknown>): Promise<string> =>
  (await mutate(path, args)) as string
const getJob = async (id: string): Promise<Job> => (await query('jobs:get', { id })) as Job
const ticks = async (name: string): Promise<readonly { readonly jobId: string | null }[]> =>
  (await query('ticks:list', { name })) as { jobId: string | null }[]
const ended = async (id: string): Promise<Job> =>
  await waitFor('the end of a job', async () => {
    const job = await getJob(id)
    return job.completedTime === undefined ? undefined : job
  })

/** A system function, as the dashboard calls it. */
const admin = async (path: string, args: object = {}): Promise<unknown> => {
  const body = { path: `_system/frontend/${path}`, args, format: 'convex_encoded_json' }
  const answer = await post(app.url, '/api/query', body, { key: app.deployKey })
  if (answer.body.status !== 'success') throw new Error(JSON.stringify(answer.body))
  return jsonToConvex(answer.body.value as JSONValue)
}
const far = 3_600_000

describe('a scheduled mutation', () => {
  it('runs once, and its document tells of it', async () => {
    const before = Date.now()
    const id = await schedule('jobs:runAfter', { delayMs: 0, name: 'now' })
    expect(id).toMatch(/^kc2/)
    const job = await ended(id)
    expect(job).toEqual({
      _id: id,
      _creationTime: expect.any(Number),
      name: 'ticks.js:tick',
      args: [{ name: 'now' }],
      scheduledTime: expect.any(Number),
      completedTime: expect.any(Number),
      state: { kind: 'success' },
    })
    expect(job.scheduledTime).toBeGreaterThanOrEqual(before)
    expect(job.completedTime).toBeGreaterThanOrEqual(job.scheduledTime)
    expect(await ticks('now')).toMatchObject([{ jobId: id }])
  })

  it('waits for its time, and is pending until then', async () => {
    const atMs = Date.now() + 700
    const id = await schedule('jobs:runAt', { atMs, name: 'soon' })
    const pending = await getJob(id)
    expect(pending).toMatchObject({ scheduledTime: atMs, state: { kind: 'pending' } })
    expect(pending).not.toHaveProperty('completedTime')
    expect(await query('jobs:inState', { kind: 'pending' })).toContainEqual(pending)
    expect((await ended(id)).completedTime).toBeGreaterThanOrEqual(atMs)
    const [tick] = (await query('ticks:list', { name: 'soon' })) as { at: number }[]
    expect(tick?.at).toBeGreaterThanOrEqual(atMs)
  })

  it('is watched by live queries, from pending to its end', async () => {
    const id = await schedule('jobs:runAfter', { delayMs: 500, name: 'watched' })
    const live = new ConvexClient(app.url, { logger: false })
    const states: string[] = []
    live.onUpdate(makeFunctionReference<'query'>('jobs:get'), { id }, (job: Job) => states.push(job.state.kind))
    await waitFor('the end', () => (states.at(-1) === 'success' ? true : undefined))
    expect(states).toEqual(['pending', 'success'])
    await live.close()
  })

  it('that is due in the past runs at once', async () => {
    const atMs = Date.now() - 86_400_000
    const job = await ended(await schedule('jobs:runAt', { atMs, name: 'past' }))
    expect(job).toMatchObject({ scheduledTime: atMs, state: { kind: 'success' } })
  })

  it('that fails leaves nothing but its error, and does not run again', async () => {
    const job = await ended(await schedule('jobs:runFailing', { name: 'failing' }))
    expect(job.state).toEqual({ kind: 'failed', error: expect.stringMatching(/^Uncaught Error: no failing\n/) })
    expect(await ticks('failing')).toEqual([])
  })

  it('can schedule the next one, as often as it likes', async () => {
    await schedule('jobs:startChain', { name: 'chain', left: 40 })
    const links = await waitFor('the end of the chain', async () => {
      const found = await ticks('chain')
      return found.length >= 41 ? found : undefined
    })
    expect(links).toHaveLength(41)
  })

  it('sees itself in progress and does not cancel itself', async () => {
    const id = await schedule('jobs:runSelfAware', { name: 'self' })
    expect((await ended(id)).state).toEqual({ kind: 'success' })
    expect(await ticks('self inProgress')).toMatchObject([{ jobId: id }])
  })

  it('is in the function log with its lines', async () => {
    const id = await schedule('jobs:runAfter', { delayMs: 0, name: 'logged' })
    await ended(id)
    const response = await fetch(`${app.url}/api/stream_function_logs?cursor=0`, {
      headers: { authorization: `Convex ${app.deployKey}` },
    })
    const { entries } = (await response.json()) as { entries: { caller: string; logLines: string[] }[] }
    const entry = entries.find(({ logLines }) => logLines.some((line) => line.includes("'logged'")))
    expect(entry).toMatchObject({ caller: 'Scheduler', identifier: 'ticks:tick', udfType: 'Mutation', error: null })
  })
})

describe('scheduling', () => {
  it('belongs to its transaction', async () => {
    await expect(mutate('jobs:scheduleThenThrow', { name: 'undone' })).rejects.toThrow('undone')
    expect(await mutate('jobs:schedulePartly', { name: 'partly' })).toEqual({ seen: 1, counted: 2 })
    const pending = (await query('jobs:inState', { kind: 'pending' })) as Job[]
    expect(pending.filter(({ args }) => JSON.stringify(args) === '[{"name":"undone"}]')).toEqual([])
    expect(await ticks('undone')).toEqual([])
  })

  it.each([
    ['nowhere:tick', 'Attempted to schedule function at nonexistent path: nowhere.js'],
    [
      'ticks:tock',
      'Attempted to schedule function, but no exported function tock found in the file: ticks.js. Did you forget to export it?',
    ],
  ])('refuses %s', async (path, says) => {
    expect(await mutate('jobs:runNamed', { path, args: {} })).toContain(says)
  })

  it('looks at arguments and kinds when the job runs', async () => {
    const wrong = await schedule('jobs:runNamed', { path: 'ticks:tick', args: { name: 7 } })
    expect((await ended(wrong)).state.error).toContain('ArgumentValidationError')
    const aQuery = await schedule('jobs:runNamed', { path: 'jobs:aQuery', args: {} })
    expect((await ended(aQuery)).state.error).toMatch(/^Unsupported function type/)
  })

  it('refuses times that are years away', async () => {
    const failed = mutate('jobs:runAfter', { delayMs: 6 * 366 * 86_400_000, name: 'never' })
    await expect(failed).rejects.toThrow('is more than 5 years in the future')
    await expect(mutate('jobs:runAt', { atMs: 0, name: 'never' })).rejects.toThrow('is more than 5 years in the past')
  })

  it('is limited in number and in size', async () => {
    const within = async (functionsScheduled: number, scheduledFunctionArgsBytes: number): Promise<unknown> =>
      await mutate('jobs:scheduleWithin', { count: 120, name: 'many', functionsScheduled, scheduledFunctionArgsBytes })
    expect(await within(120, 120 * 13)).toBe('scheduled')
    expect(await within(119, 120 * 13)).toContain('Too many functions scheduled by this mutation (limit: 119)')
    expect(await within(120, 120 * 13 - 1)).toContain(
      'Too large total size of the arguments of scheduled functions from this mutation (limit: 1559 bytes)',
    )
    const cancelMany = { udfPath: 'ticks:tick', startNextTs: String(BigInt(Date.now() + far / 2) * 1_000_000n) }
    const canceled = await post(app.url, '/api/cancel_all_jobs', cancelMany, { key: app.deployKey })
    expect(canceled.status).toBe(200)
    expect(await query('jobs:inState', { kind: 'pending' })).toEqual([])
  })
})

describe('cancellation', () => {
  it('ends a pending job, changes no finished one, and knows ids', async () => {
    const id = await schedule('jobs:runAfter', { delayMs: far, name: 'canceled' })
    expect(await mutate('jobs:cancel', { id })).toBe('canceled')
    expect(await getJob(id)).toMatchObject({ state: { kind: 'canceled' }, completedTime: expect.any(Number) })

    const done = await ended(await schedule('jobs:runAfter', { delayMs: 0, name: 'done' }))
    expect(await mutate('jobs:cancel', { id: done._id })).toBe('canceled')
    expect(await getJob(done._id)).toEqual(done)

    const invalid = "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table."
    expect(await mutate('jobs:cancel', { id: 'nonsense' })).toContain(invalid)
    const [tick] = (await query('ticks:list', { name: 'done' })) as { _id: string }[]
    expect(await mutate('jobs:cancel', { id: tick?._id })).toContain(invalid)
  })

  it('is open to admins, for one job and for all', async () => {
    const cancel = async (path: string, body: object, key: string | undefined): Promise<number> =>
      (await post(app.url, path, body, key === undefined ? {} : { key })).status
    const one = await schedule('jobs:runAfter', { delayMs: far, name: 'one' })
    expect(await cancel('/api/cancel_job', { id: one, componentId: null }, undefined)).toBe(401)
    expect(await cancel('/api/cancel_job', { id: 'nonsense' }, app.deployKey)).toBe(400)
    expect((await getJob(one)).state.kind).toBe('pending')
    expect(await cancel('/api/cancel_job', { id: one, componentId: null }, app.deployKey)).toBe(200)
    expect((await getJob(one)).state.kind).toBe('canceled')

    const both = [
      await schedule('jobs:runAfter', { delayMs: far, name: 'a' }),
      await schedule('jobs:runNamed', { path: 'ticks:countDown', args: { name: 'due now', left: 0 } }),
    ]
    await ended(both[1] ?? '')
    expect(await cancel('/api/cancel_all_jobs', { componentId: null, udfPath: 'ticks:fail' }, app.deployKey)).toBe(200)
    expect((await getJob(both[0] ?? '')).state.kind).toBe('pending')
    expect(await cancel('/api/cancel_all_jobs', { componentId: null }, app.deployKey)).toBe(200)
    expect((await getJob(both[0] ?? '')).state.kind).toBe('canceled')
    expect((await getJob(both[1] ?? '')).state.kind).toBe('success')
  })
})

describe('the dashboard', () => {
  it('lists what is pending, with arguments', async () => {
    const id = await schedule('jobs:runAfter', { delayMs: far, name: 'listed' })
    const paginationOpts = { numItems: 10, cursor: null }
    const listed = (await admin('paginatedScheduledJobs', { paginationOpts })) as { page: Record<string, unknown>[] }
    expect(listed.page).toMatchObject([
      { _id: id, udfPath: 'ticks.js:tick', nextTs: expect.any(BigInt), state: { type: 'pending' } },
    ])
    const { args } = (await admin('scheduler:getArgs', { argsId: listed.page[0]?.['argsId'] })) as { args: ArrayBuffer }
    expect(new TextDecoder().decode(args)).toBe('[{"name":"listed"}]')
    const { stdout } = await app.cli.succeed('data', '_scheduled_functions', '--limit', '1')
    expect(stdout).toContain(id)
    expect(stdout).toContain('ticks.js:tick')
    const others = await admin('paginatedScheduledJobs', { paginationOpts, udfPath: 'ticks.js:fail' })
    expect(others).toMatchObject({ page: [], isDone: true })

    const deleted = await post(app.url, '/api/delete_scheduled_functions_table', {}, { key: app.deployKey })
    expect(deleted.status).toBe(200)
    expect(await getJob(id)).toBe(null)
  })
})

describe('cron jobs', () => {
  type Cron = {
    readonly name: string
    readonly cronSpec: { readonly cronSchedule: { readonly type: string } }
    readonly lastRun: { readonly status: { readonly type: string; readonly error?: string } } | null
    readonly nextRun: { readonly nextTs: bigint; readonly prevTs: bigint | null }
  }
  const listCrons = async (): Promise<ReadonlyMap<string, Cron>> =>
    new Map(((await admin('listCronJobs')) as Cron[]).map((cron) => [cron.name, cron]))

  it('run from the push on, one occurrence after the other', async () => {
    const pulses = await waitFor('pulses', async () => {
      const rows = (await query('ticks:list', { name: 'pulse' })) as { at: number; jobId: null }[]
      return rows.length >= 3 ? rows : undefined
    })
    const times = pulses.map(({ at }) => at)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(new Set(pulses.map(({ jobId }) => jobId))).toEqual(new Set([null]))
    const { nextRun, lastRun } = (await listCrons()).get('pulse') ?? {}
    expect(lastRun?.status).toMatchObject({ type: 'success', result: { type: 'default', value: 'null' } })
    expect(Number((nextRun?.nextTs ?? 0n) - (nextRun?.prevTs ?? 0n))).toBe(1e9)
    const runs = (await admin('listCronJobRuns')) as { name: string; logLines: { logLines: string[] } }[]
    const ofPulse = runs.filter(({ name }) => name === 'pulse')
    expect(ofPulse.length).toBeLessThanOrEqual(5)
    expect(ofPulse[0]?.logLines.logLines).toEqual(["[LOG] 'tick' 'pulse'"])
  })

  it('go on after an error', async () => {
    const failing = await waitFor('the run that fails', async () => {
      const cron = (await listCrons()).get('failing')
      return cron?.lastRun === null ? undefined : cron
    })
    expect(failing?.lastRun?.status).toMatchObject({ type: 'err', error: expect.stringContaining('no failing cron') })
    const { nextTs, prevTs } = failing?.nextRun ?? { nextTs: 0n, prevTs: 0n }
    expect(Number(nextTs - (prevTs ?? 0n))).toBe(7200e9)
    expect(await ticks('failing cron')).toEqual([])
  })

  it('of every form are known, each with its next run', async () => {
    const crons = await listCrons()
    const schedules = Object.fromEntries([...crons].map(([name, { cronSpec }]) => [name, cronSpec.cronSchedule]))
    expect(schedules).toEqual({
      pulse: { type: 'interval', seconds: 1n },
      failing: { type: 'interval', seconds: 7200n },
      'each hour': { type: 'hourly' },
      'each day': { type: 'daily', hourUTC: 7n, minuteUTC: 15n },
      'each week': { type: 'weekly', dayOfWeek: 'monday', hourUTC: 7n },
      'each month': { type: 'monthly', day: 31n, hourUTC: 7n, minuteUTC: 0n },
      '"quoted" name': { type: 'cron', cronExpr: '*/5 9-17 * jan-nov mon-fri' },
    })
    const nextDate = (name: string): Date => new Date(Number((crons.get(name)?.nextRun.nextTs ?? 0n) / 1_000_000n))
    expect(nextDate('each day').toISOString()).toMatch(/T07:15:/)
    expect(nextDate('each week').toISOString()).toMatch(/T07:/)
    expect(nextDate('each week').getUTCDay()).toBe(1)
    expect(nextDate('each month').toISOString()).toMatch(/-31T07:00:/)
  })

  it('follow a push: an unchanged one keeps its clock, others come, change and go', async () => {
    const before = await listCrons()
    const source = await app.app.read('convex/crons.ts')
    await app.app.write({
      'convex/crons.ts': source
        .replace(/crons\.interval\('pulse'.*\n/, '')
        .replace('hourUTC: 7, minuteUTC: 15', 'hourUTC: 8, minuteUTC: 15')
        .replace(
          'export default',
          "crons.interval('new', { hours: 1 }, internal.ticks.tick, { name: 'new' })\nexport default",
        ),
    })
    await app.push()
    await waitFor('the first run of the new one', async () => ((await ticks('new')).length === 1 ? true : undefined))
    const after = await listCrons()
    expect([...after.keys()].sort()).toEqual([...before.keys(), 'new'].filter((name) => name !== 'pulse').sort())
    expect(after.get('each week')?.nextRun).toEqual(before.get('each week')?.nextRun)
    expect(new Date(Number((after.get('each day')?.nextRun.nextTs ?? 0n) / 1_000_000n)).getUTCHours()).toBe(8)
  })

  it.each([
    ["crons.cron('never', '0 0 31 2 *', internal.ticks.tick, { name: 'x' })", '"0 0 31 2 *" will never match any time'],
    ["crons.cron('bad', '61 * * * *', internal.ticks.tick, { name: 'x' })", '"61" is not a valid minute'],
    ["crons.interval('gone', { hours: 1 }, internal.ticks.gone, {})", 'it runs ticks.js:gone, which does not exist'],
    ["crons.interval('read', { hours: 1 }, internal.jobs.aQuery, {})", 'which is a query'],
  ])('that cannot be fail the push: %s', async (line, says) => {
    const source = await app.app.read('convex/crons.ts')
    await app.app.write({ 'convex/crons.ts': source.replace('export default', `${line}\nexport default`) })
    const failed = await app.cli.run('dev', '--once', '--typecheck', 'disable')
    await app.app.write({ 'convex/crons.ts': source })
    expect(failed.exitCode).not.toBe(0)
    expect(failed.stdout + failed.stderr).toContain(says)
    expect([...(await listCrons()).keys()]).toContain('new')
  })
})
