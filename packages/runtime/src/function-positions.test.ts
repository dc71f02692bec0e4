import { createLog } from '@concave/base'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Analyzer, type AnalyzedFunction } from './analyzer.ts'
import { RunnerPool } from './runner-pool.ts'
import { bundledCode, emptyEnv } from './testing/sample-code.ts'

const log = createLog({ level: 'error' })
let pool: RunnerPool
let analyzer: Analyzer

beforeAll(async () => {
  pool = await RunnerPool.start({ log })
  analyzer = new Analyzer({ pool, log })
})
afterAll(() => pool.close())

/** The functions of `app.ts`, as name and line:column. */
async function positionsOf(source: string, change: (functions: string) => string = (text) => text): Promise<string[]> {
  const { modules, ...code } = await bundledCode(
    `import { queryGeneric as query, mutationGeneric as mutation } from 'convex/server'\n${source}`,
  )
  const changed = new Map([...modules].map(([path, module]) => [path, { ...module, source: change(module.source) }]))
  const request = { code: { ...code, modules: changed }, env: emptyEnv, schema: undefined, definition: undefined }
  const { modules: analyzed } = await analyzer.analyze(request)
  return (analyzed.get('app.js')?.functions ?? []).map(show)
}

function show({ name, pos }: AnalyzedFunction): string {
  if (pos === null) return `${name} nowhere`
  expect(pos.path).toBe('app.js')
  return `${name} ${pos.start_lineno}:${pos.start_col}`
}

test('finds handlers in every form, in the order in which they stand', async () => {
  const found = await positionsOf(`
export const zeta = query({ args: {}, handler: async (ctx) => ctx })
export const alpha = mutation(async () => 'bare')

async function declared(ctx) { return [ctx] }
export const omega = query({ handler: declared })
export const method = query({
  async handler(ctx) { return { ctx } },
})
export default query({ handler: function named() { return 1 } })
`)
  expect(found.map((text) => text.replace(/:\d+$/, ''))).toEqual([
    'zeta 3',
    'alpha 4',
    'omega 6',
    'method 9',
    'default 11',
  ])
  expect(found[0]).toBe('zeta 3:48')
})

test('tells functions with the same text apart by where they are exported from', async () => {
  const found = await positionsOf(`
export const b = query({ handler: () => null })
export const a = query({ handler: () => null })
export default query({ handler: () => null })
`)
  expect(found.map((text) => text.replace(/:\d+$/, ''))).toEqual(['b 3', 'a 4', 'default 5'])
})

test('gives no position rather than a wrong one', async () => {
  const wrapped = `
const wrap = (inner) => query({ handler: async (ctx) => await inner(ctx) })
export const one = wrap(() => 1)
export const bound = query({ handler: (() => 2).bind(null) })
`
  expect(await positionsOf(wrapped)).toEqual(['one 3:42', 'bound nowhere'])
  const twice = `
const make = [() => query({ handler: () => 3 }), () => query({ handler: () => 3 })]
export const first = make[0]()
`
  expect(await positionsOf(twice)).toEqual(['first nowhere'])
})

test('survives modules without a source map, and texts that lie', async () => {
  const { modules, ...code } = await bundledCode(`
import { queryGeneric } from 'convex/server'
Function.prototype.toString = () => 'import'
export const f = queryGeneric(() => 'f')`)
  const positions = async (sourceMap: string | undefined) => {
    const bare = new Map([...modules].map(([path, module]) => [path, { ...module, sourceMap }]))
    const request = { code: { ...code, version: String(sourceMap), modules: bare }, env: emptyEnv }
    const outcome = await analyzer.analyze({ ...request, schema: undefined, definition: undefined })
    return outcome.modules.get('app.js')?.functions.map(({ pos }) => pos)
  }
  expect(await positions(undefined)).toEqual([null])
  expect(await positions('no JSON')).toEqual([null])
  expect(await positions(modules.get('app.js')?.sourceMap)).toEqual([expect.objectContaining({ start_lineno: 4 })])
})
