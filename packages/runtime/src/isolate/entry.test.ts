import { describe, expect, test } from 'vitest'
import { importTimeMs, TestContext, callTimeMs } from './testing/test-context.ts'

const fn = (kind: 'Query' | 'Mutation', body: string): string =>
  `Object.assign(() => {}, { is${kind}: true, isPublic: true, invoke${kind}: async (argsText) => { ${body} } })`

async function contextWith(exports: Readonly<Record<string, string>>, prologue = '', env = {}): Promise<TestContext> {
  const context = await TestContext.create(env)
  const lines = Object.entries(exports).map(([name, value]) => `export const ${name} = ${value}`)
  context.load([prologue, ...lines].join('\n'))
  return context
}

const failure = (settled: readonly [boolean, string] | undefined): Record<string, unknown> => {
  expect(settled?.[0]).toBe(false)
  return JSON.parse(settled?.[1] ?? '{}') as Record<string, unknown>
}

describe('invoke', () => {
  test('passes the arguments text and reports the result text', async () => {
    const context = await contextWith({ echo: fn('Query', 'return argsText') })
    expect(context.invoke('echo', { args: { a: 1 } }).settled).toEqual([true, '[{"a":1}]'])
  })

  test('names a missing export, an unregistered one and the wrong kind', async () => {
    const context = await contextWith({ plain: '1', write: fn('Mutation', 'return "1"') })
    expect(failure(context.invoke('nope').settled)['message']).toBe(`Couldn't find "nope" in module "app.js".`)
    expect(failure(context.invoke('plain').settled)['message']).toBe(
      'Function app.js:plain is neither a query or mutation. Did you forget to wrap it with `query` or `mutation`?',
    )
    expect(failure(context.invoke('write').settled)['message']).toBe(
      'Function app.js:write is registered as a mutation but is being run as a query.',
    )
  })

  test('reports nothing for a promise that never settles', async () => {
    const context = await contextWith({ hang: fn('Query', 'await new Promise(() => {})') })
    expect(context.invoke('hang').settled).toBeUndefined()
  })
})

