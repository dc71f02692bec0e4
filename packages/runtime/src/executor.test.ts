import { createLog } from '@concave/base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Executor } from './executor.ts'
import { CatchableError, type CodeBundle, type ExecuteOutcome, type NestedCall } from './execution.ts'
import { RunnerPool } from './runner-pool.ts'
import { bundledCode, emptyEnv, sampleCode, sampleRequest } from './testing/sample-code.ts'
import { ScriptedHost } from './testing/scripted-host.ts'

const log = createLog({ level: 'error' })
let pool: RunnerPool
let executor: Executor

beforeAll(async () => {
  pool = await RunnerPool.start({ log })
  executor = new Executor({ pool, log })
})

afterAll(async () => {
  await executor.close()
  await pool.close()
})

/** A nested call into the code of its caller. */
function ofApp(code: CodeBundle): Pick<NestedCall, 'code' | 'env' | 'componentId' | 'componentPath'> {
  return { code, env: emptyEnv, componentId: '', componentPath: '' }
}

function resultOf(outcome: ExecuteOutcome): unknown {
  return outcome.kind === 'success' ? JSON.parse(outcome.resultText) : outcome.message
}

describe('one call', () => {
  test('gives arguments to the function and its result back', async () => {
    const code = sampleCode({ 'a.js': 'export const add = query(({ a, b }) => a + b)' })
    const outcome = await executor.execute(sampleRequest(code, 'add', { args: { a: 1, b: 2 } }), new ScriptedHost())
    expect(outcome).toMatchObject({ kind: 'success', resultText: '3' })
  })

  test('hands syscalls to the host in order, those that nobody awaits as well', async () => {
    const code = sampleCode({
      'a.js': `export const f = mutation(async () => { void call('1.0/insert', { n: 1 }); return await call('1.0/get', { n: 2 }) })`,
    })
    const host = new ScriptedHost({ answers: { '1.0/insert': () => ({ _id: 'x' }), '1.0/get': ({ n }) => n } })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f', { udfType: 'mutation' }), host))).toBe(2)
    expect(host.events).toEqual(['1.0/insert', '1.0/get'])
  })

  test('keeps its clock and its random numbers fixed, and reports what it looked at', async () => {
    const code = sampleCode({
      'a.js': `export const f = query(() => [Date.now(), new Date().getTime(), Math.random(), process.env.NAME, process.env.NONE ?? null])`,
    })
    const request = sampleRequest(code, 'f', { env: { version: 'named', variables: { NAME: 'value' } }, nowMs: 1_234 })
    const first = await executor.execute(request, new ScriptedHost())
    const second = await executor.execute(request, new ScriptedHost())
    const other = await executor.execute({ ...request, seed: '22'.repeat(32) }, new ScriptedHost())
    expect(resultOf(first)).toEqual([1_234, 1_234, expect.any(Number), 'value', null])
    expect(resultOf(second)).toEqual(resultOf(first))
    expect(resultOf(other)).not.toEqual(resultOf(first))
    expect(first.kind === 'success' && first.observed).toEqual({ time: true, env: ['NAME', 'NONE'] })
  })

  test('returns console lines with the result', async () => {
    const code = sampleCode({ 'a.js': `export const f = query(() => { console.warn('careful', { a: 1 }) })` })
    const outcome = await executor.execute(sampleRequest(code, 'f'), new ScriptedHost())
    expect(outcome).toMatchObject({
      logLines: [{ level: 'WARN', messages: ["'careful'", expect.stringContaining('a: 1')] }],
    })
  })

  test('says so when its promise can never settle', async () => {
    const code = sampleCode({ 'a.js': 'export const f = query(() => new Promise(() => {}))' })
    const outcome = await executor.execute(sampleRequest(code, 'f'), new ScriptedHost())
    expect(outcome).toMatchObject({ kind: 'userError', message: 'Returned promise will never resolve' })
  })

  test('fails when a rejection is handled by nobody', async () => {
    const code = sampleCode({
      'a.js': `export const f = query(() => { void Promise.reject(new Error('lost')); return 1 })`,
    })
    const outcome = await executor.execute(sampleRequest(code, 'f'), new ScriptedHost())
    expect(outcome).toMatchObject({ kind: 'userError', message: expect.stringMatching(/^Uncaught Error: lost/) })
  })
})

