// What came to the official library from 1.36 to 1.48, by its own functions through the official CLI and clients.
import { openCli, selfHostedAccess, startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'
import { openRecordingProxy } from './recording-proxy.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
let client: ConvexHttpClient
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('newest') })
  client = new ConvexHttpClient(app.url, { logger: false })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const query = async (path: string, args: object = {}) => await client.query(makeFunctionReference<'query'>(path), args)
const mutation = async (path: string, args: object = {}) =>
  await client.mutation(makeFunctionReference<'mutation'>(path), args)
const action = async (path: string, args: object = {}) =>
  await client.action(makeFunctionReference<'action'>(path), args)

type Request = { ip: unknown; userAgent: unknown; requestId: unknown; scheduledFunctionId: unknown; authToken: unknown }

describe('commit timestamps', () => {
  it('are one number everywhere, known once the mutation has committed, and sort last before', async () => {
    const first = await mutation('events:add', { label: 'first' })
    const second = await mutation('events:add', { label: 'second' })
    expect(first.newest).toBe('first')
    expect(second.newest).toBe('second')
    for (const { at, read, snapshot } of [first, second]) {
      expect(typeof at).toBe('bigint')
      expect(read).toBe(at)
      expect(at).toBeGreaterThan(snapshot)
    }
    expect(second.at).toBeGreaterThan(first.at)
    expect(second.snapshot).toBeGreaterThanOrEqual(first.at)
    const stored = await query('events:list')
    expect(stored).toEqual([
      { label: 'first', at: first.at },
      { label: 'second', at: second.at },
    ])
    expect(await query('events:list', { until: second.snapshot })).toEqual(stored.slice(0, 1))
  })

  it('pass through nested calls', async () => {
    const { passed, back } = await mutation('events:addNested', { label: 'nested' })
    expect(typeof passed).toBe('bigint')
    expect(back).toBe(passed)
    expect((await query('events:list')).at(-1)).toEqual({ label: 'nested', at: passed })
  })

  it('come back to an action that runs the mutation', async () => {
    const { at, read } = (await action('events:addFromAction', { label: 'action' })) as { at: bigint; read: bigint }
    expect(typeof at).toBe('bigint')
    expect(read).toBe(at)
  })

  it('cannot be scheduled with, nor be given from outside', async () => {
    await expect(mutation('events:scheduleWithTs')).rejects.toThrow('commit timestamp')
    const given = { path: 'events:insertAt', args: { label: 'x', at: { $commitTs: null } } }
    const answer = await post(app.url, '/api/function', given, { key: app.deployKey })
    expect(answer.body).toMatchObject({
      status: 'error',
      errorMessage: expect.stringContaining('they hold a commit timestamp that is not known yet'),
    })
    expect((await query('events:list')).some(({ label }: { label: string }) => label === 'x')).toBe(false)
  })
})

describe('snapshots', () => {
  it('have a timestamp that nested queries share', async () => {
    const { own, nested } = await query('events:snapshot')
    expect(typeof own).toBe('bigint')
    expect(nested).toBe(own)
  })

  it('can be read as they were before the mutation wrote', async () => {
    expect(await mutation('events:addAndCompare', { label: 'stale' })).toMatchObject({ stale: 0, fresh: 1 })
    expect(await mutation('events:addAndCompare', { label: 'stale' })).toMatchObject({ stale: 1, fresh: 2 })
  })

  it('are counted without being read', async () => {
    const before = await query('events:count')
    const { counted } = await mutation('events:addAndCompare', { label: 'counted' })
    expect(counted).toBe(before + 1)
    expect(await query('events:count')).toBe(before + 1)
    expect(await query('events:count')).toBe((await query('events:list')).length)
  })
})

describe('limits of nested calls', () => {
  it('fail the nested call only, and give nothing back', async () => {
    const count = await query('events:count')
    const { caught, before, after } = await mutation('events:addWithin', { label: 'w', times: 3, documentsWritten: 2 })
    expect(caught).toContain('Too many writes in a single function execution (limit: 2)')
    expect(before).toEqual({ used: 0, remaining: 16_000 })
    expect(after).toEqual({ used: 3, remaining: 15_997 })
    expect(await query('events:count')).toBe(count)
    const enough = await mutation('events:addWithin', { label: 'w', times: 3, documentsWritten: 3 })
    expect(enough).toMatchObject({ caught: '', after: { used: 3, remaining: 15_997 } })
    expect(await query('events:count')).toBe(count + 3)
  })
})

