import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import { transform } from 'esbuild'
import { expect, it } from 'vitest'
import { prepareModule } from '../stateless/prepare-module.ts'
import { lowerModule } from './lower-module.ts'
import { lowerModules } from './lower-modules.ts'

const uses = 'const s = new AsyncLocalStorage(); export { s }'
const awaits = (imports: string): string => `${imports}\nexport const f = async () => { await null }`
const isLowered = (source: string): boolean => source.includes('__concave_async||')

it('lowers what shares a context with AsyncLocalStorage, and nothing else', async () => {
  const modules = [
    { path: 'using.js', source: awaits('import "./_deps/store.js"; import "./_deps/shared.js"') },
    { path: '_deps/store.js', source: `${uses}\n${awaits('')}` },
    { path: '_deps/shared.js', source: awaits('') },
    { path: 'loading.js', source: awaits('export const load = () => import("./dir/loaded.js")') },
    { path: 'dir/loaded.js', source: awaits('export * from "../_deps/store.js"') },
    { path: 'plain.js', source: awaits('import "./_deps/shared.js"') },
    { path: 'broken.js', source: `import "./_deps/store.js"; await 1` },
    { path: 'unreadable.js', source: `AsyncLocalStorage )` },
  ]
  const lowered = await lowerModules(modules)
  expect(lowered.filter(({ source }) => isLowered(source)).map(({ path }) => path)).toEqual(
    modules.slice(0, 5).map(({ path }) => path),
  )
  expect(lowered.slice(5)).toEqual(modules.slice(5))
})

it('leaves modules as they are where nobody uses a context', async () => {
  const modules = [{ path: 'a.js', source: awaits('') }]
  expect(await lowerModules(modules)).toBe(modules)
})

it('keeps contexts of what it has lowered for others reusable, not of what uses a storage', async () => {
  const shared = `${awaits('')}\nexport async function* g() { yield* [1]; for await (const x of g()) await x }`
  const [store, other] = await lowerModules([
    { path: 'store.js', source: `import "./other.js"; ${uses}` },
    { path: 'other.js', source: shared },
  ])
  expect(isLowered(other?.source ?? '')).toBe(true)
  expect(prepareModule(other?.source ?? '', 'other.js').verdict).toEqual({ tier: 'stateless' })
  expect(prepareModule(store?.source ?? '', 'store.js').verdict).toMatchObject({
    tier: 'fresh',
    reason: expect.stringContaining('the module uses `AsyncLocalStorage`.') as string,
  })
})

it('gives generators the names of their functions', async () => {
  const source = `
    var n = (f, name) => Object.defineProperty(f, "name", { value: name })
    async function a() {} n(a, "declared")
    var b = async () => {}, c = n(async () => {}, "wrapped")
    var o = { async m() {}, "q r": async function () {}, p: async function own() {}, ["x" + 1]: async () => {}, __proto__: async () => {} }
    class C { async #p() {} static async *g() {} field = async () => {} }
    let d; d = async function () {}
    export async function e() {}
    export { a, b, c, d, o, C }`
  const { source: lowered } = await lowerModule({ path: 'a.js', source, sourceMap: undefined })
  const names = [...lowered.matchAll(/__async(?:Generator)?\([^{]*\{("[^"]*")?/g)].map(([, name]) => name ?? null)
  expect(names.filter((name) => name !== null).map((name) => JSON.parse(name) as unknown)).toEqual([
    'declared',
    'b',
    'wrapped',
    'm',
    'q r',
    'own',
    'p',
    'g',
    'field',
    'd',
    'e',
  ])
})

it('leads positions back to the original sources', async () => {
  const original =
    'interface A { a: string }\nexport async function go(a: A) {\n  await null\n  throw new Error(a.a)\n}\n'
  const bundled = await transform(original, {
    loader: 'ts',
    sourcemap: 'external',
    sourcefile: '../convex/a.ts',
    sourcesContent: false,
    minifyIdentifiers: true,
    minifyWhitespace: true,
    minifySyntax: true,
  })
  const source = `${bundled.code}//# sourceMappingURL=a.js.map\n`
  const lowered = await lowerModule({ path: 'a.js', source, sourceMap: bundled.map })
  const lines = lowered.source.split('\n')
  const line = lines.findIndex((text) => text.includes('new Error('))
  const column = lines[line]?.indexOf('new Error(') ?? -1
  expect(originalPositionFor(new TraceMap(lowered.sourceMap ?? ''), { line: line + 1, column })).toMatchObject({
    source: '../convex/a.ts',
    line: 4,
    column: 8,
  })
})
