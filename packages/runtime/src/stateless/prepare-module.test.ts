import { describe, expect, it } from 'vitest'
import { prepareModule } from './prepare-module.ts'

describe('prepareModule', () => {
  it('lists static imports once, as written', () => {
    const source = `import { a } from "./_deps/A.js"; import "./b.js"; export * from "../c.js"; export { d } from "./_deps/A.js"; a()`
    expect(prepareModule(source, 'x.js').imports).toEqual(['./_deps/A.js', './b.js', '../c.js'])
  })

  it('names path, line and column of the reason', () => {
    const { verdict } = prepareModule('let n = 0\nexport const f = () => n++\n', 'dir/x.js')
    expect(verdict).toEqual({
      tier: 'fresh',
      reason: 'dir/x.js:2:24: a function assigns `n`, which is declared at module level.',
    })
  })

  it('leaves the source of fresh and opted-in modules alone', () => {
    const fresh = 'let n = 0; export const f = (a) => () => [a, n++]'
    expect(prepareModule(fresh, 'x.js').source).toBe(fresh)
    const optIn = `${fresh}; export const experimental_reuseContext = true`
    expect(prepareModule(optIn, 'x.js')).toEqual({
      source: optIn,
      verdict: { tier: 'optIn' },
      inserted: [],
      imports: [],
    })
  })

  it.each([
    ['export const experimental_reuseContext = true', 'optIn'],
    ['var a = !0; export { a as experimental_reuseContext }', 'optIn'],
    ['export const experimental_reuseContext = false', 'stateless'],
    ['const experimental_reuseContext = true', 'stateless'],
  ])('%s: %s', (source, tier) => {
    expect(prepareModule(source, 'x.js').verdict.tier).toBe(tier)
  })

  it('calls code that cannot be parsed fresh', () => {
    expect(prepareModule('export const = 1', 'x.js').verdict).toEqual({
      tier: 'fresh',
      reason: expect.stringContaining('x.js: cannot be parsed'),
    })
  })
})
