/** What the rewrite must not change: results, names, lengths, line structure; and what ordinary apps rely on. */
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { prepareModule } from './prepare-module.ts'
import { TestRealm } from './test-realm.ts'

/** Each exports `run()`, all are stateless, and every one makes the rewrite insert something. */
const snippets: readonly (readonly [title: string, source: string])[] = [
  [
    'names of functions',
    `const make = () => { const a = () => 1, b = function () {}, C = class {}; let d = async () => {}; return () => [a.name, b.name, C.name, d.name, a, b, C].slice(0, 4) }; export const run = () => make()()`,
  ],
  [
    'names after assignment',
    `export const run = () => { let a; a = () => 1; let b; b ??= () => 2; const f = () => [a, b]; return f().map((g) => g.name) }`,
  ],
  ['names through parentheses', `export const run = () => { const a = (() => 1); return (() => a.name)() }`],
  [
    'lengths of functions',
    `const f = (a, b, c = 1) => () => [a, b, c], g = function (a, { b }, ...c) { return () => [a, b, c] }; export const run = () => [f.length, g.length, f(1, 2)(), g(1, { b: 2 }, 3, 4)()]`,
  ],
  ['object literal as arrow body', `export const run = () => ((a) => ({ get: () => a }))(3).get()`],
  [
    'arrow body behind a line break',
    `export const run = () => ((a) =>\n  /* => { */ ( // (\n    { get: () => a }\n  ))(3).get()`,
  ],
  ['comma expression as arrow body', `export const run = () => ((a) => (a.push(1), () => a))([])()`],
  ['nested arrows', `const f = (a) => (b) => async (c) => [a, b, await c]; export const run = () => f(1)(2)(3)`],
  [
    'arrow in a conditional in a loop head',
    `export const run = () => { const out = []; for (const f = ("a" in { a: 1 }) ? (x) => () => "a" in { a: x } : null, i = [0]; i[0] < 2; i[0]++) out.push(f(i[0])()); return out }`,
  ],
  [
    'statements without semicolons',
    `export const run = () => {\n  let a = 1\n  const b = () => a\n  let c = [1]\n  let f = () => c\n  c = [2]\n  ;[a] = [1]\n  if (a) c = [3]; else (c) = [4]\n  return [b(), f(), c]\n}`,
  ],
  [
    'else without a space',
    `export const run = (x) => { let c; const f = () => c; if (x)c=[1];else(c)=[2];do(c)=c;while(0);return f() }`,
  ],
  [
    'assignment as a value',
    `export const run = () => { let a, b; const f = () => [a, b]; const c = (a = b = { n: 1 }); return [f(), c, (a ||= 5), (b &&= 6), (a = 1) + 1, f()] }`,
  ],
  [
    'directives stay first',
    `export const run = () => { function f(a) { 'use strict'; "another"; return () => a } function g(a) { 'use strict'\n return () => [a, this === undefined] } return [f(1)(), g(2)()] }`,
  ],
  [
    'var without a block',
    `export const run = (x) => { if (x) var a = {}, b = () => a; else var c = () => c; for (var d of [() => d]) ; lab: var e = () => e; return [b === undefined, typeof c(), typeof d(), typeof e()] }`,
  ],
  [
    'closures of loop iterations',
    `export const run = () => { const out = []; for (let i = 0, j = () => i; i < 3; i++) out.push(() => [i, j()]); for (const k in { a: 1, b: 2 }) out.push(() => k); for (const [m, { n }] of [[1, { n: 2 }]]) out.push(() => m + n); let o; for (o of [7]) out.push(() => o); return out.map((f) => f()) }`,
  ],
  [
    'loops with continue and break',
    `export const run = () => { const out = []; outer: for (const a of [1, 2, 3]) for (const b of [1, 2]) { if (b === 2) continue outer; if (a === 3) break outer; out.push(() => [a, b]) } return out.map((f) => f()) }`,
  ],
  [
    'for await',
    `export const run = async () => { const out = []; for await (const a of [Promise.resolve(1), 2]) out.push(() => a); return out.map((f) => f()) }`,
  ],
  [
    'switch',
    `export const run = () => { const out = []; switch (2) { case 1: let a = 1; case 2: const b = { n: 2 }; out.push(() => b); function f() { return b } default: a = { z: 1 }; out.push(f) } return "unreached" }\nexport default () => 1`
      .replace('a = { z: 1 }; ', '')
      .replace('return "unreached"', 'return out.map((g) => g())'),
  ],
  [
    'catch',
    `export const run = () => { try { throw { a: 1, b: [2] } } catch ({ a, b: [c] }) { return (() => [a, c])() } finally { (() => 1)() } }`,
  ],
  [
    'catch without binding, in patterns, in finally',
    `export const run = () => { const out = []; const f = () => { try { null.x } finally { out.push("f") } }; try { f() } catch { out.push(1) } try { throw { a: 1 } } catch ({ a = 2, ...b }) { let c = a; { const a = 5; out.push(a) } out.push((() => [a, b, c])()) } const g = () => { try { return 1 } finally { out.push(2) } }; return [out, g()] }`,
  ],
  [
    'patterns with defaults',
    `export const run = () => { const { a = 1, b: { c = 2 } = {}, ...d } = { e: 3 }, [f, , g = 4, ...h] = [5, 6, undefined, 7]; return (() => [a, c, d, f, g, h])() }`,
  ],
  [
    'patterns of null fail as before',
    `export const run = () => { try { const { a } = null; return () => a } catch (e) { return e.message } }`,
  ],
  [
    'dead zone',
    `export const run = () => { try { f(); const a = { n: 1 }; function f() { return a } return f() } catch (e) { return e.name } }`,
  ],
  [
    'parameters with expressions',
    `function f(a, b = a + 1, { c = b + 1 } = {}, ...d) { var a; var e = () => [a, b, c, d]; return e } export const run = () => f(1)()`,
  ],
  [
    'generators',
    `function* f(a) { const b = yield () => a; let c; c = yield () => b; return () => c } export const run = () => { const g = f(1), out = []; out.push(g.next().value(), g.next(2).value(), g.next(3).value()); return out }`,
  ],
  [
    'yield and await in initial values',
    `async function* f() { const a = yield 1; const b = await a; yield () => [a, b] } export const run = async () => { const g = f(); await g.next(); return (await g.next(5)).value() }`,
  ],
  [
    'async arrows',
    `const f = async (a, { b }) => { const c = await a; return [1].map((d) => [c, b, d]) }; export const run = () => f(Promise.resolve(1), { b: 2 })`,
  ],
  [
    'this, arguments and new.target',
    `function F(a) { const f = () => [typeof this, arguments.length, new.target === F, a]; return f() } export const run = () => [F.call({}, 1), new F(1, 2)]`,
  ],
  [
    'classes',
    `class A { static s = [1]; static { this.t = () => this.s } #p = { n: 1 }; #q = () => this.#p; r = () => this.#q(); #m(x) { return () => [x, this.#p] } get g() { return (() => this.r())() } set g(v) { ((w) => (this.w = w))(v) } m() { return this.#m(2)() } } class B extends A { #x() {} constructor(a) { const f = () => super(a); f(); this.h = () => super.m() } static k() { return (() => super.t())() } static n = () => this.s }\nexport const run = () => { const b = new B(); b.g = 4; return [b.m(), b.g, b.w, b.h(), B.k(), B.n(), B.name] }`.replace(
      '#x() {} ',
      '',
    ),
  ],
  [
    'class fields without semicolons',
    `class A {\n  #a = () => 1\n  b = () => this.#a()\n  static #c = function () { return 2 }\n  static d() { return A.#c() + A.#c.name }\n  ['e'] = 3\n  g() { return () => this }\n  *f() { yield () => this }\n}\nexport const run = () => [new A().b(), A.d(), new A().e, [...new A().f()].length]`,
  ],
  [
    'object methods with super',
    `const base = { hi() { return "hi" } }; export const run = () => { const o = { __proto__: base, hi() { return (() => super.hi() + this.x)() }, x: 1, get y() { return super.hi }, ["z"]() { return super.hi() } }; return [o.hi(), o.y(), o.z()] }`,
  ],
  [
    'getters, setters and computed keys',
    `export const run = () => { let v = 1; const k = "a"; const o = { get [k]() { return v }, set [k](x) { v = x }, k, async *[Symbol.iterator]() {} }; o.a = 5; return [o.a, o.k, (() => k)()] }`,
  ],
  [
    'bound functions',
    `const f = function (a, b) { return [this?.x, a, b] }; export const run = () => [f.bind({ x: 1 }, 2)(3), [].map.bind([1, 2])((x) => x + 1), f.bind(...[null, 1])(2), f?.bind(null)(1), { f }.f?.bind({ x: 3 })(), { bind: (x) => x }.bind(9)]`,
  ],
  [
    'proxies',
    `const p = new Proxy({}, { get: (_, key) => key }); export const run = () => [p.abc, new Proxy(...[{ a: 1 }, {}]).a, typeof Proxy]`,
  ],
  [
    'promises',
    `const isPromise = (x) => x instanceof Promise; export const run = async () => { const p = new Promise((r) => r(1)); const { promise, resolve } = Promise.withResolvers(); resolve(2); return [await p, await promise, isPromise(p), await Promise.all([3, p])] }`,
  ],
  [
    'named function expressions',
    `export const run = () => { const fact = function f(n) { return n < 2 ? 1 : n * (() => f(n - 1))() }; return fact(5) }`,
  ],
  [
    'functions in blocks',
    `export const run = () => { { function f() { return g() } function g() { return [f.name, g.name] } return (() => f())() } }`,
  ],
  [
    'export forms',
    `const a = () => 1; let b = [2], c; c = [3]; function run() { return [a(), b, c, d(), new E().x] } function d() { return 4 } class E { x = 5 } export { run, b as "b c" }; export default class extends E {} export const { z, y: [w] } = { z: 1, y: [2] }`,
  ],
  ['default export of an expression', `export default (() => 1)\nexport const run = () => ((a) => () => a)(1)()`],
  ['comment at the end', `export const run = () => ((a) => () => a)(1)() // done\n//# sourceMappingURL=app.js.map`],
  ['no semicolon at the end', `export const run = () => ((a) => () => a)(1)()\nconst last = [1]`],
  [
    'template literals and regular expressions',
    'export const run = () => { const a = [1]; const t = (s, ...v) => [s.raw, v]; return (() => [t`x${() => a}${a}y`[1][1], /[/]{/.test("/{"), `${`${a}`}`])() }',
  ],
  [
    'using',
    `export const run = () => { const out = []; { using r = { [Symbol.dispose]() { out.push("disposed") } }; (() => out.push(typeof r))() } return out }`,
  ],
  [
    'delete, void, typeof and in',
    `export const run = () => { const o = { a: 1, b: 2 }; const f = () => o; delete f().a; return [void f(), typeof f, "a" in o, Object.keys(o)] }`,
  ],
  [
    'labels, comma, exponent',
    `export const run = () => { let i = 0, j = 2; const f = () => [i, j]; a: { i++, (j **= 2); break a } return f() }`,
  ],
  [
    'unicode names',
    `export const run = () => { let é = 1; const ñ = () => é; let \\u0061b = [2]; const f = () => ab; if (é)é=[2]; else(é)=3; return [ñ(), f()] }`,
  ],
]

