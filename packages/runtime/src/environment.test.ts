/**
 * What user code finds in each kind of function and while modules are imported: function-runtime.md §3.1, §3.2 and §3.6 row
 * by row, in real runners.
 */
import { createLog } from '@concave/base'
import { createContext, runInContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HttpActionRequest, HttpExchange } from './actions/action.ts'
import { Executor } from './executor.ts'
import type { CodeBundle, EnvBundle, ExecuteOutcome } from './execution.ts'
import { prepareModule } from './stateless/prepare-module.ts'
import { type ActionFixture, openActionFixture, ScriptedActionHost } from './testing/action-fixture.ts'
import { ScriptedHost } from './testing/scripted-host.ts'

const places = ['query', 'mutation', 'action', 'http action', 'import'] as const
type Place = (typeof places)[number]
type Row = { readonly expression: string; readonly expected: Readonly<Record<Place, unknown>> }

const nowMs = 1_750_000_000_000
const importTimeMs = 1_700_000_000_000

function everywhere(expression: string, value: unknown): Row {
  return row(expression, { query: value, mutation: value, action: value, 'http action': value, import: value })
}
function row(expression: string, expected: Row['expected']): Row {
  return { expression, expected }
}
/** What only actions can do; `what` is how errors call it. */
function inActions(expression: string, value: unknown, what: string, name = 'Error'): Row {
  const elsewhere = `${name}: Can't use ${what} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`
  return row(expression, {
    query: elsewhere,
    mutation: elsewhere,
    action: value,
    'http action': value,
    import: `${name}: Can't use ${what} at import time`,
  })
}
function byTime(
  expression: string,
  expected: { readonly query: unknown; readonly mutation: unknown; readonly action: unknown; readonly import: unknown },
): Row {
  return row(expression, { ...expected, 'http action': expected.action })
}

const functions =
  'URL URLSearchParams URLPattern Headers Request Response Blob File FormData fetch Event EventTarget AbortController AbortSignal DOMException structuredClone atob btoa TextEncoder TextDecoder TextEncoderStream TextDecoderStream ReadableStream ReadableStreamDefaultReader ReadableStreamBYOBReader WritableStream WritableStreamDefaultWriter TransformStream Crypto SubtleCrypto CryptoKey Performance PerformanceEntry PerformanceMark PerformanceMeasure setTimeout setInterval clearTimeout clearInterval queueMicrotask AsyncLocalStorage AsyncResource'.split(
    ' ',
  )
const objects = 'console crypto performance process self Convex'.split(' ')
const absent =
  'window navigator document Buffer global require module exports setImmediate clearImmediate XMLHttpRequest WebSocket EventSource MessageChannel MessagePort CompressionStream DecompressionStream BroadcastChannel Worker SharedWorker Deno Bun Temporal gc localStorage __concave __runner'.split(
    ' ',
  )
/** What the streams of actions bring along. */
const streamHelpers = 'ReadableStreamDefaultController CountQueuingStrategy ByteLengthQueuingStrategy'.split(' ')

const wasm =
  'new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11])'

