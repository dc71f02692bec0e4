/** Programs that try to leave something for the next call. Each must be refused, or its write must fail. */
import { describe, expect, it } from 'vitest'
import { prepareModule } from './prepare-module.ts'
import { TestRealm } from './test-realm.ts'

/**
 * `fresh`: the check refuses. `refused`: freezing does. `flagged`: the first call's write is noticed, so that the runner
 * repeats it elsewhere and drops the context. `throws`: it fails unnoticed. `same`: the second call sees what a first one
 * would.
 */
type Outcome = 'fresh' | 'refused' | 'flagged' | 'throws' | 'same'

async function judge(source: string): Promise<{ readonly outcome: Outcome | 'LEAK'; readonly detail: unknown }> {
  const { verdict } = prepareModule(source, 'app.js')
  if (verdict.tier === 'fresh') return { outcome: 'fresh', detail: verdict.reason }
  const reused = await TestRealm.create(source, { isRewritten: true, isFrozen: true })
  const unused = await TestRealm.create(source, { isRewritten: true, isFrozen: true })
  try {
    if (!reused.isFrozen) return { outcome: 'refused', detail: undefined }
    const first = reused.call('run', 'alice')
    if (first.isFlagged) return { outcome: 'flagged', detail: first }
    const second = reused.call('run', 'bob')
    const expected = unused.call('run', 'bob')
    const isSame = JSON.stringify(second) === JSON.stringify(expected)
    if (!isSame) return { outcome: 'LEAK', detail: { first, second, expected } }
    return { outcome: first.kind === 'threw' ? 'throws' : 'same', detail: first }
  } finally {
    reused.dispose()
    unused.dispose()
  }
}