describe('what comes close to a limit', () => {
  const linesOf = async (kind: string, path: string, args: object): Promise<readonly string[]> => {
    const { body } = await post(app.url, `/api/${kind}`, { path, args, format: 'json' })
    expect(body.status).toBe('success')
    return body.logLines ?? []
  }

  it('is warned of in the log', async () => {
    expect(await linesOf('mutation', 'events:writeMegabytes', { count: 13 })).toEqual([])
    expect(await linesOf('mutation', 'events:writeMegabytes', { count: 14 })).toEqual([
      expect.stringMatching(
        /^\[WARN\] Many bytes written in a single function execution \(actual: 14\d{6} bytes, limit: 16777216 bytes\)$/,
      ),
    ])
    const large = expect.stringContaining('[WARN] Large arguments of the scheduled function events:insertAt (actual: 5')
    for (const [kind, path] of [
      ['mutation', 'events:scheduleLarge'],
      ['action', 'events:scheduleLargeFromAction'],
    ] as const) {
      expect(await linesOf(kind, path, { size: 4_000_000 })).toEqual([])
      expect(await linesOf(kind, path, { size: 5.5 * 1024 * 1024 })).toEqual([large])
    }
  })

  it('counts what is read of a stale snapshot', async () => {
    expect(await mutation('events:readStaleOften', { times: 20, databaseQueries: 20 })).toEqual({
      caught: '',
      used: 20,
    })
    expect(await mutation('events:readStaleOften', { times: 21, databaseQueries: 20 })).toEqual({
      caught: expect.stringContaining('Too many reads in a single function execution (limit: 20)'),
      used: 21,
    })
  })
})

describe('ctx.meta', () => {
  const deployment = () => ({ name: app.deploymentName, region: null, class: 's256' })

  it('tells queries about themselves', async () => {
    const told = await query('meta:ofQuery')
    expect(told).toMatchObject({
      function: { name: 'meta:ofQuery', componentPath: '', type: 'query', visibility: 'public' },
      deployment: deployment(),
      request: 'undefined',
      nested: 'meta:name query internal',
    })
    expect(Object.keys(told.metrics).toSorted()).toEqual([
      'bytesRead',
      'bytesWritten',
      'databaseQueries',
      'documentsRead',
      'documentsWritten',
      'fileReadBytes',
      'fileWriteBytes',
      'filesRead',
      'filesWritten',
      'functionsScheduled',
      'scheduledFunctionArgsBytes',
    ])
    expect(told.metrics.bytesRead).toEqual({ used: 0, remaining: 16 * 1024 * 1024 })
    expect(await query('meta')).toBe('meta')
  })

  it('tells mutations of HTTP calls who has sent them', async () => {
    const { own, nested } = await mutation('meta:request')
    expect(own).toEqual({
      ip: '127.0.0.1',
      userAgent: expect.stringMatching(/./),
      requestId: expect.stringMatching(/^[0-9a-f]{16}$/),
      scheduledFunctionId: null,
      authToken: null,
    })
    expect(nested).toEqual(own)
  })

  it('believes a proxy of this machine about the address', async () => {
    const response = await fetch(`${app.url}/api/mutation`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Browser/1.0',
        'x-forwarded-for': '198.51.100.9, 203.0.113.7',
      },
      body: JSON.stringify({ path: 'meta:request', args: {}, format: 'json' }),
    })
    const { value } = (await response.json()) as { value: { own: Request } }
    expect(value.own).toMatchObject({ ip: '203.0.113.7', userAgent: 'Browser/1.0' })
  })

  it('tells actions, and all that they call', async () => {
    const told = await action('meta:requestOfAction')
    expect(told.own).toMatchObject({ ip: '127.0.0.1', scheduledFunctionId: null, authToken: null })
    expect(told.own.userAgent).not.toBeNull()
    expect(told.nested).toEqual(told.own)
    expect(told.deeper).toEqual(told.own)
    expect(told.function).toEqual({
      name: 'meta:requestOfAction',
      componentPath: '',
      type: 'action',
      visibility: 'public',
    })
    expect(told.deployment).toEqual(deployment())
  })

  it('tells functions of a sync session', async () => {
    const live = new ConvexClient(app.url, { logger: false })
    const { own, nested } = await live.mutation(makeFunctionReference<'mutation'>('meta:request'), {})
    const told = await live.action(makeFunctionReference<'action'>('meta:requestOfAction'), {})
    await live.close()
    expect(own).toMatchObject({ ip: '127.0.0.1', scheduledFunctionId: null })
    expect(nested).toEqual(own)
    expect(told.deeper).toMatchObject({ ip: '127.0.0.1' })
  })

  it('tells HTTP actions', async () => {
    const site = new URL(app.url)
    const response = await fetch(`${site.origin}/http/request`, { headers: { 'user-agent': 'Hook/2' } })
    const { own, nested } = (await response.json()) as { own: Request; nested: Request }
    expect(own).toMatchObject({ ip: '127.0.0.1', userAgent: 'Hook/2', authToken: null })
    expect(nested).toEqual(own)
  })

  it('knows no request of what the scheduler runs', async () => {
    const id = await mutation('meta:requestLater', { name: 'scheduled' })
    const told = async (name: string) =>
      (await waitFor(name, async () => (await query('meta:reported', { name })) ?? undefined)) as Request
    expect(await told('scheduled')).toMatchObject({ ip: null, userAgent: null, scheduledFunctionId: id })
    expect(await told('cron')).toMatchObject({ ip: null, userAgent: null, scheduledFunctionId: null })
  })
})

