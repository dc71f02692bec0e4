// The CLI's other commands against a deployment, with a deploy key and in self-hosted mode with the operator's keys.
import {
  type Cli,
  deployKeyAccess,
  openCli,
  runAdminKeyCreate,
  selfHostedAccess,
  startTestServer,
  type TestServer,
} from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('shop') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('convex run', () => {
  it('runs a mutation and a query, showing result and log', async () => {
    const added = await app.cli.succeed('run', 'counters:add', '{"name":"run","amount":3}')
    expect(added.stdout.trim()).toBe('3')
    expect(added.stderr).toContain("[LOG] 'counter run is now' 3")
    expect((await app.cli.succeed('run', 'counters:read', '{"name":"run"}')).stdout.trim()).toBe('3')
  })

  it('runs internal functions', async () => {
    const read = await app.cli.succeed('run', 'counters:readInternally', '{"name":"run"}')
    expect(read.stdout.trim()).toBe('3')
  })

  it('shows the data of a ConvexError', async () => {
    const failed = await app.cli.run('run', 'outcomes:refuse', '{"reason":"closed"}')
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain('Failed to run function "outcomes:refuse"')
    expect(failed.stderr).toContain('Uncaught ConvexError: {"reason":"closed","size":"3n"}')
  })

  it('shows where a function threw', async () => {
    const failed = await app.cli.run('run', 'outcomes:fail')
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toMatch(
      /Uncaught Error: secret detail 42\n {4}at handler \(\.\.\/convex\/outcomes\.ts:18:\d+\)/,
    )
  })

  it('lists what exists when a function is not found', async () => {
    const failed = await app.cli.run('run', 'counters:reed')
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain("Could not find function for 'counters:reed'")
    expect(failed.stderr).toContain('• counters:readInternally')
  })

  describe('--inline-query', () => {
    const run = async (source: string) => (await app.cli.succeed('run', '--inline-query', source)).stdout
    beforeAll(async () => {
      for (const rank of [1, 2, 3]) await mutation(app.url, 'items:add', { shelf: 'inline', rank, label: `n${rank}` })
    })

    it('evaluates an expression', async () => {
      const source = `await ctx.db.query('items').withIndex('by_shelf', (q) => q.eq('shelf', 'inline').gt('rank', 1)).order('desc').collect()`
      const documents = JSON.parse(await run(source)) as unknown[]
      expect(documents).toMatchObject([
        { rank: 3, label: 'n3' },
        { rank: 2, label: 'n2' },
      ])
    })

    it('runs statements, shows what they log, and every kind of value', async () => {
      const source = `
        const query = ctx.db.query('items').filter((q) => q.and(q.eq(q.field('shelf'), 'inline'), q.not(q.eq(q.field('rank'), 2))))
        const first = await query.first()
        console.log('first', first.rank)
        const ids = []
        for await (const { _id } of query) ids.push(_id)
        const page = await query.paginate({ numItems: 1, cursor: null })
        return {
          isSame: (await ctx.db.get(ids[0])).label === first.label && (await ctx.db.get('items', ids[1])).rank === 3,
          none: await ctx.db.query('items').withIndex('by_shelf', (q) => q.eq('shelf', 'none')).unique(),
          two: (await query.take(5)).length, page: page.page.length, isDone: page.isDone,
          id: ctx.db.normalizeId('items', ids[0]) === ids[0], who: await ctx.auth.getUserIdentity(),
          nested: await ctx.runQuery('items:range', { shelf: 'inline' }),
          big: 2n ** 62n, bytes: new Uint8Array([1, 2]).buffer, zero: -0, gone: undefined,
        }`
      const done = await app.cli.succeed('run', '--inline-query', source)
      expect(done.stderr).toContain("[LOG] 'first' 1")
      expect(JSON.parse(done.stdout)).toEqual({
        isSame: true,
        none: null,
        two: 2,
        page: 1,
        isDone: false,
        id: true,
        who: null,
        nested: [1, 2, 3],
        big: { $integer: 'AAAAAAAAAEA=' },
        bytes: { $bytes: 'AQI=' },
        zero: { $float: 'AAAAAAAAAIA=' },
      })
    })

    it('takes a whole module', async () => {
      const source = `const shelf = 'inline'
        export default internalQuery(async (ctx) => (await ctx.db.query('items').collect()).filter((item) => item.shelf === shelf).length)`
      expect((await run(source)).trim()).toBe('3')
    })

    it.each([
      ['a function that throws', `throw new Error('no ' + 1)`, 'Uncaught Error: no 1'],
      ['text that is no JavaScript', 'const = 1', 'Unexpected token'],
      ['a write', `await ctx.db.insert('items', {})`, 'ctx.db.insert is not a function'],
      ['another import', `import { x } from './items.js'; export default query(() => x)`, 'x'],
      ['two of what should be unique', `await ctx.db.query('items').unique()`, 'more than one result from table items'],
    ])('tells of %s', async (_what, source, says) => {
      const failed = await app.cli.run('run', '--inline-query', source)
      expect(failed.exitCode).toBe(1)
      expect(failed.stderr).toContain('Query failed')
      expect(failed.stderr).toContain(says)
    })
  })

  it('says which argument is wrong', async () => {
    const failed = await app.cli.run('run', 'counters:add', '{"name":"run","amount":"3"}')
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain(
      'ArgumentValidationError: Value does not match validator.\nPath: .amount\nValue: "3"',
    )
  })
})