async function runBoth(
  source: string,
): Promise<{ readonly before: unknown; readonly after: unknown; readonly frozen: unknown }> {
  const run = async (isRewritten: boolean, isFrozen: boolean): Promise<unknown> => {
    const realm = await TestRealm.create(source, { isRewritten, isFrozen })
    try {
      expect(realm.isFrozen).toBe(isFrozen)
      return realm.call('run')
    } finally {
      realm.dispose()
    }
  }
  return { before: await run(false, false), after: await run(true, false), frozen: await run(true, true) }
}

describe('the rewrite', () => {
  it.each(snippets)('preserves %s', async (_title, source) => {
    const prepared = prepareModule(source, 'app.js')
    expect(prepared.verdict).toEqual({ tier: 'stateless' })
    expect(prepared.source).toContain('__concave_')
    expect(prepared.source.split('\n').length).toBe(source.split('\n').length)
    const { before, after, frozen } = await runBoth(source)
    expect(before).toMatchObject({ kind: 'returned' })
    expect(after).toEqual(before)
    expect(frozen).toEqual(before)
  })
})

/** An app as the CLI bundles it. */
const app = `
import { anyApi, cronJobs, defineSchema, defineTable, mutationGeneric as mutation, paginationOptsValidator, queryGeneric as query } from "convex/server";
import { ConvexError, convexToJson, jsonToConvex, v } from "convex/values";
const LIMIT = 10, KINDS = ["a", "b"], BY_NAME = new Map([["a", 1]]), PATTERN = /^[a-z]+$/;
class Money { constructor(amount) { this.amount = amount } plus(other) { return new Money(this.amount + other.amount) } }
const user = v.object({ name: v.string(), tags: v.array(v.union(v.literal("x"), v.literal("y"))), at: v.optional(v.number()) });
const guard = (handler) => async (ctx, args) => { if (args.n > LIMIT) throw new ConvexError({ code: "limit", n: args.n }); return handler(ctx, args) };
export const list = query({ args: { n: v.number(), page: v.optional(paginationOptsValidator) }, returns: v.any(), handler: guard(async (ctx, { n }) => {
  let total = 0; KINDS.forEach((kind) => (total += BY_NAME.get(kind) ?? 5));
  return { total, n, plus: new Money(2).plus(new Money(3)).amount, ok: PATTERN.test("abc"), big: 5n, bytes: new Uint8Array([1, 2]).buffer, json: convexToJson(jsonToConvex({ a: [1] })) } }) });
export const add = mutation({ args: { user }, handler: async (ctx, { user }) => ({ ...user, at: null }) });
export const schema = defineSchema({ users: defineTable(user).index("by_name", ["name"]) });
const crons = cronJobs(); crons.interval("tick", { minutes: 1 }, anyApi.app.add, {});
export const run = async (n) => {
  const answer = await list.invokeQuery(JSON.stringify([{ n }])).catch((error) => [error.name, error.data]);
  return [answer, await add.invokeMutation(JSON.stringify([{ user: { name: "a", tags: [] } }])), list.exportArgs(), add.exportReturns(), schema.export(), crons.export()];
};
`

async function bundle(): Promise<string> {
  const result = await build({
    stdin: { contents: app, resolveDir: fileURLToPath(new URL('.', import.meta.url)), sourcefile: 'app.js' },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'esnext',
    platform: 'browser',
    conditions: ['convex', 'module'],
    minifyIdentifiers: true,
    minifySyntax: true,
    keepNames: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'silent',
  })
  return result.outputFiles[0]?.text ?? ''
}

describe('an app with the server library', () => {
  it('is stateless and behaves the same, call after call', async () => {
    const source = await bundle()
    expect(prepareModule(source, 'app.js').verdict).toEqual({ tier: 'stateless' })
    const plain = await TestRealm.create(source, { isRewritten: false, isFrozen: false })
    const frozen = await TestRealm.create(source, { isRewritten: true, isFrozen: true })
    try {
      expect(frozen.isFrozen).toBe(true)
      for (const n of [1, 11, 2]) {
        const expected = plain.call('run', n)
        expect(expected).toMatchObject({ kind: 'returned', isFlagged: false })
        expect(frozen.call('run', n)).toEqual(expected)
      }
    } finally {
      plain.dispose()
      frozen.dispose()
    }
  })
})
