import { createDeferred, createLog, WriteConflict } from '@concave/base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CatchableError } from '../execution.ts'
import { Executor } from '../executor.ts'
import { sampleCode, sampleRequest } from '../testing/sample-code.ts'
import { ScriptedHost } from '../testing/scripted-host.ts'
import {
  type ActionFixture,
  actionRequest,
  openActionFixture,
  resultOf,
  ScriptedActionHost,
} from '../testing/action-fixture.ts'

let fixture: ActionFixture
beforeAll(async () => {
  fixture = await openActionFixture()
}, 60_000)
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const call = `const call = async (op, args = {}) => JSON.parse(await Convex.asyncSyscall(op, JSON.stringify(args)));`

describe('one action', () => {
  test('has real time, timers and randomness', async () => {
    expect(
      await fixture.run(`
        const seen = []
        let ticks = 0
        const started = Date.now()
        const interval = setInterval((text) => { seen.push(text); if (++ticks === 3) clearInterval(interval) }, 5, 'tick')
        const cancelled = setTimeout(() => seen.push('never'), 1)
        clearTimeout(cancelled)
        setTimeout(() => seen.push('late'), 40)
        await new Promise((resolve) => queueMicrotask(resolve))
        while (seen.length < 4) await sleep(5)
        seen.sort()
        return { seen, passed: Date.now() - started >= 40, year: new Date().getUTCFullYear() > 2024,
          performance: performance.now() > 0, bytes: new Set(crypto.getRandomValues(new Uint8Array(64))).size > 1 }
      `),
    ).toEqual({ seen: ['late', 'tick', 'tick', 'tick'], passed: true, year: true, performance: true, bytes: true })
  })

  test('has its operations answered in any order, a few at a time', async () => {
    const open: (() => void)[] = []
    let most = 0
    const host = new ScriptedActionHost({
      '1.0/actions/query': async ({ n }) => {
        const answered = createDeferred<void>()
        open.push(() => answered.resolve())
        most = Math.max(most, open.length)
        // Answers come in reverse, as soon as no more can be under way.
        if (open.length === 8 || n === 9) {
          setImmediate(() => {
            for (const answer of open.splice(0).reverse()) answer()
          })
        }
        await answered.promise
        return n
      },
    })
    const value = await fixture.run(
      `${call} const order = []; const all = await Promise.all(Array.from({ length: 10 }, async (_, n) => { const m = await call('1.0/actions/query', { n }); order.push(m); return m })); return { all, order }`,
      { host },
    )
    expect(value).toMatchObject({ all: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] })
    expect((value as { order: number[] }).order.slice(0, 8)).toEqual([7, 6, 5, 4, 3, 2, 1, 0])
    expect(most).toBe(8)
  })

  test('catches the errors that it may catch, with their data', async () => {
    const host = new ScriptedActionHost({
      '1.0/actions/mutation': () => {
        throw new CatchableError('refused', { why: 1 })
      },
    })
    expect(
      await fixture.run(
        `${call} try { await call('1.0/actions/mutation') } catch (e) { return [e instanceof Error, e.message, e.data] }`,
        { host },
      ),
    ).toEqual([true, 'refused', { why: 1 }])
  })

  test('ends when its host fails, whatever it catches', async () => {
    const host = new ScriptedActionHost({
      '1.0/actions/mutation': () => {
        throw new WriteConflict('nothing to catch')
      },
    })
    const request = actionRequest(`${call} for (;;) { try { await call('1.0/actions/mutation') } catch {} }`)
    await expect(fixture.executor.run(request, host)).rejects.toThrow('nothing to catch')
  })

  test('may not have a thousand operations under way', async () => {
    const host = new ScriptedActionHost({ '1.0/actions/query': () => 1 })
    expect(
      await fixture.run(
        `${call} const all = await Promise.allSettled(Array.from({ length: 1001 }, () => call('1.0/actions/query'))); return all.at(-1).reason.message`,
        { host },
      ),
    ).toMatch(/^Too many concurrent operations\. See https/)
  })

  test('hands its console lines over while it runs', async () => {
    const host = new ScriptedActionHost({ '1.0/actions/query': () => host.lines.map(({ messages }) => messages) })
    const value = await fixture.run(
      `${call} console.log('before', 1); await sleep(1); return await call('1.0/actions/query')`,
      { host },
    )
    expect(value).toEqual([["'before'", '1']])
  })

  test('writes no more than 256 console lines, however many turns it takes', async () => {
    const host = new ScriptedActionHost()
    await fixture.run(`for (let i = 0; i < 30; i++) { for (let j = 0; j < 10; j++) console.log(j); await sleep(1) }`, {
      host,
    })
    expect(host.lines).toHaveLength(256)
    expect(host.lines.at(-1)?.messages[0]).toMatch(/^Log overflow/)
  })

  test('leaves nothing behind for the next one', async () => {
    const first = actionRequest(
      `globalThis.kept = 1; Array.prototype.kept = 1; void sleep(5).then(() => { throw new Error('late') }); return 1`,
    )
    const second = actionRequest(`await sleep(20); return [typeof kept, [].kept ?? null]`)
    expect(resultOf(await fixture.executor.run(first, new ScriptedActionHost()))).toBe(1)
    expect(resultOf(await fixture.executor.run(second, new ScriptedActionHost()))).toEqual(['undefined', null])
  })

  test('fails with what it threw in a timer, and with what its module threw', async () => {
    expect(await fixture.run(`setTimeout(() => { throw new Error('in a timer') }, 1); await sleep(1000)`)).toMatch(
      /^Uncaught Error: in a timer/,
    )
    const request = actionRequest('return 1')
    const broken = {
      ...request,
      code: {
        ...request.code,
        version: 'broken module',
        modules: new Map([
          [
            'a.js',
            { path: 'a.js', source: 'throw new Error("at import")', sourceMap: undefined, reuse: 'fresh' as const },
          ],
        ]),
      },
    }
    expect(resultOf(await fixture.executor.run(broken, new ScriptedActionHost()))).toMatch(/^Uncaught Error: at import/)
  })
})