describe('large texts', () => {
  // What a file of 16 MiB is in base64 (function-runtime.md T37), a few times over: more than a runner may hold at once, unless it gives up what it has passed on.
  const length = 22_370_000
  const times = 2

  test.each(['sent', 'answered'])('may be %s many times by one call', async (direction) => {
    const code = sampleCode({
      'a.js': `export const f = query(async () => {
        const text = ${direction === 'sent'} ? 'x'.repeat(${length}) : ''
        let sum = 0
        for (let i = 0; i < ${times}; i++) sum += await call('1.0/large', { text })
        return sum
      })
      export const g = query(async () => {
        let sum = 0
        for (let i = 0; i < ${times}; i++) sum += (await call('1.0/large')).length
        return sum
      })`,
    })
    const answer = 'x'.repeat(length)
    const host = new ScriptedHost({
      answers: { '1.0/large': ({ text }) => (direction === 'sent' ? (text as string).length : answer) },
    })
    for (let calls = 0; calls < 5; calls += 1) {
      const outcome = await executor.execute(sampleRequest(code, direction === 'sent' ? 'f' : 'g'), host)
      expect(resultOf(outcome)).toBe(times * length)
    }
  })
})

test('a large text of wide characters crosses whole', async () => {
  const code = sampleCode({ 'a.js': `export const f = query(({ text }) => call('1.0/echo', { text }))` })
  const host = new ScriptedHost({ answers: { '1.0/echo': ({ text }) => text } })
  // Pieces of whatever length cut it between its halves of characters as well.
  for (const shift of ['', 'x']) {
    const text = shift + '\u{1f600}é'.repeat(400_000)
    expect(resultOf(await executor.execute(sampleRequest(code, 'f', { args: { text } }), host))).toBe(text)
  }
})

describe('the loader', () => {
  const cases: Readonly<
    Record<string, { modules: Readonly<Record<string, string>>; exportName: string; says: string }>
  > = {
    'a module that was not pushed': {
      modules: { 'a.js': `import { x } from './b.js'\nexport const f = query(() => x)` },
      exportName: 'f',
      says: "Uncaught Error: Couldn't find JavaScript module 'b.js'. Did you forget to run `npx convex dev`?",
    },
    'a missing export': { modules: { 'a.js': '' }, exportName: 'f', says: `Couldn't find "f" in module "a.js".` },
    'a foreign scheme': {
      modules: { 'a.js': `import x from 'node:fs'\nexport const f = query(() => x)` },
      exportName: 'f',
      says: 'Uncaught Error: Unsupported scheme (node) in node:fs',
    },
    'an error at import time': {
      modules: { 'a.js': `throw new TypeError('at import')` },
      exportName: 'f',
      says: 'Uncaught TypeError: at import',
    },
    'a database call at import time': {
      modules: { 'a.js': `Convex.syscall('1.0/queryStream', '{}')` },
      exportName: 'f',
      says: 'Uncaught Error: Syscall 1.0/queryStream unsupported at import time',
    },
  }
  for (const [name, { modules, exportName, says }] of Object.entries(cases)) {
    test(`reports ${name}`, async () => {
      const outcome = await executor.execute(sampleRequest(sampleCode(modules), exportName), new ScriptedHost())
      expect(outcome.kind === 'userError' && outcome.message.trim()).toBe(says)
    })
  }

  test('resolves imports relative to the importing module', async () => {
    const code = sampleCode({
      'dir/a.js': `import { x } from '../_deps/b.js'\nexport const f = query(() => x)`,
      '_deps/b.js': `import { y } from './c.js'\nexport const x = y + 1`,
      '_deps/c.js': 'export const y = 1',
    })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost()))).toBe(2)
  })
})

