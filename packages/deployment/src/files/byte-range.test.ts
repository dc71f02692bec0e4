import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readRange } from './byte-range.ts'

const size = fc.nat({ max: 20 })
const offset = fc.nat({ max: 25 })

test('first and last byte are what they say, cut at the end of the file', () => {
  fc.assert(
    fc.property(size, offset, offset, (sizeBytes, first, last) => {
      const part = { kind: 'part', range: { start: first, end: Math.min(last + 1, sizeBytes) } }
      const expected = first > last ? { kind: 'all' } : first >= sizeBytes ? { kind: 'unsatisfiable' } : part
      expect(readRange(`bytes=${first}-${last}`, sizeBytes)).toEqual(expected)
    }),
  )
})

test('a suffix is the last bytes, a prefix missing its end goes to the end', () => {
  fc.assert(
    fc.property(size, offset, (sizeBytes, count) => {
      const start = Math.max(0, sizeBytes - count)
      expect(readRange(`bytes=-${count}`, sizeBytes)).toEqual(
        start < sizeBytes ? { kind: 'part', range: { start, end: sizeBytes } } : { kind: 'unsatisfiable' },
      )
      expect(readRange(`bytes=${count}-`, sizeBytes)).toEqual(
        count < sizeBytes ? { kind: 'part', range: { start: count, end: sizeBytes } } : { kind: 'unsatisfiable' },
      )
    }),
  )
})

test('any range that is served lies within the file', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789-, b='.split('')) }), size, (text, sizeBytes) => {
      const asked = readRange(`bytes=${text}`, sizeBytes)
      if (asked.kind !== 'part') return
      const { start, end } = asked.range
      expect([start >= 0, start < end, end <= sizeBytes]).toEqual([true, true, true])
    }),
  )
})

test('numbers beyond all files are no way around', () => {
  const huge = '9'.repeat(400)
  expect(readRange(`bytes=0-${huge}`, 10)).toEqual({ kind: 'part', range: { start: 0, end: 10 } })
  expect(readRange(`bytes=-${huge}`, 10)).toEqual({ kind: 'part', range: { start: 0, end: 10 } })
  expect(readRange(`bytes=${huge}-`, 10)).toEqual({ kind: 'unsatisfiable' })
  expect(readRange(undefined, 10)).toEqual({ kind: 'all' })
})
