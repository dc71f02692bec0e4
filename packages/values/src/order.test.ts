import { compareValues as officialCompare, jsonToConvex, type JSONValue } from 'convex/values'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commitTs, compareValues, encodeValue, parseValue, stringifyValue, valuesEqual, type Value } from './index.ts'
import { arbitraryText, arbitraryValue } from './testing/value-arbitrary.ts'

describe('compareValues', () => {
  it('orders kinds and the special cases within them', () => {
    const ascending: readonly (Value | undefined)[] = [
      undefined,
      null,
      -(2n ** 63n),
      -1n,
      0n,
      10n,
      2n ** 63n - 1n,
      -Infinity,
      -1,
      -0,
      0,
      0.5,
      Infinity,
      Number.NaN,
      false,
      true,
      '',
      '10',
      '9',
      'a',
      'a\0',
      'aa',
      '\uFF5E',
      '\u{1F600}',
      new Uint8Array([]),
      new Uint8Array([0]),
      new Uint8Array([255]),
      [],
      [null],
      [null, null],
      [1n],
      parseValue('{}'),
      parseValue('{"10":1}'),
      parseValue('{"9":1}'),
      parseValue('{"a":1}'),
      parseValue('{"a":1,"b":0}'),
      parseValue('{"a":2}'),
      parseValue('{"b":0}'),
    ]
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) {
        expect(Math.sign(compareValues(a, b)), `${i} against ${j}`).toBe(Math.sign(i - j))
        expect(valuesEqual(a, b), `${i} equals ${j}`).toBe(i === j)
      }
    }
  })

  it('compares strings by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(arbitraryText, arbitraryText, (a, b) => {
        expect(Math.sign(compareValues(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })

  it('puts the commit timestamp placeholder where the largest int64 is, though they are not equal', () => {
    const largest = 2n ** 63n - 1n
    expect(compareValues(commitTs, largest)).toBe(0)
    expect(compareValues(largest - 1n, commitTs)).toBeLessThan(0)
    expect(compareValues(commitTs, -Infinity)).toBeLessThan(0)
    expect(valuesEqual(commitTs, largest)).toBe(false)
    expect(valuesEqual([commitTs], [commitTs])).toBe(true)
  })

  it('is antisymmetric and 0 exactly for equal values', () => {
    fc.assert(
      fc.property(arbitraryValue, arbitraryValue, (a, b) => {
        expect(Math.sign(compareValues(a, b))).toBe(-Math.sign(compareValues(b, a)) + 0)
        expect(compareValues(a, b) === 0).toBe(valuesEqual(a, b))
        expect(compareValues(a, a)).toBe(0)
      }),
    )
  })
})

describe('the npm package', () => {
  it('has the same order', () => {
    const official = (value: Value) => jsonToConvex(encodeValue(value) as JSONValue)
    fc.assert(
      fc.property(arbitraryValue, arbitraryValue, (a, b) => {
        // The package assigns fields one by one, which loses `__proto__`; ours keeps it.
        fc.pre(!stringifyValue([a, b]).includes('"__proto__"'))
        expect(Math.sign(officialCompare(official(a), official(b)))).toBe(Math.sign(compareValues(a, b)))
      }),
    )
  })
})

describe('valuesEqual', () => {
  it('ignores the order in which fields were set', () => {
    expect(valuesEqual({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe(true)
    expect(valuesEqual({ a: 1 }, { b: 1 })).toBe(false)
    expect(valuesEqual(parseValue('{"__proto__":1}'), parseValue('{"a":1}'))).toBe(false)
  })

  it('tells -0 from 0, and 1 from 1n', () => {
    expect(valuesEqual([-0], [0])).toBe(false)
    expect(valuesEqual(1, 1n)).toBe(false)
  })
})