describe('state', () => {
  const leaks: Readonly<Record<string, string>> = {
    'a module variable': 'let n = 0\nexport const f = query(() => ++n)',
    'a collection': 'const m = new Map()\nexport const f = query(() => { m.set(m.size, 1); return m.size })',
    'a closure': 'const count = (() => { let n = 0; return () => ++n })()\nexport const f = query(() => count())',
    'an object': 'const o = { n: 0 }\nexport const f = query(() => ++o.n)',
    'a prototype': 'export const f = query(() => { Array.prototype.n = ([].n ?? 0) + 1; return [].n })',
    'a global': 'export const f = query(() => { globalThis.n = (globalThis.n ?? 0) + 1; return n })',
    'a function property': 'function g() {}\nexport const f = query(() => { g.n = (g.n ?? 0) + 1; return g.n })',
    'a static field': 'class C { static n = 0 }\nexport const f = query(() => ++C.n)',
  }
  for (const [name, source] of Object.entries(leaks)) {
    test(`in ${name} does not survive a call, whatever the push said about reuse`, async () => {
      for (const reuse of ['fresh', 'asChecked'] as const) {
        const code = sampleCode({ 'a.js': source }, reuse)
        for (let call = 0; call < 3; call++) {
          expect([reuse, resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost()))]).toEqual([
            reuse,
            1,
          ])
        }
      }
    })
  }

  test('in a module that another one imports does not survive either', async () => {
    const leak = {
      'a.js': `import { bump } from './_deps/b.js'\nexport const f = query(() => bump())`,
      '_deps/b.js': `import c from './c.js'\nexport const bump = () => { const held = c; held.n += 1; return held.n }`,
      '_deps/c.js': 'export default { n: 0 }',
    }
    const code = sampleCode(leak, 'asChecked')
    for (let call = 0; call < 3; call++) {
      expect(resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost()))).toBe(1)
    }
  })

  test('a graph of several modules that keeps none serves call after call', async () => {
    const modules = {
      'a.js': `import { add } from './_deps/b.js'\nexport const f = query(() => add(1))`,
      '_deps/b.js': 'const step = 2\nexport const add = (n) => n + step',
    }
    const code = sampleCode(modules, 'asChecked')
    expect([...code.modules.values()].map(({ reuse }) => reuse)).toEqual(['stateless', 'stateless'])
    for (let call = 0; call < 3; call++) {
      expect(resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost()))).toBe(3)
    }
  })

  test('written where nobody handles the rejection makes the call run again, too', async () => {
    const source = `const o = { n: 0 }\nconst bump = async (x) => ++x.n\nexport const f = query(async () => { bump(o); return o.n })`
    const code = sampleCode({ 'a.js': source }, 'asChecked')
    expect(code.modules.get('a.js')?.reuse).toBe('stateless')
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost()))).toBe(1)
  })

  test('survives where the app asked for it', async () => {
    const code = sampleCode({ 'a.js': 'let n = 0\nexport const f = query(() => ++n)' }, 'optIn')
    const results: unknown[] = []
    for (let call = 0; call < 3; call++)
      results.push(resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost())))
    expect(results).toEqual([1, 2, 3])
  })

  test('written after the host was used makes the host start over', async () => {
    const source = `const o = { n: 0 }\nconst bump = (x) => ++x.n\nexport const f = mutation(async () => { await call('1.0/insert'); return bump(o) })`
    const code = sampleCode({ 'a.js': source }, 'asChecked')
    expect(code.modules.get('a.js')?.reuse).toBe('stateless')
    const host = new ScriptedHost({ answers: { '1.0/insert': () => ({}) } })
    host.restart = async () => void host.events.push('restart')
    const request = sampleRequest(code, 'f', { udfType: 'mutation' })
    expect(resultOf(await executor.execute(request, host))).toBe(1)
    expect(host.events).toEqual(['1.0/insert', 'restart', '1.0/insert'])
  })

  test('written by a nested call makes that one fresh, not its caller', async () => {
    const inner = sampleCode(
      { 'b.js': 'const o = { n: 0 }\nconst bump = (x) => ++x.n\nexport const f = mutation(() => bump(o))' },
      'asChecked',
    )
    expect(inner.modules.get('b.js')?.reuse).toBe('stateless')
    const outer = sampleCode(
      { 'a.js': `let n = 0\nexport const f = mutation(async () => [++n, await call('1.0/runUdf', {})])` },
      'optIn',
    )
    const nested = (): NestedCall => ({
      ...ofApp(inner),
      udfType: 'mutation',
      modulePath: 'b.js',
      exportName: 'f',
      argsText: '[{}]',
      seed: '33'.repeat(32),
      udfPath: 'b:f',
    })
    const host = new ScriptedHost({ nested })
    host.restart = async () => void host.events.push('restart')
    const request = sampleRequest(outer, 'f', { udfType: 'mutation' })
    expect(resultOf(await executor.execute(request, host))).toEqual([1, 1])
    expect(host.events).toEqual(['begin nested', 'restart', 'begin nested', 'end nested success'])
    expect(resultOf(await executor.execute(request, host))).toEqual([2, 1])
    expect(resultOf(await executor.execute(request, host))).toEqual([3, 1])
    expect(host.events.filter((event) => event === 'restart')).toHaveLength(1)
  })

  test('written after a host was used that cannot start over is a conflict', async () => {
    const source = `const o = { n: 0 }\nconst bump = (x) => ++x.n\nexport const f = mutation(async () => { await call('1.0/insert'); return bump(o) })`
    const request = sampleRequest(sampleCode({ 'a.js': source }, 'asChecked'), 'f', { udfType: 'mutation' })
    const host = new ScriptedHost({ answers: { '1.0/insert': () => ({}) } })
    await expect(executor.execute(request, host)).rejects.toMatchObject({ code: 'OptimisticConcurrencyControlFailure' })
    expect(resultOf(await executor.execute(request, host))).toBe(1)
  })
})