describe('import()', () => {
  const modules = {
    'a.js': `import { shared } from './lib/shared.js'
      export const run = { isAction: true, isPublic: true, invokeAction: async () => {
        const seen = []
        let ticks = 0
        const [one, two] = await Promise.all([import('./lib/one.js'), import( './lib/one.js')])
        seen.push(one === two, one.name, one.shared === shared)
        for (const path of ['./nowhere.js', './lib/broken.js', 'node:fs', './lib/' + 'late.js']) {
          try { seen.push((await import(path)).name) } catch (error) { seen.push(error.message) }
        }
        return JSON.stringify(seen)
      } }`,
    'lib/one.js': `export { shared } from './shared.js'\nexport const name = 'one'`,
    'lib/shared.js': `export const shared = {}`,
    'lib/broken.js': `throw new TypeError('broken module')`,
    'lib/late.js': `export const name = 'late'`,
  }

  test('loads modules of the push, each once', async () => {
    const request = actionRequest('')
    const outcome = await fixture.executor.run(
      { ...request, code: sampleCode(modules, 'asChecked') },
      new ScriptedActionHost(),
    )
    expect(resultOf(outcome)).toEqual([
      true,
      'one',
      true,
      "Couldn't find JavaScript module 'nowhere.js'. Did you forget to run `npx convex dev`?",
      'broken module',
      'Unsupported scheme (node) in node:fs',
      'late',
    ])
  })

  test('is refused in queries, and while modules are evaluated', async () => {
    await using closing = new AsyncDisposableStack()
    const queries = new Executor({ pool: fixture.pool, log: createLog({ level: 'error' }) })
    closing.defer(() => queries.close())
    const code = sampleCode(
      { 'a.js': `export const f = query(async () => (await import('./b.js')).b)`, 'b.js': 'export const b = 1' },
      'asChecked',
    )
    expect(await queries.execute(sampleRequest(code, 'f'), new ScriptedHost())).toMatchObject({
      kind: 'userError',
      message: expect.stringMatching(/^Uncaught TypeError: dynamic module import unsupported/) as unknown,
    })
  })
})