const rows: readonly Row[] = [
  ...functions.map((name) => everywhere(`typeof ${name}`, 'function')),
  ...objects.map((name) => everywhere(`typeof ${name}`, 'object')),
  ...absent.map((name) => everywhere(`typeof ${name}`, 'undefined')),
  ...['Intl', 'WebAssembly', 'Atomics', 'Reflect'].map((name) => everywhere(`typeof ${name}`, 'object')),
  ...['SharedArrayBuffer', 'BigInt', 'WeakRef', 'FinalizationRegistry', 'Proxy', 'Float64Array'].map((name) =>
    everywhere(`typeof ${name}`, 'function'),
  ),
  everywhere('Object.keys(globalThis)', []),
  everywhere('self === globalThis', true),
  everywhere('Object.keys(console)', 'debug error info log warn trace time timeLog timeEnd'.split(' ')),
  everywhere('Object.keys(process)', ['env']),
  everywhere('typeof process.version', 'undefined'),
  everywhere('[new WeakRef(globalThis).deref() === self, new FinalizationRegistry(() => {}).register({}, 1)]', [
    true,
    null,
  ]),
  everywhere(
    'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)',
    expect.stringMatching(/^TypeError: Atomics/),
  ),
  everywhere('Intl.DateTimeFormat().resolvedOptions().timeZone', 'UTC'),
  everywhere('new Date(0).getTimezoneOffset()', 0),
  everywhere('new Intl.NumberFormat("de").format(1234.5)', '1.234,5'),
  everywhere('new Date(0).toLocaleString("en-US")', '1/1/1970, 12:00:00 AM'),

  // The table of §3.2.
  byTime('Date.now()', { query: nowMs, mutation: nowMs, action: expect.any(Number), import: importTimeMs }),
  byTime('new Date().getTime() === NOW', { query: true, mutation: true, action: false, import: false }),
  byTime('Math.abs(Date.now() - REAL) < 600000', { query: false, mutation: false, action: true, import: false }),
  everywhere('((r) => r >= 0 && r < 1)(Math.random())', true),
  ...['crypto.getRandomValues(new Uint8Array(65536)).length', 'crypto.randomUUID().length'].map((expression, i) =>
    byTime(expression, {
      query: [65536, 36][i],
      mutation: [65536, 36][i],
      action: [65536, 36][i],
      import: 'Error: Cannot use cryptographic randomness at import time',
    }),
  ),
  byTime('crypto.getRandomValues(new Uint8Array(65537)).length', {
    query: expect.stringMatching(/^QuotaExceededError: /),
    mutation: expect.stringMatching(/^QuotaExceededError: /),
    action: expect.stringMatching(/^QuotaExceededError: /),
    import: 'Error: Cannot use cryptographic randomness at import time',
  }),
  byTime('performance.now() === performance.now() && performance.now()', {
    query: nowMs - importTimeMs,
    mutation: expect.anything(),
    action: expect.anything(),
    import: 0,
  }),
  byTime('Number.isInteger(Math.round(performance.now() * 1e5) / 1e4)', {
    query: true,
    mutation: true,
    action: true,
    import: true,
  }),
  everywhere('performance.timeOrigin', importTimeMs),
  inActions('(await fetch("data:,x").catch((e) => { if (e instanceof TypeError) return 1; throw e }))', 1, 'fetch()'),
  inActions('await new Promise((resolve) => setTimeout(resolve, 1, "late"))', 'late', 'setTimeout'),
  inActions('clearInterval(setInterval(() => {}, 1))', null, 'setInterval'),
  everywhere('[clearTimeout(1), clearInterval(undefined)]', [null, null]),
  inActions(
    '[...await new Response("a=1", { headers: { "content-type": "application/x-www-form-urlencoded" } }).formData()]',
    [['a', '1']],
    'formData()',
  ),
  inActions('new ReadableStream().getReader().constructor.name', 'ReadableStreamDefaultReader', 'stream'),
  inActions('new WritableStream().getWriter().constructor.name', 'WritableStreamDefaultWriter', 'stream'),
  inActions('(await new TransformStream().readable.cancel()) ?? null', null, 'stream'),
  inActions('(await new Blob(["a"]).stream().getReader().read()).done', false, 'stream'),
  inActions(
    '(await Array.fromAsync(new TextDecoderStream().readable.pipeThrough({ readable: ReadableStream.from([1]), writable: new WritableStream() })))',
    [1],
    'stream',
  ),
  row('await Convex.jsSyscall("storage/getBlob", { storageId: "x" })', {
    query: expect.stringContaining("Can't use storage.get() in queries and mutations."),
    mutation: expect.stringContaining("Can't use storage.get() in queries and mutations."),
    action: null,
    'http action': null,
    import: expect.stringMatching(/import time/),
  }),
  row('await Convex.jsSyscall("storage/storeBlob", { blob: new Blob([]) })', {
    query: expect.stringContaining("Can't use storage.store() in queries and mutations."),
    mutation: expect.stringContaining("Can't use storage.store() in queries and mutations."),
    action: 'stored',
    'http action': 'stored',
    import: expect.stringMatching(/import time/),
  }),
  byTime('(await import("./loaded.js")).value', {
    query: 'TypeError: dynamic module import unsupported',
    mutation: 'TypeError: dynamic module import unsupported',
    action: 'loaded',
    import: 'TypeError: dynamic module import unsupported',
  }),
  byTime('Convex.syscall("1.0/db/normalizeId", "{}")', {
    query: expect.any(String),
    mutation: expect.any(String),
    action: expect.any(String),
    import: 'Error: Syscall 1.0/db/normalizeId unsupported at import time',
  }),
  byTime('await Convex.asyncSyscall("1.0/get", "{}")', {
    query: '1',
    mutation: '1',
    action: '1',
    import: "Error: Can't use database at import time",
  }),
  everywhere('[await new Blob(["a", new Blob(["b"])]).text(), (await new Blob(["ab"]).arrayBuffer()).byteLength]', [
    'ab',
    2,
  ]),
  everywhere('(await new File(["x"], "a.txt", { type: "Text/Plain" }).bytes()).length', 1),
  everywhere('await new Response(new Blob(["ab"])).text()', 'ab'),
  everywhere('[await new Request("https://a.example", { method: "POST", body: "x" }).json().catch((e) => e.name)]', [
    'SyntaxError',
  ]),
  everywhere('((form) => (form.append("a", new Blob(["x"])), form.get("a").name))(new FormData())', 'blob'),
  everywhere('structuredClone({ a: new Map([[1, new Date(5)]]), b: [1n === 1n] }).a.get(1).getTime()', 5),
  everywhere(
    'structuredClone(new ArrayBuffer(1), { transfer: [new ArrayBuffer(1)] })',
    expect.stringMatching(/^[A-Za-z]+Error: /),
  ),
  everywhere('await new Promise((resolve) => queueMicrotask(() => resolve(1)))', 1),
  everywhere('new AsyncLocalStorage().run(5, () => 6)', 6),

  // WebAssembly, in the foreground.
  everywhere(`WebAssembly.validate(${wasm})`, true),
  everywhere(`new WebAssembly.Instance(new WebAssembly.Module(${wasm})).exports.add(2, 3)`, 5),
  everywhere(`(await WebAssembly.instantiate(${wasm})).instance.exports.add(2, 3)`, 5),
  everywhere(`(await WebAssembly.instantiate(await WebAssembly.compile(${wasm}))).exports.add(2, 3)`, 5),
  everywhere('await WebAssembly.compile(new Uint8Array(3))', expect.stringMatching(/^CompileError: /)),

  // §3.3, computed by the process around the isolate.
  everywhere(
    '[...new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(0)))].slice(0, 3)',
    [0xe3, 0xb0, 0xc4],
  ),
  everywhere(
    '(await crypto.subtle.sign("HMAC", await crypto.subtle.importKey("raw", new Uint8Array(9), { name: "HMAC", hash: "SHA-1" }, false, ["sign"]), new Uint8Array(1))).byteLength',
    20,
  ),
  byTime('(await crypto.subtle.generateKey("Ed25519", true, ["sign"])).privateKey.type', {
    query: expect.stringContaining("Error: Can't use cryptographic randomness in queries and mutations."),
    mutation: expect.stringContaining("Error: Can't use cryptographic randomness in queries and mutations."),
    action: 'private',
    import: 'Error: Cannot use cryptographic randomness at import time',
  }),

  // §3.6.
  everywhere('[process.env.NAME, process.env.NONE ?? null, typeof process.env.NONE]', ['value', null, 'undefined']),
  everywhere('["NAME" in process.env, Object.keys(process.env)]', [false, []]),
  everywhere('(process.env.NAME = "other", process.env.NAME)', 'value'),

  // Arguments that only some hosts take.
  byTime('setTimeout("1 + 1", 1)', {
    query: expect.stringContaining('setTimeout'),
    mutation: expect.stringContaining('setTimeout'),
    action: 'TypeError: The callback provided is not a function',
    import: expect.stringContaining('setTimeout'),
  }),
]