describe('errors of the host', () => {
  test('reach user code if they are catchable, with their data', async () => {
    const code = sampleCode({
      'a.js': `export const f = query(async () => { try { await call('1.0/get') } catch (e) { return [e instanceof Error, e.message, e.data] } })`,
    })
    const host = new ScriptedHost({
      answers: {
        '1.0/get': () => {
          throw new CatchableError('no such thing', { code: 7 })
        },
      },
    })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), host))).toEqual([
      true,
      'no such thing',
      { code: 7 },
    ])
  })

  test('end the call otherwise, whatever user code does', async () => {
    const code = sampleCode({
      'a.js': `export const f = mutation(async () => { try { await call('1.0/get') } catch {} finally { await call('1.0/insert') } })`,
    })
    const broken = new Error('the disk is gone')
    const host = new ScriptedHost({
      answers: {
        '1.0/get': () => {
          throw broken
        },
      },
    })
    for (let call = 0; call < 3; call++) {
      await expect(executor.execute(sampleRequest(code, 'f', { udfType: 'mutation' }), host)).rejects.toBe(broken)
    }
    expect(host.events).toEqual(['1.0/get', '1.0/get', '1.0/get'])
  })
})

describe('writes sent ahead', () => {
  /** Remembers what was patched; refuses what it is told to. */
  function openHost(refused: readonly number[] = [], error?: Error): { host: ScriptedHost; patched: number[] } {
    const patched: number[] = []
    const host = new ScriptedHost({
      answers: {
        '1.0/shallowMerge': ({ n }) => {
          if (refused.includes(n as number)) throw error ?? new CatchableError(`no ${String(n)}`)
          patched.push(n as number)
        },
        '1.0/get': () => [...patched],
      },
    })
    host.restart = async () => {
      host.events.push('restart')
      patched.length = 0
    }
    return { host, patched }
  }
  const run = async (source: string, host: ScriptedHost) =>
    await executor.execute(sampleRequest(sampleCode({ 'a.js': source }), 'f', { udfType: 'mutation' }), host)
  const patch = (n: number): string => `await call('1.0/shallowMerge', { n: ${n} });`

  test('are done in order, before what is read after them and before the end', async () => {
    const { host, patched } = openHost()
    const source = `export const f = mutation(async () => { ${patch(1)} ${patch(2)} const seen = await call('1.0/get'); ${patch(3)} return seen })`
    expect(resultOf(await run(source, host))).toEqual([1, 2])
    expect(patched).toEqual([1, 2, 3])
  })

  test('that are refused are thrown where they were made, in a run that waits for each', async () => {
    const { host, patched } = openHost([2])
    const source = `export const f = mutation(async () => { ${patch(1)} let said; try { ${patch(2)} } catch (e) { said = e.message } ${patch(3)} return said })`
    expect(resultOf(await run(source, host))).toBe('no 2')
    expect(patched).toEqual([1, 3])
    expect(host.events.filter((event) => event === 'restart')).toHaveLength(1)
  })

  test('that are refused while the function waits for something else are thrown all the same', async () => {
    const { host, patched } = openHost([1])
    const source = `export const f = mutation(async () => { ${patch(1)} return await call('1.0/get') })`
    expect(await run(source, host)).toMatchObject({ kind: 'userError', message: expect.stringContaining('no 1') })
    expect(patched).toEqual([])
  })

  test('that fail for reasons of ours end the call uncatchably', async () => {
    const broken = new Error('disk on fire')
    for (const last of ['return 1', `return await call('1.0/get')`]) {
      const { host } = openHost([1], broken)
      const source = `export const f = mutation(async () => { try { ${patch(1)} } catch {} ${last} })`
      await expect(run(source, host)).rejects.toBe(broken)
    }
  })

  test('are waited for now and then, however many there are', async () => {
    const { host, patched } = openHost()
    const source = `export const f = mutation(async () => { for (let n = 0; n < 200; n++) await call('1.0/shallowMerge', { n }); return 'done' })`
    expect(resultOf(await run(source, host))).toBe('done')
    expect(patched).toEqual(Array.from({ length: 200 }, (_, n) => n))
  })
})

