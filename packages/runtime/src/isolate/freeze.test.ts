import { describe, expect, test } from 'vitest'
import { TestContext } from './testing/test-context.ts'

const query = (body: string): string =>
  `Object.assign(() => {}, { isQuery: true, isPublic: true, invokeQuery: async () => { ${body} } })`

/** A frozen context whose module is `prologue` plus the query `run`; `refusal` is what `freeze` said. */
async function frozen(
  prologue: string,
  body = 'return "1"',
): Promise<{ context: TestContext; refusal: string | undefined }> {
  const context = await TestContext.create()
  context.load(`${prologue}\nexport const run = ${query(body)}`)
  context.endCall()
  return { context, refusal: context.freeze() }
}

type Outcome = { readonly text: string; readonly frozenWrite: boolean }
async function runFrozen(prologue: string, body: string): Promise<Outcome> {
  const { context, refusal } = await frozen(prologue, body)
  expect(refusal).toBeUndefined()
  const { settled, end } = context.invoke('run')
  const text = settled?.[1] ?? ''
  const inError = settled?.[0] === false && (JSON.parse(text) as { frozenWrite: boolean }).frozenWrite
  return { text, frozenWrite: inError || end.frozenWrite }
}

describe('freeze refuses', () => {
  test.each([
    ['export const bytes = new Uint8Array(4)', 'a typed array lives at module level'],
    ['export const buffer = new ArrayBuffer(4)', 'an array buffer lives at module level'],
    [
      'export const shared = { deep: [new SharedArrayBuffer(4)] }',
      'an object of class SharedArrayBuffer lives at module level',
    ],
    ['export const view = new DataView(new ArrayBuffer(4))', 'a typed array lives at module level'],
    ['export const later = Promise.resolve(1)', 'a promise lives at module level'],
    ['export const next = (function* () { yield 1 })()', 'an iterator or generator object lives at module level'],
    ['export const next = (async function* () { yield 1 })()', 'an iterator or generator object lives at module level'],
    ['export const next = [1].values()', 'an iterator or generator object lives at module level'],
    ['export const next = new Map().entries()', 'an iterator or generator object lives at module level'],
    ['export const next = [1].values().map((x) => x)', 'an iterator or generator object lives at module level'],
    ['export const memory = new WebAssembly.Memory({ initial: 1 })', 'an object of class Memory lives at module level'],
    ['const hidden = __concave_keep(new Uint8Array(1))', 'a typed array lives at module level'],
    [
      'const bound = (function () { return this.n++ }).bind({ n: new Uint8Array(1) }); export { bound }',
      'a typed array lives at module level',
    ],
    ['export const map = new Map([[{}, new Map([[1, new Uint8Array(1)]])]])', 'a typed array lives at module level'],
    ['const weak = new WeakMap(); weak.set(globalThis, new Uint8Array(1))', 'a typed array lives at module level'],
    ['export const proxy = new Proxy({}, { state: new Uint8Array(1) })', 'a typed array lives at module level'],
    ['export const ref = new WeakRef(new Uint8Array(1))', 'a typed array lives at module level'],
    ['export const error = new Error("constant")', 'an error lives at module level'],
    ['Array.prototype.push = () => 0', 'the built-in push was replaced'],
    [
      'Object.defineProperty(Object.prototype, "0", { set(value) {} })',
      'a property was added to a built-in that changes how it works',
    ],
    ['const { proxy } = Proxy.revocable({}, {})', 'a revocable proxy was made while the module was imported'],
    [
      '__concave_stateful("the binding `count` is assigned by a function")',
      'the binding `count` is assigned by a function',
    ],
  ])('%s', async (prologue, reason) => {
    const { context, refusal } = await frozen(
      prologue,
      'const o = {}; o.toString = 1; globalThis.x = 1; Array.prototype.x = 2; return String(o.toString)',
    )
    expect(refusal).toBe(reason)
    // The context is as it was: it still serves the call that it was made for.
    expect(context.invoke('run')).toMatchObject({ settled: [true, '1'], end: { frozenWrite: false } })
  })
})

