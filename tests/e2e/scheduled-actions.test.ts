// Scheduled actions: at most once, whatever happens to the server, and what they schedule themselves.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  type ServerProcess,
  startServerProcess,
  waitFor,
} from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const acts = `
import { v } from 'convex/values'
import { internal } from './_generated/api'
import { internalAction, internalMutation, internalQuery, mutation } from './_generated/server'

const args = { name: v.string() }

/** Leaves a trace, and schedules another. */
export const work = internalAction({
  args,
  handler: async (ctx, { name }) => {
    const { scheduledFunctionId } = await ctx.meta.getRequestMetadata()
    await ctx.runMutation(internal.ticks.tick, { name })
    await ctx.runMutation(internal.ticks.tick, { name: name + ' ' + scheduledFunctionId })
    return await ctx.scheduler.runAfter(0, internal.ticks.tick, { name: name + ' child' })
  },
})

export const fail = internalAction({
  args,
  handler: async (ctx, { name }) => {
    throw new Error('no ' + name)
  },
})

/** Tells that it has started, and goes on only after somebody has answered. */
export const wait = internalAction({
  args,
  handler: async (ctx, { name }) => {
    await ctx.runMutation(internal.ticks.tick, { name })
    while ((await ctx.runQuery(internal.acts.answers, { name })) === 0) await new Promise((go) => setTimeout(go, 20))
    await ctx.scheduler.runAfter(0, internal.ticks.tick, { name: name + ' child' })
    await ctx.runMutation(internal.acts.scheduleChild, { name: name + ' grandchild' })
    await ctx.runMutation(internal.ticks.tick, { name: name + ' done' })
  },
})
`
const actParts = `


export const answers = internalQuery({
  args,
  handler: async (ctx, { name }) =>
    (await ctx.db.query('ticks').withIndex('by_name', (q) => q.eq('name', name + ' answer')).collect()).length,
})
export const answer = mutation({
  args,
  handler: async (ctx, { name }) => {
    await ctx.db.insert('ticks', { name: name + ' answer', at: 0, jobId: null })
  },
})
export const scheduleChild = internalMutation({
  args,
  handler: async (ctx, args) => {
    await ctx.scheduler.runAfter(0, internal.ticks.tick, args)
  },
})
`

type Job = {
  readonly args: readonly { readonly name: string }[]
  readonly completedTime?: number
  readonly state: { readonly kind: string; readonly error?: string }
}

const deploymentPorts = pickPortRange()
let folder: string
let server: ServerProcess
let port = 0
let app: PushedApp

const start = async (): Promise<void> => {
  const dataDir = join(folder, 'data')
  server = await startServerProcess({ dataDir, port, deploymentPorts, bootstrapFile: join(folder, 'bootstrap.json') })
  port = Number(new URL(server.url).port)
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('scheduled-actions')
  await start()
  const bootstrap = await readBootstrapFile(join(folder, 'bootstrap.json'))
  app = await pushApp(bootstrap, { folder: fixtureFolder('clockwork') })
  const crons = await app.app.read('convex/crons.ts')
  await app.app.write({
    'convex/acts.ts': acts + actParts,
    'convex/crons.ts': crons.replace(
      'export default',
      "crons.interval('acting', { hours: 1 }, internal.acts.work, { name: 'acting' })\nexport default",
    ),
  })
  await app.push()
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const schedule = async (path: string, name: string): Promise<string> =>
  (await mutation(app.url, 'jobs:runNamed', { path, args: { name } })) as string
const getJob = async (id: string): Promise<Job> => (await query(app.url, 'jobs:get', { id })) as Job
const reached = async (id: string, kind: string): Promise<Job> =>
  await waitFor(`a job that is ${kind}`, async () => {
    const job = await getJob(id)
    return job.state.kind === kind ? job : undefined
  })
const ticks = async (name: string): Promise<readonly { readonly jobId: string | null }[]> =>
  (await query(app.url, 'ticks:list', { name })) as { jobId: string | null }[]
const ticked = async (name: string): Promise<readonly { readonly jobId: string | null }[]> =>
  await waitFor(`a tick of ${name}`, async () => {
    const found = await ticks(name)
    return found.length > 0 ? found : undefined
  })

it('runs once, knows which job it is, and schedules on', async () => {
  const id = await schedule('acts:work', 'one')
  await reached(id, 'success')
  expect(await ticks('one')).toEqual([expect.objectContaining({ jobId: id })])
  expect(await ticks(`one ${id}`)).toHaveLength(1)
  const [child] = await ticked('one child')
  expect(child?.jobId).not.toBe(id)
})

it('that fails is not run again, and its error is kept in full', async () => {
  const { state } = await reached(await schedule('acts:fail', 'two'), 'failed')
  expect(state.error).toMatch(/^Uncaught Error: no two\n/)
})

it('of a cron job runs once per occurrence', async () => {
  await ticked('acting child')
  expect(await ticks('acting')).toEqual([expect.objectContaining({ jobId: null })])
})

it('that is canceled while it runs goes on, but what it schedules does not run', async () => {
  const id = await schedule('acts:wait', 'three')
  await ticked('three')
  await reached(id, 'inProgress')
  expect(await mutation(app.url, 'jobs:cancel', { id })).toBe('canceled')
  await mutation(app.url, 'acts:answer', { name: 'three' })
  await ticked('three done')
  expect(await getJob(id)).toMatchObject({ state: { kind: 'canceled' }, completedTime: expect.any(Number) })
  const canceled = (await query(app.url, 'jobs:inState', { kind: 'canceled' })) as Job[]
  const names = canceled.map(({ args }) => args[0]?.name)
  expect(names).toEqual(expect.arrayContaining(['three child', 'three grandchild']))
})

it('that runs when the server is killed has failed afterwards, and is not started again', async () => {
  const id = await schedule('acts:wait', 'four')
  await ticked('four')
  await server.stop('SIGKILL')
  await start()
  const { state } = await reached(id, 'failed')
  expect(state.error).toBe('Transient error while executing action')
  await mutation(app.url, 'acts:answer', { name: 'four' })
  await ticked('pulse')
  expect(await ticks('four')).toHaveLength(1)
  expect(await ticks('four done')).toEqual([])
})

it('that runs when the server stops has failed afterwards, and does not hold it up', async () => {
  const id = await schedule('acts:wait', 'five')
  await ticked('five')
  expect(await server.stop('SIGTERM')).toEqual({ code: 0, signal: null })
  await start()
  const { state } = await reached(id, 'failed')
  expect(state.error).toBe('Transient error while executing action')
  expect(await ticks('five')).toHaveLength(1)
})