describe('reads that were answered before', () => {
  /** One account, whose balance others may change. */
  function openHost(account: { balance: number }): ScriptedHost {
    const text = (): string => `{"_id":"a1","balance":${account.balance}}`
    const host = new ScriptedHost({
      answers: {
        '1.0/get': () => JSON.parse(text()) as unknown,
        '1.0/shallowMerge': ({ value }) => Object.assign(account, value),
      },
    })
    host.nextPage = async (queryId, query) => {
      host.events.push(`page ${queryId}${query === undefined ? '' : ' first'}`)
      return { rows: [text()], done: true }
    }
    let before = account.balance
    host.restart = async () => {
      host.events.push('restart')
      account.balance = before
    }
    before = account.balance
    return host
  }
  const code = sampleCode({
    'a.js': `
      export const spend = mutation(async () => {
        const id = open('accounts'); const { value } = await next(id); close(id)
        const { balance } = await call('1.0/get', { id: 'a1' })
        if (value.balance !== balance) throw new Error('two answers')
        await call('1.0/shallowMerge', { id: 'a1', value: { balance: balance - 1 } })
        return balance
      })
      export const waitForZero = mutation(async () => {
        const { balance } = await call('1.0/get', { id: 'a1' })
        while (balance !== 0);
        return balance
      })`,
  })
  const run = async (own: Executor, name: string, host: ScriptedHost): Promise<unknown> =>
    resultOf(await own.execute(sampleRequest(code, name, { udfType: 'mutation' }), host))
  const asked = ['page 0 first', 'consumed 0 1', 'closed 0', '1.0/get', '1.0/shallowMerge']

  test('are confirmed by the host, in the order in which the function made them', async () => {
    await using own = new Executor({ pool, log })
    const account = { balance: 9 }
    for (const balance of [9, 8, 7]) {
      const host = openHost(account)
      expect(await run(own, 'spend', host)).toBe(balance)
      expect(host.events).toEqual(asked)
    }
    expect(account.balance).toBe(6)
  })

  test('and have changed since make the call run again', async () => {
    await using own = new Executor({ pool, log })
    const account = { balance: 9 }
    await run(own, 'spend', openHost(account))
    account.balance = 100
    const host = openHost(account)
    expect(await run(own, 'spend', host)).toBe(100)
    expect(host.events).toEqual(['page 0 first', 'restart', ...asked])
    expect(await run(own, 'spend', openHost(account))).toBe(99)
  })

  test('never make a function run into a limit: what it saw may not have been so', async () => {
    await using own = new Executor({ pool, log })
    const account = { balance: 1 }
    await run(own, 'spend', openHost(account))
    await run(own, 'spend', openHost(account))
    account.balance = 0
    expect(await run(own, 'waitForZero', openHost(account))).toBe(0)
    account.balance = 1
    expect(await run(own, 'waitForZero', openHost(account))).toContain('timed out')
  })
})