describe('places in the developer’s files', () => {
  const withoutColumns = (text: string): string => text.replaceAll(/(\.ts:\d+):\d+\)/g, '$1)')
  const failure = async (path: string): Promise<string> => {
    const kind = path.endsWith('ction') ? 'action' : path.endsWith('Mutation') ? 'mutation' : 'query'
    const { body } = await post(app.url, `/api/${kind}`, { path, args: {}, format: 'json' })
    return withoutColumns(body.errorMessage ?? '').replace(/^\[Request ID: [0-9a-f]{16}\] Server Error\n/, '')
  }
  const deep = '    at failDeeply (../../convex/lib/deep.ts:4)\n'

  it('are what errors name, through files and nested calls', async () => {
    expect(await failure('faults:inQuery')).toBe(
      `Uncaught RangeError: query\n${deep}    at async handler (../convex/faults.ts:8)\n`,
    )
    expect(await failure('faults:inAction')).toBe(
      `Uncaught RangeError: action\n${deep}    at async handler (../convex/faults.ts:23)\n`,
    )
    const nested = `Uncaught RangeError: nested\n${deep}    at async handler (../convex/faults.ts:18)\n`
    expect(await failure('faults:inMutation')).toBe(
      `Uncaught Error: ${nested}\n    at async handler (../convex/faults.ts:13)\n`,
    )
    const called = await failure('faults:calledByAction')
    expect(called).toContain(`Uncaught RangeError: called\n${deep}    at async handler (../convex/faults.ts:18)\n`)
    expect(called).toMatch(/ {4}at async handler \(\.\.\/convex\/faults\.ts:28\)\n$/)
    expect(await failure('faults:withData')).toBe(
      'Uncaught ConvexError: {"code":7}\n    at handler (../convex/faults.ts:34)\n',
    )
    expect(await failure('faults:noError')).toBe('Uncaught just text\n')
    const response = await fetch(`${app.url}/http/fails`)
    expect(withoutColumns(((await response.json()) as { trace: string }).trace)).toBe(
      `Uncaught RangeError: http\n${deep}    at async <anonymous> (../convex/http.ts:21)\n`,
    )
  })

  it('are what console.trace names', async () => {
    for (const [kind, path, line] of [
      ['query', 'faults:traces', 47],
      ['action', 'faults:tracesInAction', 52],
    ] as const) {
      const { body } = await post(app.url, `/api/${kind}`, { path, args: {}, format: 'json' })
      const [traced = ''] = body.logLines ?? []
      expect(traced).toContain(`[LOG] '${kind}'`)
      expect(traced).toContain('at traceHere (../../convex/lib/deep.ts:8:11)')
      expect(traced).toContain(`at handler (../convex/faults.ts:${line}:24)`)
    }
  })

  it('are told for every function by a push', async () => {
    await using proxy = await openRecordingProxy(app.url)
    const cli = await openCli(app.app, selfHostedAccess(proxy.url, app.deployKey))
    await app.app.remove('.env.local')
    await cli.succeed('codegen', '--typecheck', 'disable')
    const body = proxy.requests.findLast(({ path }) => path === '/api/deploy2/start_push')?.body ?? ''
    const started = await post(app.url, '/api/deploy2/start_push', JSON.parse(body), { key: app.deployKey })
    const { analysis } = started.body as unknown as {
      analysis: { '': { functions: Record<string, { functions: readonly { name: string; pos: unknown }[] }> } }
    }
    expect(analysis[''].functions['faults.js']?.functions.slice(0, 3).map(({ name, pos }) => [name, pos])).toEqual([
      ['inQuery', { path: 'faults.js', start_lineno: 8, start_col: 12 }],
      ['inMutation', { path: 'faults.js', start_lineno: 13, start_col: 12 }],
      ['inner', { path: 'faults.js', start_lineno: 18, start_col: 12 }],
    ])
  })
})