const probes = `
const REAL = ${Date.now()}, NOW = ${nowMs}
const attempt = async (run) => { try { return (await run()) ?? null } catch (e) { return e.name + ': ' + e.message } }
const probe = async () => {
  const seen = []
  for (const run of [${rows.map(({ expression }) => `async () => (${expression})`).join(',\n')}]) seen.push(await attempt(run))
  return seen
}
const names = () => Object.getOwnPropertyNames(globalThis)
let imported
void probe().then((seen) => { imported = [seen, names()] })
export const q = { isQuery: true, isPublic: true, invokeQuery: async () => JSON.stringify([await probe(), names()]) }
export const m = { isMutation: true, isPublic: true, invokeMutation: async () => JSON.stringify([await probe(), names()]) }
export const i = { isQuery: true, isPublic: true, invokeQuery: async () => JSON.stringify(imported) }
export const a = { isAction: true, isPublic: true, invokeAction: async () => JSON.stringify([await probe(), names()]) }
export default {
  isRouter: true,
  lookup: () => ['/', 'GET', '/'],
  runRequest: async (head) => {
    const request = Convex.jsSyscall('requestFromConvexJson', { convexJson: JSON.parse(head) })
    const seen = request.method === 'GET' ? [await probe(), names()] : []
    return JSON.stringify(Convex.jsSyscall('convexJsonFromResponse', { response: Response.json(seen) }))
  },
}`