describe('cursors', () => {
  const rows = ['{"n":1}', '{"n":2}', '{"n":3}']

  test('are served from pages, and report what was taken', async () => {
    const code = sampleCode({
      'a.js': `export const f = query(async () => { const id = open(); const out = []; for (;;) { const { value, done } = await next(id); if (done) break; out.push(value.n) } return [out, close(id), close(id)] })`,
    })
    const host = new ScriptedHost({ pages: [rows, ['{"n":4}'], []] })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), host))).toEqual([[1, 2, 3, 4], true, false])
    expect(host.events).toEqual(['page 0 first', 'consumed 0 3', 'page 0', 'consumed 0 1', 'page 0', 'closed 0'])
  })

  test('report rows that were taken when the function just leaves them', async () => {
    const code = sampleCode({
      'a.js':
        'export const f = query(async () => { const id = open(); await next(id); return (await next(id)).value.n })',
    })
    const host = new ScriptedHost({ pages: [rows] })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), host))).toBe(2)
    expect(host.events).toEqual(['page 0 first', 'consumed 0 2'])
  })

  test('drop rows read ahead when the function writes', async () => {
    const code = sampleCode({
      'a.js': `export const f = mutation(async () => { const id = open(); await next(id); await call('1.0/get'); await next(id); await call('1.0/insert'); return (await next(id)).value.n })`,
    })
    const host = new ScriptedHost({
      pages: [rows, ['{"n":9}']],
      answers: { '1.0/insert': () => ({}), '1.0/get': () => null },
    })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f', { udfType: 'mutation' }), host))).toBe(9)
    expect(host.events).toEqual([
      'page 0 first',
      'consumed 0 1',
      '1.0/get',
      'consumed 0 2',
      '1.0/insert',
      'page 0',
      'consumed 0 1',
    ])
  })

  test('look again after the last row if the function has written since', async () => {
    const code = sampleCode({
      'a.js': `export const f = mutation(async () => { const id = open(); await next(id); const before = await next(id); await call('1.0/insert'); return [before.done, (await next(id)).value.n] })`,
    })
    let pages = 0
    const host = new ScriptedHost({ answers: { '1.0/insert': () => ({}) } })
    host.nextPage = async () => ({ rows: [`{"n":${++pages}}`], done: true })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f', { udfType: 'mutation' }), host))).toEqual([true, 2])
    expect(host.events).toEqual(['consumed 0 1', '1.0/insert', 'consumed 0 1'])
  })

  test('that never asked for a row, or were closed, are not known any more', async () => {
    const code = sampleCode({
      'a.js': `export const f = query(async () => { const [a, b] = [open(), open()]; await next(b); const closed = [close(a), close(a), close(b), close('x')]; return [closed, await call('1.0/get'), await next(b).catch((e) => e.message)] })`,
    })
    const host = new ScriptedHost({ pages: [['{"n":1}']], answers: { '1.0/get': () => 'doc' } })
    const message = 'in-progress query not found'
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), host))).toEqual([
      [true, false, true, false],
      'doc',
      message,
    ])
    expect(host.events).toEqual(['page 1 first', 'consumed 1 1', 'closed 1', '1.0/get'])
  })

  test('of a nested call are others than those of its caller', async () => {
    const code = sampleCode({
      'a.js': `
        export const outer = query(async () => { const id = open(); await next(id); await call('1.0/runUdf'); await call('1.0/runUdf'); return [(await next(id)).value.n, close(id)] })
        export const inner = query(async () => { const id = open(); const { value } = await next(id); close(id); return value.n })`,
    })
    const inner: NestedCall = {
      ...ofApp(code),
      udfType: 'query',
      modulePath: 'a.js',
      exportName: 'inner',
      argsText: '[{}]',
      seed: '33'.repeat(32),
      udfPath: 'a:inner',
    }
    const host = new ScriptedHost({ pages: [rows], nested: () => inner })
    expect(resultOf(await executor.execute(sampleRequest(code, 'outer'), host))).toEqual([2, true])
    const [first, second] = [2 ** 32, 2 ** 33]
    expect(host.events).toEqual([
      'page 0 first',
      'consumed 0 1',
      'begin nested',
      `page ${first} first`,
      `consumed ${first} 1`,
      `closed ${first}`,
      'end nested success',
      'begin nested',
      `page ${second} first`,
      `consumed ${second} 1`,
      `closed ${second}`,
      'end nested success',
      'consumed 0 2',
      'closed 0',
    ])
  })

  test('refuse an id that is not open', async () => {
    const code = sampleCode({ 'a.js': 'export const f = query(() => next(5))' })
    expect(resultOf(await executor.execute(sampleRequest(code, 'f'), new ScriptedHost()))).toMatch(
      /^Uncaught Error: in-progress query not found/,
    )
  })
})