describe('syscalls', () => {
  test('are answered in order, at once', async () => {
    const context = await contextWith({
      all: fn(
        'Query',
        'const order = []; await Promise.all(["a", "b", "c"].map((op) => Convex.asyncSyscall(op, "{}").then((text) => order.push(text)))); return JSON.stringify(order)',
      ),
    })
    const seen: string[] = []
    context.host = (operation) => {
      seen.push(operation)
      return `0"${operation}"`
    }
    expect(context.invoke('all').settled).toEqual([true, '["\\"a\\"","\\"b\\"","\\"c\\""]'])
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  test('a user error can be caught and carries parsed data', async () => {
    const context = await contextWith({
      get: fn(
        'Query',
        'try { await Convex.asyncSyscall("x", "{}") } catch (e) { return JSON.stringify([e.message, e.data, e instanceof Error]) }',
      ),
      sync: fn(
        'Query',
        'try { Convex.syscall("x", "{}") } catch (e) { return JSON.stringify([e.message, e.data ?? null]) }',
      ),
    })
    context.host = () => '1{"message":"no","data":{"a":1}}'
    expect(context.invoke('get').settled).toEqual([true, '["no",{"a":1},true]'])
    context.host = () => '1{"message":"no"}'
    expect(context.invoke('sync').settled).toEqual([true, '["no",null]'])
  })

  test('any other answer ends the execution, whatever user code catches', async () => {
    const context = await contextWith({
      sync: fn('Query', 'try { Convex.syscall("x", "{}") } catch {} return "saved"'),
      later: fn('Query', 'try { await Convex.asyncSyscall("x", "{}") } catch {} return "saved"'),
    })
    context.host = () => {
      throw new Error('storage is down')
    }
    expect(failure(context.invoke('sync').settled)['uncatchable']).toBe(true)
    expect(context.invoke('later').settled).toBeUndefined()
    context.host = () => '2'
    expect(failure(context.invoke('sync').settled)['uncatchable']).toBe(true)
    context.host = () => '0"fine"'
    expect(context.invoke('sync').settled).toEqual([true, 'saved'])
  })

  test('fail while modules are imported', async () => {
    const context = await TestContext.create()
    context.load(`
      export let sync, later
      try { Convex.syscall('1.0/queryStream', '{}') } catch (e) { sync = e.message }
      Convex.asyncSyscall('1.0/get', '{}').catch((e) => { later = e.message })
      globalThis.read = () => [sync, later]
    `)
    expect(context.evaluate('read()')).toEqual([
      'Syscall 1.0/queryStream unsupported at import time',
      "Can't use database at import time",
    ])
  })

  test('unknown js syscalls are named', async () => {
    const context = await TestContext.create()
    await expect(context.run('Convex.jsSyscall("storage/other", {})')).rejects.toThrow(
      'Unknown JS syscall: storage/other',
    )
  })
})

describe('clock and randomness', () => {
  test('the clock stands still and looking at it is recorded', async () => {
    const context = await contextWith({
      now: fn(
        'Query',
        'return JSON.stringify([Date.now(), new Date().getTime(), Date.parse(Date()), new (class extends Date {})().getTime()])',
      ),
      explicit: fn('Query', 'return JSON.stringify(new Date(5).toISOString())'),
      format: fn('Query', 'return new Intl.DateTimeFormat("en-US", { timeZone: "UTC" }).format()'),
    })
    const { settled, end } = context.invoke('now')
    expect(JSON.parse(settled?.[1] ?? '')).toEqual([callTimeMs, callTimeMs, callTimeMs, callTimeMs])
    expect(end.observed.time).toBe(true)
    expect(context.invoke('explicit').end.observed.time).toBe(false)
    expect(context.invoke('format').settled).toEqual([true, '11/14/2023'])
    expect(context.invoke('format').end.observed.time).toBe(true)
  })

  test('the import phase has its own clock', async () => {
    const context = await contextWith({ at: fn('Query', 'return String(loadedAt)') }, 'const loadedAt = Date.now()')
    expect(context.invoke('at').settled).toEqual([true, String(importTimeMs)])
  })

  test('equal seeds give equal randomness, other seeds other', async () => {
    const draw =
      'JSON.stringify([Math.random(), Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(70))]])'
    const context = await contextWith({ draw: fn('Query', `return ${draw}`) })
    const first = context.invoke('draw').settled?.[1]
    expect(context.invoke('draw').settled?.[1]).toBe(first)
    expect(context.invoke('draw', { seed: '33'.repeat(32) }).settled?.[1]).not.toBe(first)
    const [a, b, uuid] = JSON.parse(first ?? '') as [number, number, string]
    expect(a).not.toBe(b)
    expect(a >= 0 && a < 1).toBe(true)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  test('drawing from Math.random does not shift the crypto stream', async () => {
    const context = await contextWith({
      plain: fn('Query', 'return JSON.stringify([...crypto.getRandomValues(new Uint8Array(100))])'),
      mixed: fn(
        'Query',
        'const a = [...crypto.getRandomValues(new Uint8Array(10))]; Math.random(); return JSON.stringify([...a, ...crypto.getRandomValues(new Uint8Array(90))])',
      ),
      first: fn('Query', 'Math.random(); return JSON.stringify([...crypto.getRandomValues(new Uint8Array(100))])'),
    })
    const plain = context.invoke('plain').settled?.[1]
    expect(context.invoke('mixed').settled?.[1]).toBe(plain)
    expect(context.invoke('first').settled?.[1]).toBe(plain)
  })

  test('the key stream is ChaCha20', async () => {
    // RFC 8439 §A.1, test vector 1: zero key, zero nonce, counter 0.
    const context = await contextWith({
      draw: fn('Query', 'return JSON.stringify([...crypto.getRandomValues(new Uint8Array(16))])'),
    })
    const bytes = JSON.parse(context.invoke('draw', { seed: '00'.repeat(32) }).settled?.[1] ?? '') as number[]
    expect(Buffer.from(bytes).toString('hex')).toBe('76b8e0ada0f13d90405d6ae55386bd28')
  })

  test('cryptographic randomness is refused at import time, Math.random is not', async () => {
    const context = await TestContext.create()
    expect(() => context.evaluate('crypto.randomUUID()')).toThrow('Cannot use cryptographic randomness at import time')
    expect(() => context.evaluate('crypto.getRandomValues(new Uint8Array(1))')).toThrow(
      'Cannot use cryptographic randomness at import time',
    )
    expect(context.evaluate('Math.random()')).toEqual(expect.any(Number))
  })

  test('performance.now is 0 at import, fixed in queries, and never runs backwards in mutations', async () => {
    const context = await TestContext.create()
    expect(context.evaluate('[performance.now(), performance.timeOrigin]')).toEqual([0, importTimeMs])
    expect(await context.run('[performance.now(), performance.now(), performance.timeOrigin]')).toEqual([
      5000,
      5000,
      importTimeMs,
    ])
    const [a, b] = (await context.run('[performance.now(), performance.now()]', { udfType: 'mutation' })) as [
      number,
      number,
    ]
    expect(a >= 5000 && b >= a).toBe(true)
  })
})

describe('environment', () => {
  test('is a lookup in which nothing can be listed or written', async () => {
    const context = await contextWith(
      {
        look: fn(
          'Query',
          'process.env.NEW = "x"; return JSON.stringify([process.env.A, process.env.B ?? null, process.env.NEW ?? null, Object.keys(process.env), "A" in process.env, Object.keys(process)])',
        ),
      },
      '',
      { A: 'one' },
    )
    const { settled, end } = context.invoke('look')
    expect(settled).toEqual([true, '["one",null,null,[],false,["env"]]'])
    expect(end.observed.env.toSorted()).toEqual(['A', 'B', 'NEW'])
  })

  test('reads of the import phase count for every call', async () => {
    const context = await contextWith({ one: fn('Query', 'return "1"') }, 'const a = process.env.A', { A: 'x' })
    context.invoke('one')
    expect(context.invoke('one').end.observed.env).toEqual(['A'])
  })

  test.each([
    ['schema', 'Environment variables unsupported when evaluating schema'],
    ['componentDefinition', "Environment variables are only supported in the app's convex.config.ts."],
    ['authConfig', 'Environment variable A is used in auth config file but its value was not set'],
  ])('special files have their own rules: %s', async (kind, text) => {
    const context = await TestContext.create()
    context.beginImport({}, kind)
    expect(() => context.evaluate('process.env.A')).toThrow(text)
  })

  test('inherited names are not variables', async () => {
    const context = await contextWith({
      look: fn('Query', 'return JSON.stringify([process.env.toString ?? null, process.env.constructor ?? null])'),
    })
    expect(context.invoke('look').settled).toEqual([true, '[null,null]'])
  })
})

describe('console', () => {
  test('formats like object-inspect, with levels', async () => {
    const context = await contextWith({
      log: fn(
        'Query',
        'console.log("a", { b: [1, "c"] }, 1n, undefined); console.warn("%s", 1); console.error(new TypeError("x")); console.debug(); console.info(null); return "1"',
      ),
    })
    const { logLines } = context.invoke('log').end
    expect(logLines.map(({ level, messages }) => [level, ...messages])).toEqual([
      ['LOG', "'a'", "{\n  b: [ 1, 'c' ]\n}", '1n', 'undefined'],
      ['WARN', "'%s'", '1'],
      ['ERROR', '[TypeError: x]'],
      ['DEBUG'],
      ['INFO', 'null'],
    ])
  })

  test('cuts long lines and overflowing logs', async () => {
    const context = await contextWith({
      long: fn('Query', 'console.log("a".repeat(20000), "é".repeat(20000), "b"); return "1"'),
      many: fn('Query', 'for (let i = 0; i < 300; i++) console.log(i); return "1"'),
    })
    const line = context.invoke('long').end.logLines[0]
    expect(line?.isTruncated).toBe(true)
    expect(Buffer.byteLength(line?.messages.join(' ') ?? '')).toBeLessThanOrEqual(32_768)
    expect(Buffer.byteLength(line?.messages.join(' ') ?? '')).toBeGreaterThan(32_764)
    const { logLines } = context.invoke('many').end
    expect(logLines).toHaveLength(256)
    expect(logLines[254]?.messages).toEqual(['254'])
    expect(logLines[255]).toMatchObject({
      level: 'ERROR',
      messages: ['Log overflow (maximum 256). Remaining log lines omitted.'],
    })
  })

  test('timers measure and complain', async () => {
    const context = await contextWith({
      timers: fn(
        'Query',
        'console.time(); console.time(); console.timeLog("x"); console.timeLog(); console.timeEnd(); console.timeEnd("default"); return "1"',
      ),
    })
    expect(
      context.invoke('timers').end.logLines.map(({ level, messages }) => [level, messages[0]?.replace(/\d+ms/, 'Nms')]),
    ).toEqual([
      ['WARN', "Timer 'default' already exists"],
      ['WARN', "Timer 'x' does not exist"],
      ['INFO', 'default: Nms'],
      ['INFO', 'default: Nms'],
      ['WARN', "Timer 'default' does not exist"],
    ])
  })

  test('trace carries frames for the host to map', async () => {
    const context = await contextWith(
      { trace: fn('Query', 'inner(); return "1"') },
      'function inner() { console.trace("here") }',
    )
    const line = context.invoke('trace').end.logLines[0]
    expect(line).toMatchObject({ level: 'LOG', messages: ["'here'"] })
    expect(line?.traceFrames?.[0]?.functionName).toBe('inner')
  })
})

describe('errors', () => {
  const thrown = async (statement: string, prologue = ''): Promise<Record<string, unknown>> => {
    const context = await contextWith({ boom: fn('Query', statement) }, prologue)
    return failure(context.invoke('boom').settled)
  }

  test('carry name, message and structured frames', async () => {
    const error = await thrown('inner()', 'function inner() { throw new RangeError("too big") }')
    expect(error).toMatchObject({ message: 'Uncaught RangeError: too big', name: 'RangeError', frozenWrite: false })
    const frames = error['frames'] as Record<string, unknown>[]
    expect(frames[0]).toMatchObject({ functionName: 'inner', fileName: 'app.js', lineNumber: 1, isAsync: false })
  })

  test('keep frames when user code read the stack first or replaced prepareStackTrace', async () => {
    const read = await thrown('const e = new Error("x"); void e.stack; throw e')
    expect((read['frames'] as unknown[]).length).toBeGreaterThan(0)
    const context = await contextWith({
      sites: fn(
        'Query',
        'const old = Error.prepareStackTrace; Error.prepareStackTrace = (_, sites) => sites; const sites = new Error().stack; Error.prepareStackTrace = old; return String(Array.isArray(sites))',
      ),
    })
    expect(context.invoke('sites').settled).toEqual([true, 'true'])
  })

  test.each([
    ['"text"', 'Uncaught text'],
    ['null', 'Uncaught null'],
    ['undefined', 'Uncaught undefined'],
    ['5n', 'Uncaught 5'],
    ['Symbol("s")', 'Uncaught Symbol(s)'],
    ['{ a: 1 }', 'Uncaught #<Object>'],
    ['new (class Foo {})()', 'Uncaught #<Foo>'],
    ['[1]', 'Uncaught [object Array]'],
    ['Object.create(null)', 'Uncaught [object Object]'],
    ['Object.assign(new Error("m"), { name: "" })', 'Uncaught m'],
    ['new Error()', 'Uncaught Error'],
    ['Object.defineProperty(new Error(), "message", { get() { throw 1 } })', 'Uncaught Error'],
    ['new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 } })', 'Uncaught [object Object]'],
  ])('describe the thrown value %s', async (expression, message) => {
    expect((await thrown(`throw ${expression}`))['message']).toBe(message)
  })

  test('a ConvexError is known by its mark and carries its data', async () => {
    const mark = 'ConvexErrorSymbol: Symbol.for("ConvexError"), [Symbol.for("ConvexError")]: true'
    expect(await thrown(`throw Object.assign(new Error("e"), { ${mark}, data: '{"a":1}' })`)).toMatchObject({
      data: '{"a":1}',
    })
    const invalid = await thrown(`throw Object.assign(new Error("e"), { ${mark}, data: 'nope{' })`)
    expect(invalid['message']).toBe('ConvexError with invalid data: nope{')
    expect(invalid).not.toHaveProperty('data')
    const unencodable = await thrown(`throw Object.assign(new Error("e"), { ${mark}, data: '{"$what":1}' })`)
    expect(unencodable['message']).toBe('ConvexError with invalid data: {"$what":1}')
    expect(await thrown('throw Object.assign(new Error("e"), { data: "1" })')).not.toHaveProperty('data')
  })
})

describe('globals', () => {
  const present =
    'console URL URLSearchParams URLPattern Headers Request Response Blob File FormData fetch Event EventTarget AbortController AbortSignal DOMException structuredClone atob btoa TextEncoder TextDecoder TextEncoderStream TextDecoderStream ReadableStream ReadableStreamDefaultReader ReadableStreamBYOBReader WritableStream WritableStreamDefaultWriter TransformStream crypto Crypto SubtleCrypto CryptoKey performance Performance PerformanceEntry PerformanceMark PerformanceMeasure setTimeout setInterval clearTimeout clearInterval AsyncLocalStorage AsyncResource process self Convex WebAssembly SharedArrayBuffer Intl WeakRef FinalizationRegistry'
  const absent =
    'window navigator document Buffer global require module setImmediate XMLHttpRequest WebSocket MessageChannel CompressionStream BroadcastChannel Worker __concave Temporal'

  test('are exactly those of the specification', async () => {
    const context = await TestContext.create()
    for (const name of present.split(' '))
      expect([name, context.evaluate(`typeof ${name}`)]).not.toEqual([name, 'undefined'])
    for (const name of absent.split(' '))
      expect([name, context.evaluate(`typeof ${name}`)]).toEqual([name, 'undefined'])
    expect(context.evaluate('Object.keys(globalThis)')).toEqual([])
    expect(context.evaluate('Object.keys(console)')).toEqual(
      'debug error info log warn trace time timeLog timeEnd'.split(' '),
    )
    expect(context.evaluate('process.version ?? null')).toBeNull()
  })

  test('what needs an action exists and says so', async () => {
    const context = await TestContext.create()
    const text = (what: string): string =>
      `Can't use ${what} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`
    await expect(context.run('fetch("https://example.com")')).rejects.toThrow(text('fetch()'))
    await expect(context.run('setTimeout(() => {}, 1)')).rejects.toThrow(text('setTimeout'))
    await expect(context.run('setInterval(() => {}, 1)')).rejects.toThrow(text('setInterval'))
    await expect(context.run('new Response("x").formData()')).rejects.toThrow(text('formData()'))
    await expect(context.run('new ReadableStream().getReader()')).rejects.toThrow(text('stream'))
    await expect(context.run('new Response("x").body.getReader()')).rejects.toThrow(text('stream'))
  })

  test('last match of RegExp and other hidden state is gone', async () => {
    const context = await TestContext.create()
    expect(
      context.evaluate(
        '(/(a)/.exec("a"), [RegExp.$1 ?? null, RegExp.lastMatch ?? null, RegExp["$&"] ?? null, RegExp.input ?? null])',
      ),
    ).toEqual([null, null, null, null])
    expect(() => context.evaluate('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)')).toThrow(TypeError)
    expect(context.evaluate('new WeakRef({ a: 1 }).deref()')).toEqual({ a: 1 })
  })

  test('WebAssembly compiles at once', async () => {
    const context = await TestContext.create()
    const bytes = 'new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])'
    expect(
      await context.run(
        `WebAssembly.instantiate(${bytes}).then(({ instance }) => instance instanceof WebAssembly.Instance)`,
      ),
    ).toBe(true)
  })
})