describe('convex data', () => {
  it('lists the tables', async () => {
    expect((await app.cli.succeed('data')).stdout.trim().split('\n')).toEqual(['boxes', 'counters', 'items'])
  })

  it('shows documents in the order and number asked for', async () => {
    for (const rank of [1, 2, 3]) await mutation(app.url, 'items:add', { shelf: 'data', rank })
    const newest = await app.cli.succeed('data', 'items', '--limit', '2', '--order', 'desc', '--format', 'jsonLines')
    const rows = newest.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { rank: number })
    expect(rows.map(({ rank }) => rank)).toEqual([3, 2])
    const oldest = await app.cli.succeed('data', 'items', '--order', 'asc')
    expect(oldest.stdout).toMatch(/_id.*_creationTime.*rank.*shelf.*state/)
    expect(oldest.stdout.match(/"data"/g)).toHaveLength(3)
  })
})

describe('convex env', () => {
  it('sets, shows, lists and removes variables that functions see', async () => {
    await app.cli.succeed('env', 'set', 'GREETING', 'hello there')
    expect(await query(app.url, 'outcomes:greeting')).toBe('hello there')
    expect((await app.cli.succeed('env', 'get', 'GREETING')).stdout.trim()).toBe('hello there')
    expect((await app.cli.succeed('env', 'list')).stdout.trim()).toBe('GREETING=hello there')
    await app.cli.succeed('env', 'remove', 'GREETING')
    expect(await query(app.url, 'outcomes:greeting')).toBe('unset')
    expect((await app.cli.run('env', 'get', 'GREETING')).stderr).toContain('GREETING')
    await app.cli.succeed('env', 'remove', 'GREETING')
  })
})

describe('convex logs', () => {
  it('shows what functions say while it watches', async () => {
    const logs = app.cli.start('logs', '--success')
    try {
      await logs.waitForOutput(/Watching logs/)
      // What ran before the first answer is history and not shown: go on until something is.
      let isShown = false
      const shown = logs
        .waitForOutput(/\[CONVEX M\(counters:add\)\] \[LOG\] 'counter logged is now' \d+/)
        .finally(() => {
          isShown = true
        })
      while (!isShown) await mutation(app.url, 'counters:add', { name: 'logged', amount: 1 })
      const [line] = await shown
      expect(line).toContain('counter logged is now')
    } finally {
      await logs.stop()
    }
  })
})

describe('convex function-spec', () => {
  it('describes every function with its validators', async () => {
    const spec = JSON.parse((await app.cli.succeed('function-spec')).stdout) as {
      url: string
      functions: { identifier: string; functionType: string; visibility: object; args: object; returns: object }[]
    }
    expect(spec.url).toBe(app.url)
    expect(spec.functions.find(({ identifier }) => identifier === 'counters.js:add')).toEqual({
      identifier: 'counters.js:add',
      functionType: 'Mutation',
      visibility: { kind: 'public' },
      args: {
        type: 'object',
        value: {
          name: { fieldType: { type: 'string' }, optional: false },
          amount: { fieldType: { type: 'number' }, optional: false },
        },
      },
      returns: { type: 'number' },
    })
    expect(spec.functions.find(({ identifier }) => identifier === 'counters.js:addThenThrow')).toMatchObject({
      functionType: 'Mutation',
      visibility: { kind: 'internal' },
    })
  })
})