describe('nested calls', () => {
  const source = `
    let n = 0
    export const outer = mutation(async () => { n = 5; const inner = await call('1.0/runUdf', { name: 'inner' }); return [n, inner, await call('1.0/get')] })
    export const inner = mutation(async ({ x }) => { console.log('inside'); return [++n, x, await call('1.0/get')] })
    export const caught = mutation(async () => { try { await call('1.0/runUdf', {}) } catch (e) { return e.message } })
    export const fails = mutation(() => { throw new TypeError('inner trouble') })
    export const loops = mutation(() => call('1.0/runUdf', {}))
    export const hog = mutation(() => { const a = []; for (;;) a.push(JSON.stringify('x'.repeat(1e6))) })
  `
  const code = sampleCode({ 'a.js': source })
  const nested = (exportName: string): NestedCall => ({
    ...ofApp(code),
    udfType: 'mutation',
    modulePath: 'a.js',
    exportName,
    argsText: '[{"x":1}]',
    seed: '33'.repeat(32),
    udfPath: `a:${exportName}`,
  })

  test('run in a context of their own, within the call', async () => {
    const host = new ScriptedHost({ answers: { '1.0/get': () => 'doc' }, nested: () => nested('inner') })
    const outcome = await executor.execute(sampleRequest(code, 'outer', { udfType: 'mutation' }), host)
    expect(resultOf(outcome)).toEqual([5, [1, 1, 'doc'], 'doc'])
    expect(host.events).toEqual(['begin nested', '1.0/get', 'end nested success', '1.0/get'])
    expect(outcome.logLines).toMatchObject([{ messages: ["'inside'"], udfPath: 'a:inner' }])
  })

  test('fail where the caller may catch them', async () => {
    const host = new ScriptedHost({ nested: () => nested('fails') })
    const outcome = await executor.execute(sampleRequest(code, 'caught', { udfType: 'mutation' }), host)
    expect(resultOf(outcome)).toMatch(/^Uncaught TypeError: inner trouble/)
    expect(host.events).toEqual(['begin nested', 'end nested userError'])
  })

  test('go as deep as the host admits', async () => {
    let depth = 0
    const host = new ScriptedHost({
      nested: () => {
        if (++depth > 8) throw new CatchableError('too deep')
        return nested('loops')
      },
    })
    const outcome = await executor.execute(sampleRequest(code, 'loops', { udfType: 'mutation' }), host)
    expect(resultOf(outcome)).toMatch(/too deep/)
    expect(host.events.filter((event) => event === 'end nested userError')).toHaveLength(8)
  })

  test('that run out of memory end the whole execution', async () => {
    const host = new ScriptedHost({ nested: () => nested('hog') })
    const outcome = await executor.execute(sampleRequest(code, 'caught', { udfType: 'mutation' }), host)
    expect(resultOf(outcome)).toBe('JavaScript execution ran out of memory (maximum memory usage: 64 MB)')
  })

  test('may belong to a component with code and variables of its own', async () => {
    const fails = 'export const fails = query(() => { throw new Error("in there") })'
    const component = await bundledCode(
      `import { queryGeneric as query } from 'convex/server'
       let calls = 0
       export const count = query(() => { console.log('counting'); return [++calls, process.env.NAME, process.env.SECRET ?? null] })
       ${fails}`,
    )
    const app = sampleCode({
      'a.js': `
        export const both = query(async () => [await call('1.0/runUdf', { name: 'count' }), process.env.SECRET, await call('1.0/runUdf', { name: 'count' })])
        export const caught = query(async () => { try { await call('1.0/runUdf', { name: 'fails' }) } catch (e) { return e.message } })`,
    })
    const env = { version: 'of-component', variables: { NAME: 'child' } }
    const host = new ScriptedHost({
      nested: (argsText) => {
        const { name } = JSON.parse(argsText) as { name: string }
        return {
          udfType: 'query',
          code: component,
          env,
          componentId: 'k1',
          modulePath: 'app.js',
          exportName: name,
          argsText: '[{}]',
          seed: '33'.repeat(32),
          udfPath: `app:${name}`,
          componentPath: 'child',
        }
      },
    })
    const appEnv = { version: 'of-app', variables: { SECRET: 'x' } }
    const outcome = await executor.execute(sampleRequest(app, 'both', { env: appEnv }), host)
    const counted = [1, 'child', null]
    expect(resultOf(outcome)).toEqual([counted, 'x', counted])
    const line = { messages: ["'counting'"], udfPath: 'app:count', componentPath: 'child' }
    expect(outcome.logLines).toMatchObject([line, line])
    const caught = resultOf(await executor.execute(sampleRequest(app, 'caught', { env: appEnv }), host))
    expect(caught).toMatch(/^Uncaught Error: in there\n {4}at .*\(.*app\.ts:4:\d+\)\n$/)
  })
})