describe('declared variables and helpers of the schema', () => {
  it('are there for functions', async () => {
    const site = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await query('helpers:declared')).toEqual({ greeting: null, mode: null, site })
    const changes = [{ name: 'GREETING', value: 'hello' }]
    const changed = await post(app.url, '/api/update_environment_variables', { changes }, { key: app.deployKey })
    expect(changed.status).toBe(200)
    expect(await query('helpers:declared')).toEqual({ greeting: 'hello', mode: null, site })
    await mutation('events:add', { label: 'for helpers' })
    const event = await query('helpers:firstEvent')
    expect(event).toMatchObject({ _id: expect.any(String), at: expect.any(BigInt) })
    expect(await query('helpers:firstEvent', { id: event._id })).toEqual(event)
  })

  it('are missed by a push when they are required', async () => {
    const config = await app.app.read('convex/convex.config.ts')
    await app.app.write({
      'convex/convex.config.ts': config.replace('GREETING: v.optional', 'NEEDED: v.string(), GREETING: v.optional'),
    })
    const refused = await app.cli.run('dev', '--once', '--typecheck', 'disable')
    await app.app.write({ 'convex/convex.config.ts': config })
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain(
      'Environment variable NEEDED is declared as required in convex.config.ts but its value was not set.',
    )
  })
})

describe('what is not there', () => {
  it('is refused by name: services of the vendor, audit logs', async () => {
    expect(await action('meta:services')).toEqual({
      token: expect.stringContaining('ServiceNotConfigured: This deployment has no service "ai-gateway"'),
      url: expect.stringContaining('ServiceNotConfigured: This deployment has no service "ai-gateway"'),
      unknown: expect.stringContaining('UnknownService: There is no service named "another".'),
    })
    expect(await mutation('meta:servicesOfMutation')).toContain('can only be called while an action is running')
    expect(await mutation('meta:audit')).toContain('log.audit is not supported')
  })
})

describe('cron jobs', () => {
  it('need no minute', async () => {
    const pushed = await post(
      app.url,
      '/api/query',
      { path: '_system/frontend/listCronJobs', args: {}, format: 'json' },
      { key: app.deployKey },
    )
    const jobs = pushed.body.value as readonly { name: string; cronSpec: { cronSchedule: object } }[]
    expect(jobs.find((job) => job.name === 'some time each hour')?.cronSpec.cronSchedule).toEqual({ type: 'hourly' })
  })
})

describe('a staged validator', () => {
  it('is checked behind the back of pushes, which report it, apply it, or ask before they drop it', async () => {
    await using prod = await pushApp(server, { folder: fixtureFolder('newest'), type: 'prod' })
    const rows = new ConvexHttpClient(prod.url, { logger: false })
    const add = makeFunctionReference<'mutation'>('events:add')
    await rows.mutation(add, { label: 'one' })
    await rows.mutation(makeFunctionReference<'mutation'>('meta:requestLater'), { name: 'kept' })
    await waitFor(
      'a report',
      async () => (await rows.query(makeFunctionReference<'query'>('meta:reported'), { name: 'kept' })) ?? undefined,
    )
    const deploy = async (text: string, ...options: string[]) => {
      await prod.app.write({ 'convex/schema.ts': text })
      return await prod.cli.run('deploy', '--typecheck', 'disable', ...options)
    }
    const schema = await prod.app.read('convex/schema.ts')
    const wider = 'v.union(v.string(), v.null())'
    const staged = schema
      .replace("  })\n    .index('by_at'", `  })\n    .staged({ label: ${wider} })\n    .index('by_at'`)
      .replace('report: v.any() })', 'report: v.any() }).staged({ name: v.number() })')
      .replace('text: v.string() })', 'text: v.string() }).staged({ text: v.any() })')

    expect((await deploy(staged)).exitCode).toBe(0)
    const report = await waitFor('both outcomes', async () => {
      const { stderr } = await deploy(staged, '--dry-run')
      return stderr.includes('failed') && stderr.includes('validated') ? stderr : undefined
    })
    expect(report).toContain('Staged schema validation status:')
    expect(report).toContain('events: validated. Safe to apply the staged schema changes and deploy.')
    expect(report).toMatch(/reports: failed: Document with ID "\w+" in table "reports" does not match the schema/)
    // Nothing is refused because of what is staged.
    await rows.mutation(makeFunctionReference<'mutation'>('meta:requestLater'), { name: 'also kept' })

    // What is checked must not be lost by accident: of marks. What has failed may, and what is applied is not lost.
    const applied = schema.replace('label: v.string(),', `label: ${wider},`)
    const refused = await deploy(applied)
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toMatch(
      /This push discards staged schema validation for the following table:\s+\S+ marks: validated; the push removes the staged validator\s/,
    )
    const done = await deploy(applied, '--allow-unstaging-schema')
    expect(done.exitCode).toBe(0)
    expect(done.stderr).toContain(
      'events: validated. This deploy applies the staged schema without scanning the table.',
    )
  })
})
