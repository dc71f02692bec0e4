import { bytesCompare, bytesToHex } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commitTs, compareValues, encodeKey, keySuccessor, parseValue, type Value } from './index.ts'
import { arbitraryValue } from './testing/value-arbitrary.ts'

const arbitraryKeyPart = fc.option(arbitraryValue, { nil: undefined, freq: 10 })

describe('encodeKey', () => {
  // Vectors of database.md §1.4, and the bounds of the int64 widths.
  const vectors: readonly (readonly [Value | undefined, string])[] = [
    [undefined, '01'],
    [null, '03'],
    [0n, '08'],
    [1n, '0901'],
    [-1n, '07ff'],
    [127n, '097f'],
    [128n, '0a0080'],
    [-128n, '0780'],
    [-129n, '06ff7f'],
    [32_767n, '0a7fff'],
    [32_768n, '0b00008000'],
    [-32_769n, '05ffff7fff'],
    [2n ** 31n - 1n, '0b7fffffff'],
    [2n ** 31n, '0c0000000080000000'],
    [-(2n ** 31n) - 1n, '04ffffffff7fffffff'],
    [2n ** 63n - 1n, '0c7fffffffffffffff'],
    [-(2n ** 63n), '048000000000000000'],
    [commitTs, '0c7fffffffffffffff'],
    [0, '0d8000000000000000'],
    [-0, '0d7fffffffffffffff'],
    [1, '0dbff0000000000000'],
    [-1, '0d400fffffffffffff'],
    [Number.NaN, '0dfff8000000000000'],
    [Infinity, '0dfff0000000000000'],
    [false, '0e'],
    [true, '0f'],
    ['', '1000'],
    ['a', '106100'],
    ['a\0b', '106100ff6200'],
    ['é', '10c3a900'],
    [new Uint8Array([0, 1]), '1100ff0100'],
    [[], '1200'],
    [[null], '120300'],
    [parseValue('{}'), '1500'],
    [{ a: 1n }, '156100090100'],
    [{ '': null }, '1500ff0300'],
  ]
  it.each(vectors)('%s is %s', (value, hex) => {
    expect(bytesToHex(encodeKey([value]))).toBe(hex)
  })

  it('concatenates values', () => {
    expect(bytesToHex(encodeKey(['a', undefined, 1n]))).toBe('106100010901')
    expect(encodeKey([])).toEqual(new Uint8Array())
  })

  it('answers with buffers that later keys leave alone, however long', () => {
    const small = encodeKey(['a'])
    const huge = encodeKey(['x'.repeat(100_000), 'y\0'.repeat(50_000)])
    expect(huge).toHaveLength(100_002 + 150_002)
    expect(bytesToHex(small)).toBe('106100')
    expect(bytesToHex(encodeKey([1n]))).toBe('0901')
  })

  it('has the order of values as its byte order', () => {
    fc.assert(
      fc.property(arbitraryKeyPart, arbitraryKeyPart, (a, b) => {
        expect(bytesCompare(encodeKey([a]), encodeKey([b]))).toBe(Math.sign(compareValues(a, b)))
      }),
      { numRuns: 500 },
    )
  })

  it('orders lists of values one by one', () => {
    fc.assert(
      fc.property(fc.array(arbitraryKeyPart, { maxLength: 3 }), arbitraryKeyPart, arbitraryKeyPart, (prefix, a, b) => {
        expect(bytesCompare(encodeKey([...prefix, a, 1]), encodeKey([...prefix, b, 0]))).toBe(
          Math.sign(compareValues(a, b)) || 1,
        )
      }),
    )
  })
})

describe('keySuccessor', () => {
  it('lies behind every key that continues the prefix and before every greater one', () => {
    fc.assert(
      fc.property(arbitraryKeyPart, arbitraryKeyPart, arbitraryKeyPart, (value, other, next) => {
        const end = keySuccessor(encodeKey([value]))
        expect(bytesCompare(encodeKey([value]), end)).toBe(-1)
        expect(bytesCompare(encodeKey([value, next]), end)).toBe(-1)
        expect(bytesCompare(encodeKey([other, next]), end)).toBe(compareValues(other, value) > 0 ? 1 : -1)
      }),
    )
  })

  it('keeps "a" apart from "a\\0b"', () => {
    expect(bytesCompare(encodeKey(['a\0b']), keySuccessor(encodeKey(['a'])))).toBe(1)
  })
})