describe('freeze accepts', () => {
  test.each([
    'export const empty = new Uint8Array(0)',
    'export function* make() { yield 1 }',
    'export class List { *[Symbol.iterator]() { yield 1 } static async *pages() {} }',
    'export class Cursor extends Iterator { next() { return { done: true } } }',
    'export const api = new Proxy({}, { get: (_, name) => new Proxy({ name }, {}) })',
    'export const codec = [new TextEncoder(), new TextDecoder(), new URL("https://a/b"), new Headers(), new Date(0)]',
    'export const format = [new Intl.NumberFormat("en"), new Intl.DateTimeFormat("en"), new Intl.Collator("en"), new Intl.Segmenter("en")]',
    'export const routes = [new URLPattern({ pathname: "/a/:id" }), new URLPattern("https://*.example/*")]',
    'export const key = { of: null }; crypto.subtle.importKey("raw", new Uint8Array(8), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]).then((k) => (key.of = k))',
    'Array.prototype.own = function () {}; Map.prototype.toJSON = () => 1; Date.prototype.toJSON = () => 2',
    'export const bound = [Math.max.bind(null, 1), (() => {}).bind()]; Reflect.construct(Boolean, [], function () {})',
    'export const cyclic = { toString() { return "" } }; cyclic.self = cyclic',
    'export const done = Object.freeze([Object.seal({}), Object.preventExtensions({})])',
    'export const symbol = Symbol("s"); export const big = 1n; export const nothing = null',
    'export const wasm = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))',
  ])('%s', async (prologue) => {
    const { context, refusal } = await frozen(prologue)
    expect(refusal).toBeUndefined()
    expect(context.invoke('run').settled).toEqual([true, '1'])
  })
})

