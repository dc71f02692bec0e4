import { describe, expect, it } from 'vitest'
import { checkValueLimits, commitTs, nestingOf, type Value } from './index.ts'

describe('nestingOf', () => {
  it.each([
    ['a', 0],
    [commitTs, 0],
    [new Uint8Array(2), 0],
    [[], 1],
    [{}, 1],
    [[1, [2, { a: [] }]], 4],
  ] as readonly (readonly [Value, number])[])('of %s is %i', (value, nesting) => {
    expect(nestingOf(value)).toBe(nesting)
  })
})

describe('checkValueLimits', () => {
  it('passes a value within its limits', () => {
    expect(() => checkValueLimits([[1]], { maxNesting: 2, maxSize: 13 })).not.toThrow()
  })

  it('names the nesting', () => {
    expect(() => checkValueLimits([[[1]]], { maxNesting: 2 })).toThrow(
      expect.objectContaining({
        code: 'TooNestedError',
        message: 'Value is too nested (nested 3 levels deep > maximum nesting 2)',
      }),
    )
  })

  it('names the sizes for people', () => {
    expect(() => checkValueLimits('x'.repeat(1_572_862), { maxSize: 1_048_576 })).toThrow(
      expect.objectContaining({
        code: 'ValueTooLargeError',
        message: 'Value is too large (1.5 MiB > maximum size 1 MiB)',
      }),
    )
  })

  it('knows the limits of any value', () => {
    expect(() => checkValueLimits(new Uint8Array(32 * 1_048_576))).toThrow('maximum size 32 MiB')
  })
})