/** What an action may do to harm; each has to end with the error that names its cause. */
const programs: Readonly<Record<string, { readonly body: string; readonly ends: RegExp }>> = {
  'an endless loop': { body: 'while (true) {}', ends: /^Function execution timed out \(maximum duration: 1s\)$/ },
  'an endless chain of microtasks': { body: 'for (;;) await null', ends: /^Function execution timed out/ },
  'an endless loop in a timer': { body: 'await sleep(1); while (true) {}', ends: /^Function execution timed out/ },
  'an action that waits for ever': { body: 'for (;;) await sleep(10)', ends: /^Function execution timed out/ },
  'an interval that never ends': {
    body: 'setInterval(() => {}, 0); await new Promise(() => {})',
    ends: /^Function execution timed out/,
  },
  'a promise that never settles': {
    body: 'await new Promise(() => {})',
    ends: /^Returned promise will never resolve$/,
  },
  'a growing array': {
    body: 'const a = []; let n = 0; while (true) a.push(new Array(1000).fill(n++))',
    ends: /ran out of memory|timed out/,
  },
  'a growing Map': {
    body: 'const m = new Map(); let i = 0; for (;;) m.set(i++, { i })',
    ends: /ran out of memory|timed out/,
  },
  'growing typed arrays': {
    body: 'const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))',
    ends: /ran out of memory|allocation failed|timed out/,
  },
  'memory that grows from turn to turn': {
    body: 'const a = []; for (;;) { await sleep(1); for (let i = 0; i < 1e5; i++) a.push({ i }) }',
    ends: /ran out of memory|timed out/,
  },
  'endless recursion': { body: 'const f = () => f() + 1; f()', ends: /Maximum call stack size exceeded/ },
}

describe('a hostile action', () => {
  for (const [name, { body, ends }] of Object.entries(programs)) {
    test(`${name} ends with its error; its deployment and others go on`, async () => {
      await using closing = new AsyncDisposableStack()
      const hostile = fixture.open({ timeMs: 1_000 })
      closing.defer(() => hostile.close())
      const attack = hostile.run(actionRequest(body), new ScriptedActionHost())
      const neighbour = hostile.run(actionRequest('await sleep(50); return 1'), new ScriptedActionHost())
      const other = fixture.executor.run(actionRequest('await sleep(50); return 2'), new ScriptedActionHost())
      expect(resultOf(await neighbour)).toBe(1)
      expect(resultOf(await other)).toBe(2)
      expect(resultOf(await attack)).toMatch(ends)
      expect(resultOf(await hostile.run(actionRequest('return 3'), new ScriptedActionHost()))).toBe(3)
    }, 20_000)
  }

  test.skipIf(process.platform !== 'linux')(
    'runs in a process that may open, connect, start and signal nothing',
    async () => {
      expect((await fixture.pool.forActions()).openWalls).toEqual([])
    },
  )

  test('has nothing of the host within reach', async () => {
    expect(
      await fixture.run(`
        const names = ['require', 'module', 'Buffer', 'global', 'window', 'navigator', 'XMLHttpRequest', 'WebSocket',
          'Worker', 'MessageChannel', 'setImmediate', '__concave', '__runner', 'ivm']
        const constructed = (() => { try { return Function('return process.version')() ?? null } catch (e) { return null } })()
        return { found: names.filter((name) => name in globalThis), process: Object.keys(process), constructed }
      `),
    ).toEqual({ found: [], process: ['env'], constructed: null })
  })
})