/** Each exports `run(user)`, which returns what it can see of earlier calls. */
const programs: readonly (readonly [title: string, outcome: Outcome, source: string])[] = [
  ['module counter', 'fresh', 'let n = 0; export const run = () => n++'],
  ['module cache', 'fresh', 'let cache; export const run = (user) => cache ??= user'],
  [
    'destructuring to a module binding',
    'fresh',
    'let last = 0; export const run = (user) => { const seen = last; [last] = [user]; return seen }',
  ],
  [
    'object destructuring to a module binding',
    'fresh',
    'let last = 0; export const run = (user) => { const seen = last; ({ user: last = 1 } = { user }); return seen }',
  ],
  [
    'loop head over a module binding',
    'fresh',
    'let last = 0; export const run = (user) => { const seen = last; for (last of [user]); return seen }',
  ],
  [
    'for-in head over a module binding',
    'fresh',
    'let last = 0; export const run = (user) => { const seen = last; for (last in { [user]: 1 }); return seen }',
  ],
  [
    'module binding in a block',
    'fresh',
    'export let run; { let last = 0; run = (user) => { const seen = last; last = user; return seen } }',
  ],
  [
    'module binding of a loop',
    'fresh',
    'const list = []; for (let i = 0; i < 1; i++) list.push((user) => { const seen = i; i = user; return seen }); export const run = (user) => list[0](user)',
  ],
  [
    'exported binding',
    'fresh',
    'export let last = 0; export const run = (user) => { const seen = last; last = user; return seen }',
  ],
  [
    'function declaration reassigned',
    'fresh',
    'function f() { return 0 } export const run = (user) => { const seen = f(); f = () => user; return seen }',
  ],
  [
    'class static block',
    'fresh',
    'let last = 0; export const run = (user) => { const seen = last; class A { static { last = user } } return seen }',
  ],
  ['mutated array', 'flagged', 'const log = []; export const run = (user) => { log.push(user); return log }'],
  [
    'array hole',
    'flagged',
    'const log = [, ,]; const at = (x) => x; export const run = (user) => { at(log)[0] ??= user; return log }',
  ],
  [
    'array length',
    'flagged',
    'const log = [1, 2]; const at = (x) => x; export const run = () => { at(log).length = 0; return log }',
  ],
  [
    'mutated object',
    'flagged',
    'const last = {}; const at = (x) => x; export const run = (user) => { at(last).user ??= user; return last }',
  ],
  [
    'mutated object, by name',
    'fresh',
    'const last = {}; export const run = (user) => { last.user ??= user; return last }',
  ],
  [
    'nested object',
    'flagged',
    'const last = { a: { b: [{}] } }; export const run = (user) => { const { b } = last.a; b[0].user ??= user; return last }',
  ],
  [
    'nested object, by name',
    'fresh',
    'const last = { a: { b: [{}] } }; export const run = (user) => { last.a["b"][0].user ??= user; return last }',
  ],
  ['deleted property', 'flagged', 'const o = { a: 1 }; const at = (x) => x; export const run = () => delete at(o).a'],
  ['deleted property, by name', 'fresh', 'const o = { a: 1 }; export const run = () => delete o.a'],
  [
    'symbol key',
    'flagged',
    'const key = Symbol("k"), o = {}; const at = (x) => x; export const run = (user) => at(o)[key] ??= user',
  ],
  [
    'empty Map',
    'fresh',
    'const m = new Map(); export const run = (user) => { m.set("k", m.get("k") ?? user); return m.get("k") }',
  ],
  [
    'Map with entries',
    'flagged',
    'const m = new Map([["a", 1]]); export const run = (user) => { m.set("k", m.get("k") ?? user); return m.get("k") }',
  ],
  [
    'object in a Map',
    'flagged',
    'const m = new Map([["a", {}]]); export const run = (user) => m.get("a").user ??= user',
  ],
  [
    'Map in a closure',
    'flagged',
    'const make = () => { const m = new Map(); return (user) => { if (!m.has("k")) m.set("k", user); return m.get("k") } }; export const run = make()',
  ],
  ['Set', 'flagged', 'const s = new Set(["a"]); export const run = (user) => { s.add(user); return s.size }'],
  [
    'WeakMap',
    'fresh',
    'const key = {}, m = new WeakMap(); export const run = (user) => { if (!m.has(key)) m.set(key, user); return m.get(key) }',
  ],
  [
    'WeakMap in a closure',
    'flagged',
    'const key = {}; const make = () => { const m = new WeakMap(); return (user) => { if (!m.has(key)) m.set(key, user); return m.get(key) } }; export const run = make()',
  ],
  ['Date', 'fresh', 'const d = new Date(0); export const run = () => d.setTime(d.getTime() + 1)'],
  [
    'Date in a closure',
    'flagged',
    'const make = () => { const d = new Date(0); return () => d.setTime(d.getTime() + 1) }; export const run = make()',
  ],
  ['typed array', 'fresh', 'const a = new Uint8Array(4); export const run = () => a[0]++'],
  [
    'typed array in a closure',
    'refused',
    'const make = () => { const a = new Uint8Array(4); return () => a[0]++ }; export const run = make()',
  ],
  [
    'array buffer in an object in a closure',
    'refused',
    'const make = () => { const a = { b: new ArrayBuffer(4) }; return () => new Uint8Array(a.b)[0]++ }; export const run = make()',
  ],
  [
    'counter in an immediately called function',
    'refused',
    'export const run = (() => { let n = 0; return () => n++ })()',
  ],
  [
    'counter in nested factories',
    'refused',
    'const a = () => { let n = 0; return () => () => n++ }; export const run = a()()',
  ],
  ['counter as parameter', 'refused', 'const make = (n) => () => n++; export const run = make(0)'],
  ['counter as default parameter', 'refused', 'const make = (n = 0) => () => n++; export const run = make()'],
  [
    'counter in a destructured parameter',
    'refused',
    'const make = ({ n }) => () => n++; export const run = make({ n: 0 })',
  ],
  ['object as parameter', 'flagged', 'const make = (o) => () => o.n++; export const run = make({ n: 0 })'],
  ['object in a default parameter', 'flagged', 'const make = (o = { n: 0 }) => () => o.n++; export const run = make()'],
  [
    'object in a destructured parameter',
    'flagged',
    'function make({ o: { p } }, [q]) { return () => [p.n++, q] } export const run = make({ o: { p: { n: 0 } } }, [1])',
  ],
  [
    'rest parameter',
    'flagged',
    'const make = (...list) => (user) => { list.push(user); return list }; export const run = make()',
  ],
  ['arguments', 'flagged', 'function make() { return () => arguments[0].n++ } export const run = make({ n: 0 })'],
  ['arguments element', 'flagged', 'function make() { return () => arguments[0]++ } export const run = make(0)'],
  ['this of a factory', 'flagged', 'function make() { return () => this.n++ } export const run = make.call({ n: 0 })'],
  [
    'this of a constructor',
    'flagged',
    'class A { constructor() { this.n = 0; this.run = () => this.n++ } } const { run } = new A(); export { run }',
  ],
  [
    'this of a derived constructor',
    'flagged',
    'class B {} class A extends B { constructor() { super(); this.n = 0; this.run = () => this.n++ } } const { run } = new A(); export { run }',
  ],
  ['this of a field', 'flagged', 'class A { n = 0; run = () => this.n++ } const { run } = new A(); export { run }'],
  [
    'this of a field of a derived class',
    'flagged',
    'class B {} class A extends B { n = 0; run = () => this.n++ } const { run } = new A(); export { run }',
  ],
  [
    'this of a static field',
    'flagged',
    'const { run } = class { static n = 0; static run = () => this.n++ }; export { run }',
  ],
  [
    'this of a static block',
    'flagged',
    'const o = {}; const at = (x) => x; (class { static n = 0; static { at(o).run = () => this.n++ } }); const { run } = o; export { run }',
  ],
  ['this of a method', 'flagged', 'const run = { n: 0, make() { return () => this.n++ } }.make(); export { run }'],
  [
    'new.target',
    'flagged',
    'function make() { return { run: () => new.target.n++ } } const { run } = new (function () { return make.call(this) }, class extends Object { constructor() { const f = () => { new.target.n ??= 0; return new.target.n++ }; return { run: f } } })(); export { run }',
  ],
  [
    'class name',
    'flagged',
    'const run = (class C { static n = 0; static inc() { return C.n++ } }).inc; export { run }',
  ],
  [
    'class declared in a function',
    'flagged',
    'const make = () => { class C { static n = 0 } return () => C.n++ }; export const run = make()',
  ],
  [
    'function name',
    'flagged',
    'const run = (function f() { return () => { f.n ??= 0; return f.n++ } })(); export { run }',
  ],
  [
    'function declared in a function',
    'flagged',
    'function make() { return () => { helper.n ??= 0; return helper.n++ }; function helper() {} } export const run = make()',
  ],
  [
    'function declared in a block',
    'flagged',
    'function make() { { function helper() {} return () => { helper.n ??= 0; return helper.n++ } } } export const run = make()',
  ],
  [
    'function declared in a switch',
    'refused',
    'function make() { switch (1) { case 1: function helper() {} return () => { helper.n ??= 0; return helper.n++ } } } export const run = make()',
  ],
  [
    'home object of an object literal',
    'flagged',
    'const { run } = { __proto__: { o: { n: 0 } }, run() { return super.o.n++ } }; export { run }',
  ],
  [
    'home object of a class',
    'flagged',
    'class B { static o = { n: 0 } } const { run } = class extends B { static run() { return super.o.n++ } }; export { run }',
  ],
  [
    'let assigned later',
    'flagged',
    'const make = () => { let o; o = { n: 0 }; return () => o.n++ }; export const run = make()',
  ],
  [
    'let assigned by ??=',
    'flagged',
    'const make = () => { let o; o ??= { n: 0 }; return () => o.n++ }; export const run = make()',
  ],
  [
    'let assigned by a pattern',
    'refused',
    'const make = () => { let o; [o] = [{ n: 0 }]; return () => o.n++ }; export const run = make()',
  ],
  [
    'var in a conditional',
    'flagged',
    'const make = () => { if (1) var o = { n: 0 }; else o = 1; return () => o.n++ }; export const run = make()',
  ],
  [
    'const arrow function with properties',
    'flagged',
    'const make = () => { const f = () => 0; return () => { f.n ??= 0; return f.n++ } }; export const run = make()',
  ],
  [
    'object pattern',
    'flagged',
    'const make = () => { const { o, p: [q] } = { o: { n: 0 }, p: [1] }; return () => o.n++ + q }; export const run = make()',
  ],
  [
    'for-of binding',
    'flagged',
    'const make = () => { for (const o of [{ n: 0 }]) return () => o.n++ }; export const run = make()',
  ],
  [
    'for-in binding',
    'same',
    'const make = () => { for (const o in { a: 1 }) return () => o }; export const run = make()',
  ],
  [
    'for binding',
    'flagged',
    'const make = () => { const fs = []; for (let o = { n: 0 }, i = 0; i < 1; i++) fs.push(() => o.n++); return fs[0] }; export const run = make()',
  ],
  [
    'for counter, changed by a closure',
    'refused',
    'const make = () => { const fs = []; for (let i = 0; i < 1; i++) fs.push(() => i++); return fs[0] }; export const run = make()',
  ],
  [
    'catch binding',
    'flagged',
    'const make = () => { try { throw { n: 0 } } catch (o) { return () => o.n++ } }; export const run = make()',
  ],
  [
    'catch pattern',
    'flagged',
    'const make = () => { try { throw { o: { n: 0 } } } catch ({ o }) { return () => o.n++ } }; export const run = make()',
  ],
  [
    'labelled loop closure',
    'flagged',
    'const make = () => { outer: for (const a of [1]) for (const o of [{ n: 0 }]) { if (a) return () => o.n++; continue outer } }; export const run = make()',
  ],
  [
    'switch binding',
    'flagged',
    'const make = (k) => { switch (k) { case 1: const o = { n: 0 }; return () => o.n++ } }; export const run = make(1)',
  ],
  ['top-level block binding', 'flagged', 'export let run; { const o = { n: 0 }; run = () => o.n++ }'],
  [
    'parameter shadowed by var',
    'flagged',
    'function make(o) { var o; return () => o.n++ } export const run = make({ n: 0 })',
  ],
  [
    'parameter shadowed by var, with defaults',
    'flagged',
    'function make(o, p = 1) { var o; return () => o.n++ + p } export const run = make({ n: 0 })',
  ],
  [
    'closure among the parameters',
    'fresh',
    'function make(o = { n: 0 }, f = () => o.n++) { return f } export const run = make()',
  ],
  [
    'closure among the parameters, escaping a throw',
    'fresh',
    'let out; const leak = (f) => f; const box = []; function make(o = { n: 0 }, f = box.push(() => o.n++), g = boom()) {} function boom() { throw 1 } try { make() } catch {} export const run = (user) => box[0]()',
  ],
  [
    'pattern that throws half-way',
    'refused',
    'const box = []; function make() { const { a, b } = { a: { n: 0 }, get b() { box.push(h); throw 1 } }; function h() { return a.n++ } } try { make() } catch {} export const run = () => box[0]()',
  ],
  [
    'getter with hidden state',
    'refused',
    'const o = (() => { let n = 0; return { get n() { return n++ } } })(); export const run = () => o.n',
  ],
  [
    'setter with hidden state',
    'refused',
    'const o = (() => { let v = 0; return { get v() { return v }, set v(x) { v = x } } })(); const at = (x) => x; export const run = (user) => { const seen = o.v; at(o).v = user; return seen }',
  ],
  [
    'generator',
    'refused',
    'const g = (function* () { let n = 0; while (true) yield n++ })(); export const run = () => g.next().value',
  ],
  [
    'generator in a closure',
    'refused',
    'const make = () => { const g = (function* () { let n = 0; while (true) yield n++ })(); return () => g.next().value }; export const run = make()',
  ],
  ['array iterator', 'refused', 'const i = [1, 2, 3][Symbol.iterator](); export const run = () => i.next().value'],
  [
    'iterator helper in a closure',
    'refused',
    'const make = () => { const i = [1, 2, 3].values().map((x) => x); return () => i.next().value }; export const run = make()',
  ],
  [
    'promise',
    'fresh',
    'const { promise, resolve } = Promise.withResolvers(); export const run = (user) => { resolve(user); return promise }',
  ],
  [
    'static field',
    'flagged',
    'class A { static n = 0; static inc() { return this.n++ } } export const run = () => A.inc()',
  ],
  ['static field, by name', 'fresh', 'class A { static n = 0 } export const run = () => A.n++'],
  [
    'instance field',
    'flagged',
    'const a = new (class { n = 0; inc() { return this.n++ } })(); export const run = () => a.inc()',
  ],
  [
    'private field',
    'refused',
    'class A { #n = 0; inc() { return this.#n++ } } const a = new A(); export const run = () => a.inc()',
  ],
  [
    'private field, by a pattern',
    'refused',
    'class A { #n = 0; inc(u) { const seen = this.#n; [this.#n] = [u]; return seen } } const a = new A(); export const run = (user) => a.inc(user)',
  ],
  [
    'private field holding an object',
    'flagged',
    'class A { #o = { n: 0 }; inc() { return this.#o.n++ } } const a = new A(); export const run = () => a.inc()',
  ],
  [
    'private field holding a function',
    'flagged',
    'class A { #f = () => 0; inc() { this.#f.n ??= 0; return this.#f.n++ } } const a = new A(); export const run = () => a.inc()',
  ],
  [
    'private field set in the constructor',
    'flagged',
    'class A { #o; constructor(o) { this.#o = o } inc() { return this.#o.n++ } } const a = new A({ n: 0 }); export const run = () => a.inc()',
  ],
  [
    'private field set by an arrow of the constructor',
    'refused',
    'class A { #n = 0; constructor() { this.inc = (u) => { const seen = this.#n; this.#n = u; return seen } } } const a = new A(); export const run = (user) => a.inc(user)',
  ],
  [
    'private static field',
    'fresh',
    'class A { static #n = 0; static inc() { return A.#n++ } } export const run = () => A.inc()',
  ],
  [
    'private static field of a class in a function',
    'refused',
    'const make = () => { class A { static #n = 0; static inc() { return A.#n++ } } return () => A.inc() }; export const run = make()',
  ],
  [
    'private static object',
    'flagged',
    'class A { static #o = { n: 0 }; static inc() { return A.#o.n++ } } export const run = () => A.inc()',
  ],
  [
    'private method as a value',
    'fresh',
    'class A { #m() {} inc() { const m = this.#m; m.n ??= 0; return m.n++ } } export const run = () => new A().inc()',
  ],
  [
    'private accessor',
    'refused',
    'class A { #n = 0; get #v() { return this.#n } set #v(x) { this.#n = x } inc(u) { const seen = this.#v; this.#v = u; return seen } } const a = new A(); export const run = (user) => a.inc(user)',
  ],
  [
    'private field stamped on a module object',
    'fresh',
    'class B { constructor(o) { return o } } class S extends B { #v; constructor(o, v) { super(o); this.#v = v } static has(o) { return #v in o } } const o = {}; export const run = (user) => { const seen = S.has(o); if (!seen) new S(o, user); return seen }',
  ],
  [
    'prototype patching',
    'flagged',
    'export const run = (user) => { const seen = [].last; Array.prototype.last = user; return seen }',
  ],
  [
    'prototype of own class',
    'flagged',
    'class A {} export const run = (user) => { const seen = new A().last; const p = A.prototype; p.last = user; return seen }',
  ],
  [
    'setPrototypeOf',
    'flagged',
    'const o = {}; export const run = (user) => { const seen = o.user; Object.setPrototypeOf(o, { user }); return seen }',
  ],
  [
    'defineProperty',
    'flagged',
    'const o = {}; export const run = (user) => { const seen = o.user; Object.defineProperty(o, "user", { value: user }); return seen }',
  ],
  [
    'global property',
    'flagged',
    'export const run = (user) => { const seen = globalThis.last; globalThis.last = user; return seen }',
  ],
  [
    'function property',
    'flagged',
    'const at = (x) => x; export const run = () => { at(run).n ??= 0; return at(run).n++ }',
  ],
  [
    'Error.stackTraceLimit',
    'same',
    'export const run = () => { const seen = Error.stackTraceLimit; Error.stackTraceLimit = 3; return seen }',
  ],
  [
    'stack of a module-level error',
    'refused',
    'const at = (x) => x, e = at(new Error("x")); export const run = (user) => { const seen = e.stack.length < 6; at(e).stack = user; return seen }',
  ],
  ['regex lastIndex', 'same', 'const r = /a/g; export const run = () => { r.test("aaaa"); return r.lastIndex }'],
  [
    'regex lastIndex of a closure',
    'same',
    'const make = () => { const r = /a/y; return () => { r.test("aaaa"); return r.lastIndex } }; export const run = make()',
  ],
  [
    'regex compile',
    'flagged',
    'const r = /a/; export const run = (user) => { const seen = r.source; r.compile(user); return seen }',
  ],
  ['RegExp statics', 'same', 'export const run = (user) => { const seen = RegExp.$1; /(.*)/.exec(user); return seen }'],
  [
    'template object',
    'flagged',
    'const tag = (strings) => strings; const of = () => tag`a`; export const run = (user) => of().user ??= user',
  ],
  ['bound this', 'flagged', 'const run = function () { return this.n++ }.bind({ n: 0 }); export { run }'],
  ['bound argument', 'flagged', 'const inc = (o) => o.n++; export const run = inc.bind(null, { n: 0 })'],
  [
    'bound by computed name',
    'flagged',
    'const inc = (o) => o.n++; export const run = inc["bi" + "nd"](null, { n: 0 })',
  ],
  [
    'bound by Reflect',
    'flagged',
    'const inc = (o) => o.n++; export const run = Reflect.apply(Function.prototype["bi" + "nd"], inc, [null, { n: 0 }])',
  ],
  [
    'proxy handler',
    'flagged',
    'const p = new Proxy({}, { n: 0, get(target, key) { return this.n++ } }); export const run = () => p.x',
  ],
  ['proxy target', 'flagged', 'const p = new Proxy({ n: 0 }, {}), at = (x) => x; export const run = () => at(p).n++'],
  [
    'proxy by another name',
    'flagged',
    'const p = new globalThis["Pro" + "xy"]({}, { n: 0, get(target, key) { return this.n++ } }); export const run = () => p.x',
  ],
  ['direct eval', 'fresh', 'export const run = () => eval("1")'],
  ['import()', 'fresh', 'export const run = () => import("./x.js")'],
  ['import.meta', 'fresh', 'export const run = (user) => import.meta.user ??= user'],
  ['top-level await', 'fresh', 'await 1; export const run = () => 1'],
  [
    'code from a string',
    'refused',
    'let f = () => 0; try { f = new Function("let n = 0; return () => n++")() } catch {} export const run = () => f()',
  ],
  [
    'code from a string, through a constructor',
    'fresh',
    'export const run = (() => {}).constructor("let n = 0; return () => n++")()',
  ],
  [
    'code from a string, by a computed name',
    'refused',
    'let f = () => 0; try { const G = (function* () {})["construct" + "or"]; f = G("let n = 0; yield () => n++")().next().value } catch {} export const run = () => f()',
  ],
  [
    'code from a string, generator',
    'fresh',
    'let f = () => 0; try { const G = (function* () {}).constructor; f = G("let n = 0; yield () => n++")().next().value } catch {} export const run = () => f()',
  ],
  [
    'suspended async function, resumed by a captured resolver',
    'refused',
    'const make = () => { let go; const gate = new Promise((r) => go = r); const seen = []; (async () => { await gate })(); return (u) => go(u) }; export const run = make()',
  ],
  [
    'resolver in a property',
    'refused',
    'const box = {}, at = (x) => x; new Promise((r) => at(box).set = r); export const run = (user) => box.set(user)',
  ],
  [
    'suspended async function that remembers a user',
    'refused',
    `const box = {}, at = (x) => x;
    (async () => {
      const later = (async () => await { then(r) { at(box).second = r } })();
      const user = await { then(r) { at(box).first = r } };
      (await later).user = user;
    })();
    export const run = async (user) => { const out = {}; if (user === "alice") box.first(user); else box.second(out); for (let i = 0; i < 9; i++) await 0; return out }`,
  ],
  [
    'resolver from a thenable',
    'refused',
    'const box = {}, at = (x) => x; (async () => { const user = await { then(r) { at(box).set = r } } })(); export const run = (user) => box.set(user)',
  ],
  [
    'Intl format function',
    'flagged',
    'const f = new Intl.NumberFormat("en"); export const run = () => { const g = f.format; g.n ??= 0; return g.n++ }',
  ],
  ['reserved name', 'fresh', 'const __concave_keep = (x) => x; export const run = __concave_keep(() => 1)'],
  [
    'replaced hook',
    'flagged',
    'try { globalThis["__concave_" + "keep"] = (x) => x } catch {} const make = (o) => () => o.n++; export const run = make({ n: 0 })',
  ],
  [
    'Map made with another prototype',
    'refused',
    'const { prototype } = Map, m = Reflect.construct(Map, [], Object); prototype.set.call(m, "k", {}); export const run = (user) => Map.prototype.get.call(m, "k").user ??= user',
  ],
  [
    'generator with another prototype',
    'refused',
    'const g = (function* () { let n = 0; while (true) yield n++ })(); const { next } = g; Object.setPrototypeOf(g, null); export const run = () => next.call(g).value',
  ],
  [
    'text decoder in a stream',
    'fresh',
    'const d = new TextDecoder(); export const run = () => d.decode(new Uint8Array([0xe2]), { stream: true })',
  ],
  // Objects that only methods of the platform hand out, and what its classes hold.
  ['crypto.subtle', 'flagged', 'export const run = (user) => crypto.subtle.user ??= user'],
  [
    'detail of a mark',
    'flagged',
    'const m = performance.mark("m", { detail: {} }), at = (x) => x; export const run = (user) => at(m).detail.user ??= user',
  ],
  [
    'performance entries',
    'same',
    'export const run = (user) => { const seen = performance.getEntries().length; performance.mark(user); return seen }',
  ],
  ['console timer', 'same', 'export const run = (user) => { console.time("t"); return user.length > 0 }'],
  [
    'file of a form',
    'flagged',
    'const make = () => { const f = new FormData(); f.append("a", new Blob(["x"])); return (user) => f.get("a").user ??= user }; export const run = make()',
  ],
  [
    'side of a transform stream',
    'flagged',
    'const make = () => { const t = new TransformStream(); return (user) => t.readable.user ??= user }; export const run = make()',
  ],
  [
    'headers of a request',
    'flagged',
    'const make = () => { const r = new Request("https://a/"); return (user) => { const seen = r.headers.get("u"); r.headers.set("u", user); return seen } }; export const run = make()',
  ],
  [
    'body of a response',
    'flagged',
    'const make = () => { const r = new Response("x"); return () => { const seen = r.bodyUsed; r.text(); return seen } }; export const run = make()',
  ],
  [
    'url in a closure',
    'flagged',
    'const make = () => { const u = new URL("https://a/"); return (user) => { const seen = u.hash; u.hash = user; return seen } }; export const run = make()',
  ],
  [
    'event listener object',
    'flagged',
    'const make = () => { const t = new EventTarget(); t.addEventListener("x", { n: 0, handleEvent() { this.n++ } }); return () => t.dispatchEvent(new Event("x")) }; export const run = make()',
  ],
  [
    'event listener that goes',
    'flagged',
    'const make = () => { const t = new EventTarget(), f = (e) => e.preventDefault(); t.addEventListener("x", f, { once: true }); return () => t.dispatchEvent(new Event("x", { cancelable: true })) }; export const run = make()',
  ],
  [
    'target of an event',
    'flagged',
    'const make = () => { const e = new Event("x"); new EventTarget().dispatchEvent(e); return (user) => e.target.user ??= user }; export const run = make()',
  ],
  [
    'signal of signals',
    'flagged',
    'const make = () => { const a = new AbortController(); AbortSignal.any([a.signal]).addEventListener("abort", function () { this.n ??= 0; this.n++ }); return (user) => { const seen = a.signal.aborted; a.abort(user); return seen } }; export const run = make()',
  ],
  [
    'task bound by AsyncLocalStorage',
    'fresh',
    'const make = () => AsyncLocalStorage.bind(function f(user) { const g = f; return g.user ??= user }); export const run = make()',
  ],
  [
    'task bound by AsyncResource',
    'fresh',
    'const make = () => new AsyncResource("x").bind(function f(user) { const g = f; return g.user ??= user }); export const run = make()',
  ],
  [
    'store of AsyncLocalStorage',
    'fresh',
    'const make = () => { const s = new AsyncLocalStorage(); return s.run({}, () => { const get = AsyncLocalStorage.snapshot(); return (user) => get(() => s.getStore().user ??= user) }) }; export const run = make()',
  ],
  [
    'entered store',
    'fresh',
    'const make = () => { const s = new AsyncLocalStorage(); return (user) => { const seen = s.getStore(); s.enterWith(user); return seen } }; export const run = make()',
  ],
  [
    'storage by another name',
    'refused',
    'const make = () => { const s = new globalThis[["Async", "LocalStorage"].join("")](); return (user) => { const seen = s.getStore(); s.enterWith(user); return seen } }; export const run = make()',
  ],
  [
    'storage by another name in a call',
    'flagged',
    'export const run = (user) => { const s = new globalThis[["Async", "LocalStorage"].join("")](); s.enterWith(user) }',
  ],
  [
    'suspended lowered generator',
    'refused',
    'const make = () => { const g = __concave_asyncGenerator(null, null, function* () { let seen; for (;;) seen = yield seen }); return (user) => g.next(user).then(({ value }) => value) }; export const run = make()',
  ],
  [
    'position of a lowered loop',
    'refused',
    'const make = () => { const i = __concave_forAwait([1, 2, 3]); return () => i.next().then(({ value }) => value) }; export const run = make()',
  ],
  [
    'suspended lowered function',
    'refused',
    'const make = () => { let wake; __concave_async(null, null, function* () { let n = 0; for (;;) n += yield { then: (resolve) => { wake = resolve; wake.n = n } } }); return (user) => { const { n } = wake; wake(1); return n } }; export const run = make()',
  ],
  [
    'WeakRef',
    'flagged',
    'const make = () => { const r = new WeakRef({}); return (user) => r.deref().user ??= user }; export const run = make()',
  ],
  [
    'Symbol.for',
    'flagged',
    'const o = {}, at = (x) => x; export const run = (user) => at(o)[Symbol.for("k")] ??= user',
  ],
  [
    'process.env',
    'same',
    'export const run = (user) => { const seen = process.env.LAST; process.env.LAST = user; return seen }',
  ],
  [
    'defined on process.env',
    'flagged',
    'export const run = (user) => { const seen = Reflect.ownKeys(process.env); Object.defineProperty(process.env, "a", { value: user, configurable: true }); return seen }',
  ],
  [
    'break iterator',
    'refused',
    'const make = () => { let n = 0; const b = Intl["v8Break" + "Iterator"] ? new Intl["v8Break" + "Iterator"]("en") : { first: () => n++ }; return () => b.first() }; export const run = make()',
  ],
  [
    'segments',
    'refused',
    'const make = () => { const i = new Intl.Segmenter("en").segment("abc")[Symbol.iterator](); return () => i.next().value.segment }; export const run = make()',
  ],
  [
    'raw JSON',
    'flagged',
    'const at = (x) => x, o = { r: JSON.rawJSON("1"), deep: Object.groupBy([1], () => "a") }; export const run = (user) => at(o).deep.a.push(user)',
  ],
  [
    'matches',
    'refused',
    'const make = () => { const i = "aaa".matchAll(/a/g); return () => i.next().value.index }; export const run = make()',
  ],
  [
    'shared memory',
    'refused',
    'const make = () => { const o = { b: new SharedArrayBuffer(4) }; return () => new Int32Array(o.b)[0]++ }; export const run = make()',
  ],
  [
    'resizable buffer',
    'refused',
    'const make = () => { const b = new ArrayBuffer(0, { maxByteLength: 9 }); return () => { const seen = b.byteLength; b.resize(seen + 1); return seen } }; export const run = make()',
  ],
  [
    'growing view',
    'refused',
    'const make = () => { const v = new Uint8Array(new ArrayBuffer(0, { maxByteLength: 9 })); return () => { const seen = v.length; v.buffer.resize(seen + 1); return seen } }; export const run = make()',
  ],
  [
    'buffer of an empty view',
    'refused',
    'const make = () => { const v = new Uint8Array(new ArrayBuffer(8), 0, 0); return () => new Uint8Array(v.buffer)[0]++ }; export const run = make()',
  ],
  [
    'disposable stack',
    'refused',
    'const make = () => { const d = new DisposableStack(); return () => { const seen = d.disposed; d.dispose(); return seen } }; export const run = make()',
  ],
  [
    'WebAssembly export',
    'refused',
    'const make = () => { const m = new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,6,6,1,127,1,65,0,11,7,5,1,1,110,0,0,10,13,1,11,0,35,0,65,1,106,36,0,35,0,11])); const { n } = new WebAssembly.Instance(m).exports; return () => n() }; export const run = make()',
  ],
  [
    'async generator',
    'refused',
    'const make = () => { const g = (async function* () { let n = 0; while (true) yield n++ })(); return async () => (await g.next()).value }; export const run = make()',
  ],
  [
    'stack setter on an object',
    'flagged',
    'const o = {}, at = (x) => x; export const run = (user) => { const { get, set } = Object.getOwnPropertyDescriptor(new Error(), "stack"); const seen = get.call(at(o)); set.call(at(o), user); at(o).x = 1; return seen }',
  ],
  [
    'captured stack',
    'refused',
    'const o = {}, at = (x) => x; Error.captureStackTrace(o); export const run = (user) => { const seen = o.stack.length < 6; at(o).stack = user; return seen }',
  ],
  [
    'Error.prepareStackTrace',
    'same',
    'export const run = (user) => { const seen = new Error("x").stack; Error.prepareStackTrace = () => user; return seen.length > 20 }',
  ],
  [
    'indirect eval',
    'refused',
    'const f = globalThis["ev" + "al"]("(() => { let n = 0; return () => n++ })()"); export const run = () => f()',
  ],
  [
    'async code from a string',
    'refused',
    'const F = (async () => 0)["construct" + "or"], box = {}, at = (x) => x; F("o", "let n = 0; o.f = () => n++")(at(box)); export const run = () => box.f()',
  ],
  // Ways to hide a kind of object from freezing.
  [
    'generator of a replaced prototype',
    'flagged',
    'const next = Object.getPrototypeOf(function* () {}).prototype.next; function* g() { let n = 0; while (true) yield n++ } g["proto" + "type"] = {}; const i = g(); export const run = () => next.call(i).value',
  ],
  [
    'generator as a prototype',
    'refused',
    'const i = (function* () { let n = 0; while (true) yield n++ })(); function* h() {} h["proto" + "type"] = i; export { h }; export const run = () => i.next().value',
  ],
  [
    'iterator as a prototype',
    'refused',
    'const i = [1, 2, 3].values(); const at = (x) => x; function F() {} at(F).prototype = i; Object.assign(i, { ["construct" + "or"]: F }); export { F }; export const run = () => i.next().value',
  ],
  [
    'Map by __proto__',
    'refused',
    'const m = new (class extends Map {})([["k", {}]]); const { get } = Map.prototype; m.__proto__ = null; export const run = (user) => get.call(m, "k").user ??= user',
  ],
  [
    'Map by a subclass without it',
    'refused',
    'class M extends Map {} const m = new M([["k", {}]]); const { get } = Map.prototype; Reflect.setPrototypeOf(M.prototype, null); export const run = (user) => get.call(m, "k").user ??= user',
  ],
  [
    'Map by a changed superclass',
    'refused',
    'const { set } = Map.prototype; class D extends Object { set(k, v) { return set.call(this, k, v) } constructor(...a) { super(...a) } } Object.setPrototypeOf(D, Map); const m = new D([["k", {}]]); const { get } = Map.prototype; export const run = (user) => get.call(m, "k").user ??= user',
  ],
  [
    'Map by a bound superclass',
    'refused',
    'const X = Map["bi" + "nd"](); X.prototype = { set: Map.prototype.set }; class D extends X {} const m = new D([["k", {}]]); const { get } = Map.prototype; export const run = (user) => get.call(m, "k").user ??= user',
  ],
  [
    'Map by a proxied superclass',
    'refused',
    'const P = new Proxy(Map, {}); class D extends P {} const m = new D([["k", {}]]); const { get } = Map.prototype; export const run = (user) => get.call(m, "k").user ??= user',
  ],
  [
    'Set by a bound superclass of a subclass',
    'refused',
    'class S extends Set {} const { bind } = Function.prototype, X = Reflect.apply(bind, S, []); Object.defineProperty(X, "prototype", { value: { add: Set.prototype.add } }); class D extends X {} const s = new D([{}]); const { forEach } = Set.prototype; export const run = (user) => { let o; forEach.call(s, (x) => (o = x)); return o.user ??= user }',
  ],
  [
    'empty buffer',
    'flagged',
    'const make = () => { const b = new ArrayBuffer(0); return () => { const seen = b.detached; b.transfer(); return seen } }; export const run = make()',
  ],
  [
    'property in place of a getter of RegExp.prototype',
    'flagged',
    'export const run = (user) => { const seen = RegExp.prototype.user; delete RegExp.prototype.unicodeSets; RegExp.prototype.user = user; return seen }',
  ],
  [
    'platform class with another superclass',
    'refused',
    'const o = {}; Object.setPrototypeOf(AbortSignal, class { constructor() { return o } }); export const run = () => { new AbortController(); return 1 }',
  ],
  // Replaced built-ins that the platform would hand its own objects.
  [
    'replaced Array.prototype.filter',
    'refused',
    'const h = new Headers([["a", "b"]]), box = []; const { filter } = Array.prototype; Array.prototype["fil" + "ter"] = function (f) { this.user ??= box; return filter.call(this, f) }; export const run = () => h.get("a")'.replace(
      'new Headers',
      '((x) => new Headers(x))',
    ),
  ],
  [
    'replaced RegExp.prototype.exec',
    'refused',
    'const { exec } = RegExp.prototype, last = (x) => x; RegExp.prototype["ex" + "ec"] = function (text) { const seen = this.user; this.user ??= text; last(seen); return exec.call(this, text) }; export const run = (user) => { new Headers([["a", user]]); return 1 }',
  ],
  [
    'setter for an index',
    'refused',
    'Object.defineProperty(Array.prototype, "5", { set(value) { this.user = value }, configurable: true }); export const run = () => 1',
  ],
  // Writes whose error the code catches.
  [
    'caught write',
    'flagged',
    'const o = {}, at = (x) => x; export const run = (user) => { try { at(o).user = user } catch (e) { return "caught" } }',
  ],
  [
    'caught write, no binding',
    'flagged',
    'const o = {}, at = (x) => x; export const run = (user) => { try { at(o).user = user } catch { return "caught" } }',
  ],
  [
    'caught write, pattern',
    'flagged',
    'const o = {}, at = (x) => x; export const run = (user) => { try { at(o).user = user } catch ({ message: [m = () => n], n = 1 }) { let x = m; { let m = 2; x += m } return (() => x)() } }',
  ],
  [
    'write discarded by finally',
    'flagged',
    'const o = {}, at = (x) => x; export const run = (user) => { try { at(o).user = user } finally { return "caught" } }',
  ],
  [
    'caught array write',
    'flagged',
    'const o = [], at = (x) => x; export const run = async (user) => { try { await (async () => at(o).push(user))() } catch { } return "caught" }',
  ],
  ...[
    ['a handler', 'Promise.resolve().then(() => write(user)).catch(() => "caught")'],
    ['the second handler of then', '(async () => write(user))().then(null, () => "caught")'],
    ['allSettled', 'Promise.allSettled([(async () => write(user))()]).then(() => "caught")'],
    ['any', 'Promise.any([(async () => write(user))(), 1])'],
    ['race', 'Promise.race([1, (async () => write(user))()])'],
    ['a promise that is resolved already', 'new Promise((resolve) => { resolve("caught"); write(user) })'],
    ['a promise with an executor of its own', 'new Promise(executor(user))'],
  ].map(
    ([title, expression]) =>
      [
        `write caught by ${title}`,
        'flagged',
        `const o = {}, at = (x) => x, write = (user) => { at(o).user = user }, executor = (user) => (resolve) => { resolve(1); write(user) }; export const run = (user) => ${expression}`,
      ] as const,
  ),
  [
    'caught error of the code itself',
    'same',
    'export const run = (user) => { try { null.x } catch (e) { try { user() } catch { return e.name } } }',
  ],
  // What must stay possible.
  [
    'local counter',
    'same',
    'export const run = () => { let total = 0; [1, 2].forEach((x) => (total += x)); return total }',
  ],
  [
    'local Map and class',
    'same',
    'class Counter { #n = 0; inc() { return ++this.#n } } export const run = () => { const m = new Map(); m.set(1, new Counter()); return m.get(1).inc() }',
  ],
  [
    'constants',
    'same',
    'const LIMIT = 5, KINDS = ["a"], TABLE = { a: { b: 1 } }, NAMES = new Set(["x"]); export const run = (u) => [LIMIT, KINDS.includes(u), TABLE.a.b, NAMES.has(u)]',
  ],
  [
    'factories of handlers',
    'same',
    'const wrap = (f) => { const name = f.name; return async (...args) => { let out = []; for (const a of args) out.push(await f(a)); return [name, out] } }; export const run = wrap(async function inner(u) { return `<${u}>` })',
  ],
  ['enum', 'same', 'var E = ((E) => { E[E.A = 0] = "A"; return E })(E || {}); export const run = () => E.A'],
  [
    'subclass with error',
    'same',
    'class Bad extends Error { constructor(m) { super(m); this.name = "Bad" } } export const run = (u) => { try { throw new Bad(u) } catch (e) { return [e.name, e.message, e instanceof Bad] } }',
  ],
]

describe('programs that try to keep state', () => {
  it.each(programs)('%s: %s', async (_title, outcome, source) => {
    const judged = await judge(source)
    expect(judged).toMatchObject({ outcome })
  })
})
