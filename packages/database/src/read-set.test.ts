import { bytesCompare } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keyAfter, ReadSet } from './read-set.ts'

/** Short keys over few letters meet often. */
const key = fc.uint8Array({ maxLength: 3, max: 2 })
const interval = fc.record({
  index: fc.integer({ min: 1, max: 2 }),
  from: key,
  to: fc.option(key, { nil: undefined }),
})

describe('ReadSet', () => {
  test('overlaps exactly the keys of its intervals, in whatever order they came', () => {
    fc.assert(
      fc.property(
        fc.array(interval),
        fc.array(interval),
        fc.integer({ min: 1, max: 2 }),
        key,
        (first, second, index, probe) => {
          const reads = new ReadSet()
          for (const { index: of, from, to } of first) reads.addInterval(of, from, to)
          reads.overlaps(index, probe)
          for (const { index: of, from, to } of second) reads.addInterval(of, from, to)
          const expected = [...first, ...second].some(
            (range) =>
              range.index === index &&
              bytesCompare(range.from, probe) <= 0 &&
              (range.to === undefined || bytesCompare(probe, range.to) < 0),
          )
          expect(reads.overlaps(index, probe)).toBe(expected)
          expect(reads.clone().overlaps(index, probe)).toBe(expected)
          const union = new ReadSet()
          union.addAll(reads)
          expect(union.overlaps(index, probe)).toBe(expected)
        },
      ),
    )
  })

  test('lists disjoint intervals in order, none next to another', () => {
    fc.assert(
      fc.property(fc.array(interval), (added) => {
        const reads = new ReadSet()
        for (const { index, from, to } of added) reads.addInterval(index, from, to)
        const listed = [...reads.intervals()]
        expect(reads.size).toBe(listed.length)
        const areInOrder = listed.every(({ index, from, to }, position) => {
          const before = listed[position - 1]
          const follows = before?.index !== index || (before.to !== undefined && bytesCompare(before.to, from) < 0)
          return follows && (to === undefined || bytesCompare(from, to) < 0)
        })
        expect(areInOrder).toBe(true)
        expect(new Set(listed.map(({ index }) => index))).toEqual(new Set(reads.indexes()))
      }),
    )
  })

  test('a key is one point: neither its prefixes nor what starts with it', () => {
    const reads = new ReadSet()
    reads.addKey(1, Uint8Array.of(7))
    expect(reads.overlaps(1, Uint8Array.of(7))).toBe(true)
    expect(reads.overlaps(1, Uint8Array.of())).toBe(false)
    expect(reads.overlaps(1, keyAfter(Uint8Array.of(7)))).toBe(false)
    expect(reads.overlaps(2, Uint8Array.of(7))).toBe(false)
  })

  test('a cursor that moves on stays one interval', () => {
    const reads = new ReadSet()
    for (let end = 1; end < 100; end += 1) reads.addInterval(1, Uint8Array.of(0), Uint8Array.of(end))
    expect([...reads.intervals()]).toEqual([{ index: 1, from: Uint8Array.of(0), to: Uint8Array.of(99) }])
  })

  test('a clone does not follow the original', () => {
    const reads = new ReadSet()
    reads.addKey(1, Uint8Array.of(1))
    const copy = reads.clone()
    reads.addKey(1, Uint8Array.of(5))
    expect(copy.overlaps(1, Uint8Array.of(5))).toBe(false)
    copy.addKey(1, Uint8Array.of(9))
    expect(reads.overlaps(1, Uint8Array.of(9))).toBe(false)
  })
})