const env: EnvBundle = { version: 'named', variables: { NAME: 'value' } }

function codeOf(): CodeBundle {
  const modules = { 'a.js': probes, 'loaded.js': 'export const value = "loaded"' }
  return {
    version: 'environment',
    importSeed: '00'.repeat(32),
    importTimeMs,
    modules: new Map(
      Object.entries(modules).map(([path, text]) => {
        const { source } = prepareModule(text, path)
        return [path, { path, source, sourceMap: undefined, reuse: 'fresh' }]
      }),
    ),
  }
}

let fixture: ActionFixture
let executor: Executor
const seen = new Map<Place, readonly [values: readonly unknown[], names: readonly string[]]>()

async function execute(udfType: 'query' | 'mutation', exportName: string): Promise<never> {
  const host = new ScriptedHost({ answers: { '1.0/get': () => 1, '1.0/db/normalizeId': () => null } })
  const seed = '11'.repeat(32)
  const outcome: ExecuteOutcome = await executor.execute(
    { udfType, code: codeOf(), env, componentId: '', modulePath: 'a.js', exportName, argsText: '[{}]', seed, nowMs },
    host,
  )
  if (outcome.kind !== 'success') throw new Error(JSON.stringify(outcome))
  return JSON.parse(outcome.resultText) as never
}

const answers = { '1.0/get': () => 1, 'storage/getBlob': () => null, 'storage/storeBlob': () => 'stored' }
const actionBase = { code: codeOf(), env, modulePath: 'a.js', seed: '33'.repeat(32) }

async function act(): Promise<never> {
  const outcome = await fixture.executor.run(
    { ...actionBase, kind: 'action', exportName: 'a', argsText: '[{}]' },
    new ScriptedActionHost(answers),
  )
  if (outcome.kind !== 'success') throw new Error(JSON.stringify(outcome))
  return JSON.parse(outcome.resultText) as never
}

async function serve(): Promise<never> {
  const pieces: Uint8Array[] = []
  const request: HttpActionRequest = { method: 'GET', url: 'https://a.example/', headerPairs: [] }
  const exchange: HttpExchange = {
    requestBody: undefined,
    signal: new AbortController().signal,
    respond: () => undefined,
    responseBody: {
      write: async (bytes) => void pieces.push(bytes),
      end: async () => undefined,
      abort: () => undefined,
    },
  }
  const outcome = await fixture.executor.run(
    { ...actionBase, kind: 'http', path: '/', request, exchange },
    new ScriptedActionHost(answers),
  )
  if (outcome.kind !== 'success') throw new Error(JSON.stringify(outcome))
  return JSON.parse(Buffer.concat(pieces).toString()) as never
}

beforeAll(async () => {
  fixture = await openActionFixture()
  executor = new Executor({ pool: fixture.pool, log: createLog({ level: 'error' }) })
  seen.set('query', await execute('query', 'q'))
  seen.set('mutation', await execute('mutation', 'm'))
  seen.set('import', await execute('query', 'i'))
  seen.set('action', await act())
  seen.set('http action', await serve())
}, 120_000)
afterAll(async () => {
  await executor.close()
  await fixture[Symbol.asyncDispose]()
})

test.each(rows.map(({ expression, expected }, index) => [expression, expected, index] as const))(
  '%s',
  (_expression, expected, index) => {
    expect(Object.fromEntries(places.map((place) => [place, seen.get(place)?.[0][index]]))).toEqual(expected)
  },
)

describe.each(places)('in %s', (place) => {
  test('there is nothing else', () => {
    const ownNames = runInContext('Object.getOwnPropertyNames(globalThis)', createContext()) as string[]
    const known = new Set([...ownNames, ...functions, ...objects])
    if (place === 'action' || place === 'http action') for (const name of streamHelpers) known.add(name)
    const others = seen.get(place)?.[1].filter((name) => !known.has(name) && !name.startsWith('__concave_'))
    expect(others).toEqual([])
  })
})