describe('self-hosted mode', () => {
  let full: Cli
  let readOnly: Cli
  let created: Awaited<ReturnType<typeof runAdminKeyCreate>>[]
  beforeAll(async () => {
    const { deploymentName: deployment } = app
    const keys = await Promise.all(
      [false, true].map((isReadOnly) => runAdminKeyCreate({ deployment, dataDir: server.dataDir, isReadOnly })),
    )
    created = keys
    const [fullKey = '', readOnlyKey = ''] = keys.map(({ stdout }) => stdout.trim())
    // It names the deployment and would contradict the variables.
    await app.app.remove('.env.local')
    full = await openCli(app.app, selfHostedAccess(app.url, fullKey))
    readOnly = await openCli(app.app, selfHostedAccess(app.url, readOnlyKey))
  })

  it('has keys that admin-key create prints and nothing else', () => {
    for (const { exitCode, stdout, stderr } of created) {
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
      expect(stdout).toMatch(new RegExp(`^dev:${app.deploymentName}\\|\\S+\n$`))
    }
  })

  it('pushes, runs, reads and sets with a key of the operator', async () => {
    await app.app.write({
      'convex/version.ts': (await app.app.read('convex/version.ts')).replace('first', 'self-hosted'),
    })
    await full.succeed('dev', '--once', '--typecheck', 'disable')
    expect((await full.succeed('run', 'version:current')).stdout.trim()).toBe('"self-hosted"')
    await app.app.remove('.env.local')
    await full.succeed('deploy', '--typecheck', 'disable')
    await full.succeed('env', 'set', 'GREETING', 'self')
    expect((await full.succeed('env', 'get', 'GREETING')).stdout.trim()).toBe('self')
    expect((await full.succeed('data')).stdout).toContain('counters')
    expect((await full.succeed('function-spec')).stdout).toContain('counters.js:add')
  })

  it('reads with a read-only key', async () => {
    expect((await readOnly.succeed('run', 'version:current')).stdout.trim()).toBe('"self-hosted"')
    expect((await readOnly.succeed('data', 'counters')).stdout).toContain('"run"')
    expect((await readOnly.succeed('env', 'list')).stdout).toContain('GREETING=self')
  })

  it.each([
    ['run', 'counters:add', '{"name":"readonly","amount":1}'],
    ['env', 'set', 'GREETING', 'changed'],
    ['deploy', '--typecheck', 'disable'],
  ])('refuses a read-only key that wants to %s %s', async (...args) => {
    const refused = await readOnly.run(...args)
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('You do not have permission to perform this operation (deployment:')
    expect(await query(app.url, 'counters:read', { name: 'readonly' })).toBe(0)
    expect(await query(app.url, 'outcomes:greeting')).toBe('self')
  })
})

describe('admin-key create', () => {
  it('says which deployment there is not', async () => {
    const failed = await runAdminKeyCreate({ deployment: 'no-such-1', dataDir: server.dataDir })
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain('DeploymentNotFound')
    expect(failed.stdout).toBe('')
  })
})

describe('a key that does not fit', () => {
  it.each([
    ['data'],
    ['env', 'list'],
    ['logs'],
    ['run', 'version:current'],
    ['run', 'version:current', '--watch'],
    ['env', 'set', 'GREETING', 'changed'],
    ['deploy', '--typecheck', 'disable'],
  ])('ends convex %s with the reason', async (...args) => {
    const message = `The provided deploy key was invalid for deployment '${app.deploymentName}'.`
    const access = selfHostedAccess(app.url, `dev:${app.deploymentName}|nonsense`)
    const refused = await (await openCli(app.app, access)).run(...args)
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain(message)
    // No stack trace.
    expect(refused.stderr).not.toMatch(/^ +at /m)
    expect(await query(app.url, 'outcomes:greeting')).toBe('self')
  })

  it('is named by the control plane, too', async () => {
    const cli = await openCli(app.app, deployKeyAccess(server, 'dev:happy-otter-123|nonsense'))
    const refused = await cli.run('run', 'version:current')
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toMatch(/url_for_key 401 Unauthorized: \w+: \w+/)
  })
})
