/** Random asynchronous programs: lowered in the isolate they must do what Node's own `AsyncLocalStorage` makes of them. */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TestContext } from '../isolate/testing/test-context.ts'
import { lowerModule } from './lower-module.ts'

/** Statements as text; `l(n)` writes down both stores, `f` holds functions to call, `p(n)` makes something to await. */
const { block } = fc.letrec<{ block: string; statement: string; value: string }>((tie) => {
  const label = fc.integer({ min: 0, max: 99 })
  const storage = fc.constantFrom('a', 'b')
  const store = fc.constantFrom('1', '2', '3', 'undefined')
  const inner = tie('block')
  const wrap = (parts: readonly fc.Arbitrary<unknown>[], make: (...texts: string[]) => string): fc.Arbitrary<string> =>
    fc.tuple(...parts).map((texts) => make(...texts.map(String)))
  return {
    block: fc
      .array(tie('statement'), { minLength: 1, maxLength: 5, depthIdentifier: 'block' })
      .map((all) => all.join('\n')),
    value: fc.oneof(
      { depthIdentifier: 'block', maxDepth: 4 },
      fc.constantFrom('p(0)', 'p(1)', 'p(2)', 'p(3)', 'p(4)', 'null', 't(1)', 't(2)'),
      wrap([inner], (body) => `(async () => { ${body}\nreturn 7 })()`),
      wrap([storage, store, inner], (s, v, body) => `${s}.run(${v}, async () => { ${body} })`),
      wrap([storage, inner], (s, body) => `${s}.exit(async () => { ${body} })`),
      wrap([inner, inner], (one, two) => `Promise.all([(async () => { ${one} })(), (async () => { ${two} })()])`),
      wrap([inner, inner], (one, two) => `p(1).then(() => { ${sync(one)} }, () => 0).then(async () => { ${two} })`),
      wrap(
        [inner, inner],
        (one, two) => `Promise.reject(1).catch(async () => { ${one} }).finally(async () => { ${two} })`,
      ),
      wrap([inner], (body) => `(async () => t(3))().then(() => { ${sync(body)} })`),
      wrap([inner], (body) => `Promise.allSettled([t(4), (async () => { ${body}\nthrow 1 })()])`),
      wrap([inner], (body) => `Array.fromAsync([p(1), 2, t(5)], async (x) => { ${body}\nreturn x })`),
    ),
    statement: fc.oneof(
      { depthIdentifier: 'block', maxDepth: 4 },
      wrap([label], (n) => `l(${n})`),
      wrap([tie('value')], (value) => `await ${value}`),
      wrap([tie('value')], (value) => `void ${value}`),
      wrap([storage, store], (s, v) => `${s}.enterWith(${v})`),
      wrap([label], (n) => `f.push(AsyncLocalStorage.bind(() => l(${n})))`),
      wrap([label], (n) => `{ const go = AsyncLocalStorage.snapshot(); f.push(() => go(l, ${n})) }`),
      wrap([label], (n) => `{ const r = new AsyncResource("r"); f.push(() => r.runInAsyncScope(l, null, ${n})) }`),
      fc.constant('f.shift()?.()'),
      wrap([label], (n) => `queueMicrotask(() => l(${n}))`),
      wrap(
        [inner, inner, inner],
        (one, two, last) => `try { ${one}\nif (n++ % 3 === 0) throw 1\n${two} } catch { l(100) } finally { ${last} }`,
      ),
      wrap(
        [inner, inner, inner],
        (one, two, body) =>
          `for await (const x of (async function* () { try { ${one}\nyield p(1)\n${two}\nyield 2 } finally { l(101); await 0; l(102) } })()) { ${body}\nif (n++ % 4 === 0) break }`,
      ),
      wrap(
        [inner, inner],
        (one, two) =>
          `for await (const x of (async function* () { ${one}\nyield* (async function* () { yield 1; ${two}\nyield t(6); return 3 })()\nyield* [4, p(1)] })()) l(103)`,
      ),
      wrap(
        [inner, inner],
        (one, two) =>
          `{ const g = (async function* () { ${one}\nl(yield 1)\n${two}\nreturn t(7) })(); void g.next(); g.next(5).then(() => { l(104) }); void g.return(p(2)).then(() => { l(105) }); await g.next() }`,
      ),
      wrap([tie('value')], (value) => `for await (const x of [${value}, 1]) l(106)`),
    ),
  }
})

/** Where nothing can be awaited. */
function sync(text: string): string {
  return `void (async () => { ${text} })()`
}

const prelude = `
const a = new AsyncLocalStorage(), b = new AsyncLocalStorage({ defaultValue: 9 })
const trace = [], f = []
let n = 0
const l = (label) => { trace.push([label, a.getStore() ?? null, b.getStore() ?? null].join(" ")) }
const p = (depth) => depth === 0 ? Promise.resolve(0) : Promise.resolve().then(() => p(depth - 1))
const t = (label) => ({ then(resolve) { l(label + 200); resolve(label) } })
`
const moduleText = (body: string): string => `
const run = async () => { ${prelude}
  const main = async () => { ${body} }
  await main().catch(() => l(107))
  for (let i = 0; i < 60; i++) await null
  while (f.length > 0) f.shift()()
  return trace
}`

async function runInNode(body: string): Promise<readonly string[]> {
  // oxlint-disable-next-line no-implied-eval -- the program under test
  const make = new Function('AsyncLocalStorage', 'AsyncResource', `${moduleText(body)}\nreturn run`) as (
    ...classes: unknown[]
  ) => () => Promise<readonly string[]>
  return await new AsyncLocalStorage().exit(() => make(AsyncLocalStorage, AsyncResource)())
}

async function runLowered(body: string): Promise<unknown> {
  const source = `${moduleText(body)}
export const q = { isQuery: true, isPublic: true, invokeQuery: async () => JSON.stringify(await run()) }`
  const context = await TestContext.create()
  context.load((await lowerModule({ path: 'app.js', source, sourceMap: undefined })).source)
  const { settled } = context.invoke('q')
  return JSON.parse(settled?.[1] ?? 'null') as unknown
}

test('lowered programs leave the trace that Node leaves', async () => {
  await fc.assert(
    fc.asyncProperty(block, async (body) => {
      expect(await runLowered(body)).toEqual(await runInNode(body))
    }),
    { numRuns: 80 },
  )
}, 60_000)