describe('a frozen graph', () => {
  test.each([
    ['an exported object', 'export const config = { a: { b: 1 } }', 'config.a.b = 2'],
    ['an added property', 'export const config = {}', 'config.x = 2'],
    ['an array', 'export const list = []', 'list.push(1)'],
    ['a captured object', 'const cache = __concave_keep({})', 'cache.x = 1'],
    ['a map', 'export const cache = new Map()', 'cache.set(1, 2)'],
    [
      'a map through its prototype',
      'export const cache = new Map(); const { set } = Map.prototype',
      'set.call(cache, 1, 2)',
    ],
    ['a set', 'export const seen = new Set([1])', 'seen.delete(1)'],
    ['a weak map', 'export const seen = new WeakMap()', 'seen.set({}, 1)'],
    ['a weak set', 'export const seen = new WeakSet()', 'seen.add({})'],
    ['a date', 'export const epoch = new Date(0)', 'epoch.setTime(1)'],
    ['a url', 'export const base = new URL("https://a/")', 'base.pathname = "/x"'],
    ['search parameters of a url', 'export const base = new URL("https://a/")', 'base.searchParams.set("a", 1)'],
    ['headers', 'export const headers = new Headers()', 'headers.set("a", 1)'],
    ['an abort signal', 'export const controller = new AbortController()', 'controller.abort()'],
    ['an event target', 'export const target = new EventTarget()', 'target.addEventListener("x", () => {})'],
    [
      'a decoder that streams',
      'export const decoder = new TextDecoder()',
      'decoder.decode(new Uint8Array([0xc3]), { stream: true })',
    ],
    ['the body of a response', 'export const response = new Response("a")', 'response.body'],
    ['a response by reading it', 'export const response = new Response("a")', 'await response.text()'],
    [
      'the algorithm of a key',
      'const held = {}; globalThis.held = held; crypto.subtle.importKey("raw", new Uint8Array(8), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]).then((k) => (held.key = k))',
      'held.key.algorithm.user = 1',
    ],
    ['a storage', '', 'new AsyncLocalStorage()'],
    ['a function', 'export function helper() {}', 'helper.calls = 1'],
    ['a class', 'export class Counter { static count = 0 }', 'Counter.count++'],
    ['a prototype', 'export class Counter {}', 'Counter.prototype.x = 1'],
    ['a global', '', 'globalThis.leak = 1'],
    ['an intrinsic', '', 'Array.prototype.leak = 1'],
    ['an intrinsic method', '', 'Array.prototype.map = 1'],
    ['a hidden intrinsic', '', 'Object.getPrototypeOf(async () => {}).leak = 1'],
    ['a built-in object', '', 'Math.leak = 1'],
    ['a constructor of ours', '', 'URL.prototype.leak = 1'],
    ['process', '', 'process.leak = 1'],
    ['the prototype of an object', 'export const config = {}', 'Object.setPrototypeOf(config, null)'],
    ['a defined property', 'export const config = {}', 'Object.defineProperty(config, "x", { value: 1 })'],
    ['a deleted property', 'export const config = { x: 1 }', 'delete config.x'],
    ['a proxied target', 'export const target = {}; export const proxy = new Proxy(target, {})', 'proxy.x = 1'],
    ['a regular expression', 'export const pattern = /a/g', 'pattern.x = 1'],
    ['the pattern of a regular expression', 'export const pattern = /a/g', 'pattern.compile("b")'],
    ['Error itself', '', 'Error.leak = 1'],
    ['Object.prototype.toString', '', 'Object.prototype.toString = 1'],
  ])('notices a write to %s', async (_what, prologue, write) => {
    const { text, frozenWrite } = await runFrozen(prologue, `${write}; return "written"`)
    expect(text).not.toBe('written')
    expect(frozenWrite).toBe(true)
  })

  test.each([
    ['a guarded collection', 'export const cache = new Map()', 'try { cache.set(1, 2) } catch {}'],
    ['an overridden method of Object.prototype', '', 'try { Object.prototype.toString = 1 } catch {}'],
    ['an added property of RegExp.prototype', '', 'RegExp.prototype.leak = 1'],
    ['a replaced method of RegExp.prototype', '', 'RegExp.prototype.test = () => true'],
    [
      'a replaced getter of RegExp.prototype',
      '',
      'Object.defineProperty(RegExp.prototype, "flags", { get: () => "g" })',
    ],
    ['a getter by Reflect', '', 'Reflect.defineProperty(RegExp.prototype, "flags", { get: () => "g" })'],
    ['a getter by defineProperties', '', 'Object.defineProperties(RegExp.prototype, { flags: { get: () => "g" } })'],
    ['a getter by its legacy method', '', 'RegExp.prototype.__defineGetter__("flags", () => "g")'],
    ['a setter by its legacy method', '', 'RegExp.prototype.__defineSetter__("flags", () => {})'],
    ['a deleted getter', '', 'delete RegExp.prototype.flags'],
    ['a replaced symbol of RegExp.prototype', '', 'RegExp.prototype[Symbol.replace] = () => "x"'],
    ['another prototype of RegExp.prototype', '', 'Object.setPrototypeOf(RegExp.prototype, {})'],
    ['Reflect.set', 'export const config = {}', 'Reflect.set(config, "x", 1)'],
    ['Reflect.defineProperty', 'export const config = {}', 'Reflect.defineProperty(config, "x", { value: 1 })'],
    ['Reflect.deleteProperty', 'export const config = { x: 1 }', 'Reflect.deleteProperty(config, "x")'],
    ['Reflect.setPrototypeOf', 'export const config = {}', 'Reflect.setPrototypeOf(config, null)'],
  ])('notices a write that user code swallows: %s', async (_what, prologue, write) => {
    const outcome = await runFrozen(prologue, `${write}; return "swallowed"`)
    expect(outcome).toEqual({ text: 'swallowed', frozenWrite: true })
  })

  test.each([
    'const error = new Error("a"); error.name = "Custom"; error.message = "b"; error.extra = 1; return String(error) + error.extra',
    'class Custom extends TypeError { constructor(m) { super(m); this.name = "Custom"; this.message = "b" } } return String(new Custom("a")) + 1',
  ])('lets ordinary code shape errors: %s', async (body) => {
    expect(await runFrozen('', body)).toEqual({ text: 'Custom: b1', frozenWrite: false })
  })

  test('lets ordinary code override inherited names', async () => {
    const body = `
      const o = {}; o.toString = () => "mine"; o.constructor = 1; o.hasOwnProperty = 2; o.valueOf = () => 3
      const list = [1]; list.map = 4; list.at = 5
      const f = () => {}; f.toString = () => "f"; f.call = 6
      const p = Promise.resolve(7); p.catch = 8
      function Old() {}; Old.prototype = Object.create(Object.prototype); Old.prototype.constructor = Old; Old.prototype.toString = () => "old"
      const own = { toString: 9 }; own.toString = 10
      return JSON.stringify([o + "", o.constructor, Object.keys(o), list.map, list.at, f + "", f.call, p.catch, String(new Old()), own.toString, await p])`
    const { text, frozenWrite } = await runFrozen('', body)
    expect(JSON.parse(text)).toEqual([
      '3',
      1,
      ['toString', 'constructor', 'hasOwnProperty', 'valueOf'],
      4,
      5,
      'f',
      6,
      8,
      'old',
      10,
      7,
    ])
    expect(frozenWrite).toBe(false)
  })

  test('reads constant tables and copies them', async () => {
    const prologue =
      'const table = __concave_keep(new Map([["a", [1]]])); const days = __concave_keep(new Set(["mon"])); const start = __concave_keep(new Date(0))'
    const body =
      'const copy = new Map(table); copy.set("b", 2); const day = new Date(start); day.setTime(5); return JSON.stringify([table.get("a"), [...copy.keys()], days.has("mon"), day.getTime(), new Set([...days, "tue"]).size])'
    expect(await runFrozen(prologue, body)).toEqual({ text: '[[1],["a","b"],true,5,2]', frozenWrite: false })
  })

  test('regular expressions begin every call where they were frozen', async () => {
    const { context, refusal } = await frozen(
      'export const pattern = /a/g; export const plain = /b/',
      'return JSON.stringify([pattern.lastIndex, pattern.test("aa"), pattern.lastIndex, "aXa".replace(pattern, "-"), plain.test("b")])',
    )
    expect(refusal).toBeUndefined()
    const first = context.invoke('run').settled
    expect(first).toEqual([true, '[0,true,1,"-X-",true]'])
    expect(context.invoke('run').settled).toEqual(first)
  })

  test('a match position does not reach the next call', async () => {
    const { context } = await frozen('export const pattern = /a/g', 'return String(pattern.test("a"))')
    expect(context.invoke('run').settled).toEqual([true, 'true'])
    expect(context.invoke('run').settled).toEqual([true, 'true'])
  })

  test('stack settings work and do not reach the next call', async () => {
    const { context } = await frozen(
      '',
      `const before = Error.stackTraceLimit
       Error.stackTraceLimit = 1
       const deep = (n) => (n === 0 ? new Error("x") : deep(n - 1))
       const lines = deep(5).stack.split("\\n").length
       const holder = {}; Error.captureStackTrace(holder)
       Error.prepareStackTrace = () => "prepared"
       return JSON.stringify([before, lines, typeof holder.stack, new Error("y").stack])`,
    )
    expect(context.invoke('run').settled).toEqual([true, '[10,2,"string","prepared"]'])
    expect(context.invoke('run').settled).toEqual([true, '[10,2,"string","prepared"]'])
  })

  test('still describes errors with frames', async () => {
    const { text } = await runFrozen('export function inner() { throw new Error("deep") }', 'inner()')
    const error = JSON.parse(text) as { message: string; frozenWrite: boolean; frames: { functionName: string }[] }
    expect(error).toMatchObject({ message: 'Uncaught Error: deep', frozenWrite: false })
    expect(error.frames[0]?.functionName).toBe('inner')
  })

  test('a TypeError of the code itself is no frozen write', async () => {
    expect((await runFrozen('', 'null.x')).frozenWrite).toBe(false)
    expect((await runFrozen('', '({}).nope()')).frozenWrite).toBe(false)
  })

  test('values kept after the import phase are not collected', async () => {
    const { context, refusal } = await frozen('', 'const own = __concave_keep({}); own.x = 1; return String(own.x)')
    expect(refusal).toBeUndefined()
    expect(context.invoke('run').settled).toEqual([true, '1'])
    expect(() => context.evaluate('(() => { "use strict"; globalThis.__concave_keep = 1 })()')).toThrow(TypeError)
  })
})