describe('the real server library', () => {
  const source = `
    import { queryGeneric as query, mutationGeneric as mutation } from 'convex/server'
    import { v, ConvexError } from 'convex/values'
    export const list = query({ args: {}, handler: (ctx) => ctx.db.query('messages').collect() })
    export const send = mutation({ args: { body: v.string() }, handler: async (ctx, { body }) => { console.log('sending'); return await ctx.db.insert('messages', { body, at: 1n }) } })
    export const refuse = query(() => { throw new ConvexError({ code: 'no' }) })
    function deep() { throw new RangeError('deep') }
    export const trace = query({ handler: async () => { deep() } })
  `
  for (const prepare of [false, true]) {
    test(`runs ${prepare ? 'in a reused context' : 'in fresh contexts'}`, async () => {
      const code = await bundledCode(source, { prepare })
      expect(code.modules.get('app.js')?.reuse).toBe(prepare ? 'stateless' : 'fresh')
      for (let call = 0; call < 2; call++) {
        const host = new ScriptedHost({
          answers: { '1.0/insert': () => ({ _id: 'id1' }) },
          pages: [['{"_id":"a"}', '{"_id":"b"}']],
        })
        expect(resultOf(await executor.execute(sampleRequest(code, 'list'), host))).toEqual([
          { _id: 'a' },
          { _id: 'b' },
        ])
        const sent = await executor.execute(
          sampleRequest(code, 'send', { udfType: 'mutation', args: { body: 'hi' } }),
          host,
        )
        expect(sent).toMatchObject({ kind: 'success', resultText: '"id1"', logLines: [{ messages: ["'sending'"] }] })
        expect(host.events).toEqual(['page 0 first', 'consumed 0 2', 'closed 0', '1.0/insert'])
        expect(await executor.execute(sampleRequest(code, 'refuse'), host)).toMatchObject({
          kind: 'userError',
          message: expect.stringMatching(/^Uncaught ConvexError: /),
          data: '{"code":"no"}',
        })
        const traced = await executor.execute(sampleRequest(code, 'trace'), host)
        expect(traced.kind === 'userError' && traced.message).toMatch(
          /^Uncaught RangeError: deep\n {4}at deep \(.*app\.ts:7:\d+\)\n {4}at .*app\.ts:8:\d+\)\n$/,
        )
      }
    })
  }
})
