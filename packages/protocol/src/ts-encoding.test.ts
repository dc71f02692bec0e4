import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeTs, encodeTs } from './ts-encoding.ts'

test.each([
  [0n, 'AAAAAAAAAAA='],
  [1n, 'AQAAAAAAAAA='],
  [256n, 'AAEAAAAAAAA='],
  [2n ** 63n - 1n, '/////////38='],
])('%s is %s', (ts, text) => {
  expect(encodeTs(ts)).toBe(text)
  expect(decodeTs(text)).toBe(ts)
})

test('decoding is the inverse of encoding', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (ts) => {
      expect(decodeTs(encodeTs(ts))).toBe(ts)
    }),
  )
})

test.each(['', 'AAAAAAAAAAA', 'AAAAAAAAAA==', 'AAAAAAAAAAAA', '________-38=', 'AAAAAAAAAAB=', '12'])(
  '%j is no timestamp',
  (text) => {
    expect(decodeTs(text)).toBeUndefined()
  },
)