describe('actions that share a process', () => {
  test('do so only when all processes are taken, and give way to each other', async () => {
    await using closing = new AsyncDisposableStack()
    const shared = fixture.open({ maxRunners: 1, maxActionsPerRunner: 3 })
    closing.defer(() => shared.close())
    const gate = createDeferred<void>()
    const host = new ScriptedActionHost({ '1.0/actions/query': () => gate.promise })
    const waiting = Array.from({ length: 3 }, (_, n) =>
      shared.run(actionRequest(`${call} await call('1.0/actions/query'); return ${n}`), host),
    )
    let isFourthDone = false
    const fourth = shared.run(actionRequest('return 4'), host)
    void fourth.then(() => (isFourthDone = true))
    expect(resultOf(await fixture.executor.run(actionRequest('await sleep(100); return 0'), host))).toBe(0)
    expect(isFourthDone).toBe(false)
    gate.resolve()
    expect((await Promise.all(waiting)).map(resultOf)).toEqual([0, 1, 2])
    expect(resultOf(await fourth)).toBe(4)
  }, 20_000)

  test('are not harmed by one that ends by a limit of its own', async () => {
    await using closing = new AsyncDisposableStack()
    const shared = fixture.open({ maxRunners: 1, maxActionsPerRunner: 3, sharedTurnMs: 60_000 })
    closing.defer(() => shared.close())
    const neighbour = shared.run(
      actionRequest('for (let i = 0; i < 100; i++) await sleep(10); return 1'),
      new ScriptedActionHost(),
    )
    const recursive = shared.run(actionRequest('const f = () => f() + 1; f()'), new ScriptedActionHost())
    const full = shared.run(actionRequest('const a = []; for (;;) a.push({ a: [a.length] })'), new ScriptedActionHost())
    expect(resultOf(await recursive)).toContain('Maximum call stack size exceeded')
    expect(resultOf(await full)).toContain('ran out of memory')
    expect(resultOf(await neighbour)).toBe(1)
  }, 90_000)

  test('fail for no fault of theirs when one of them ends the process', async () => {
    await using closing = new AsyncDisposableStack()
    const shared = fixture.open({ maxRunners: 1, maxActionsPerRunner: 3 })
    closing.defer(() => shared.close())
    const host = new ScriptedActionHost({ '1.0/actions/query': () => new Promise(() => undefined) })
    const neighbours = [1, 2].map((n) =>
      shared.run(actionRequest(`${call} await call('1.0/actions/query'); return ${n}`), host),
    )
    const ended = Promise.allSettled(neighbours)
    // V8 ends the process for this one, not the isolate.
    const crashing = shared.run(
      actionRequest('await sleep(50); const m = new Map(); let i = 0; for (;;) m.set(i++, { i })'),
      host,
    )
    expect(resultOf(await crashing)).toBe('JavaScript execution ran out of memory (maximum memory usage: 64 MB)')
    expect(await ended).toMatchObject(
      neighbours.map(() => ({ status: 'rejected', reason: { code: 'InternalServerError' } })),
    )
    expect(resultOf(await shared.run(actionRequest('return 3'), host))).toBe(3)
  }, 20_000)

  test('are not held up for long by one that does not give way', async () => {
    await using closing = new AsyncDisposableStack()
    const shared = fixture.open({ maxRunners: 1, maxActionsPerRunner: 3, timeMs: 20_000, sharedTurnMs: 300 })
    closing.defer(() => shared.close())
    const gate = createDeferred<void>()
    const host = new ScriptedActionHost({ '1.0/actions/query': () => gate.promise })
    const neighbour = shared.run(actionRequest(`${call} await call('1.0/actions/query'); return 1`), host)
    const looping = shared.run(actionRequest('await sleep(20); while (true) {}'), host)
    expect(resultOf(await looping)).toBe('Function execution timed out (maximum duration: 0.3s)')
    gate.resolve()
    expect(resultOf(await neighbour)).toBe(1)
  }, 20_000)

  test('are refused when they get no process in time', async () => {
    await using closing = new AsyncDisposableStack()
    const shared = fixture.open({ maxRunners: 1, maxActionsPerRunner: 1, patienceMs: 100 })
    closing.defer(() => shared.close())
    const gate = createDeferred<void>()
    const host = new ScriptedActionHost({ '1.0/actions/query': () => gate.promise })
    const first = shared.run(actionRequest(`${call} await call('1.0/actions/query'); return 1`), host)
    await expect(shared.run(actionRequest('return 2'), host)).rejects.toMatchObject({
      code: 'TooManyConcurrentRequests',
      message: 'Too many concurrent requests. Your backend is limited to 1 concurrent actions.',
    })
    gate.resolve()
    expect(resultOf(await first)).toBe(1)
  }, 20_000)
})

test('closing ends actions that run, and refuses new ones', async () => {
  const closing = fixture.open({})
  const started = createDeferred<void>()
  const host = new ScriptedActionHost({ '1.0/actions/query': () => started.resolve() })
  const running = closing.run(actionRequest(`${call} await call('1.0/actions/query'); for (;;) await sleep(10)`), host)
  running.catch(() => undefined)
  await started.promise
  await closing.close()
  await expect(running).rejects.toMatchObject({ code: 'ExecutorClosed' })
  await expect(closing.run(actionRequest('return 1'), host)).rejects.toMatchObject({ code: 'ExecutorClosed' })
})
