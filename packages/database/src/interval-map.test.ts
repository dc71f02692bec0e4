import { bytesCompare } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IntervalMap } from './interval-map.ts'
import { keyAfter } from './read-set.ts'

const byNumber = (a: number, b: number): number => a - b

const key = fc.uint8Array({ maxLength: 2, max: 3 })
const range = fc.oneof(
  fc
    .record({ from: key, to: fc.option(key, { nil: undefined }) })
    .filter(({ from, to }) => to === undefined || bytesCompare(from, to) < 0),
  key.map((from) => ({ from, to: keyAfter(from) })),
)
const command = fc.record({ isRemoval: fc.boolean(), range, value: fc.integer({ min: 1, max: 3 }) })

describe('IntervalMap', () => {
  test('finds what a scan of all intervals finds, through additions and removals', () => {
    fc.assert(
      fc.property(fc.array(command, { size: 'medium' }), fc.array(key), (commands, probes) => {
        const map = new IntervalMap<number>()
        let naive: { readonly range: (typeof commands)[number]['range']; readonly value: number }[] = []
        for (const { isRemoval, range: target, value } of commands) {
          const others = naive.filter(
            (held) =>
              held.value !== value ||
              Buffer.compare(held.range.from, target.from) !== 0 ||
              bytesCompare(held.range.to ?? Uint8Array.of(255), target.to ?? Uint8Array.of(255)) !== 0,
          )
          if (isRemoval) map.remove(target, value)
          else map.add(target, value)
          naive = isRemoval ? others : [...others, { range: target, value }]
        }
        expect(map.isEmpty).toBe(naive.length === 0)
        for (const probe of probes) {
          const found: number[] = []
          map.forEachContaining(probe, (value) => found.push(value))
          const expected = naive.filter(
            ({ range: { from, to } }) =>
              bytesCompare(from, probe) <= 0 && (to === undefined || bytesCompare(probe, to) < 0),
          )
          expect(found.toSorted(byNumber)).toEqual(expected.map(({ value }) => value).toSorted(byNumber))
        }
        for (const held of naive) map.remove(held.range, held.value)
        expect(map.isEmpty).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('finds one range among 20,000 that came in order', () => {
    const map = new IntervalMap<number>()
    for (let start = 0; start < 20_000; start += 1) {
      map.add({ from: Uint8Array.of(start >> 8, start & 255), to: Uint8Array.of(start >> 8, start & 255, 9) }, start)
    }
    const found: number[] = []
    map.forEachContaining(Uint8Array.of(39, 17, 1), (value) => found.push(value))
    expect(found).toEqual([39 * 256 + 17])
  })
})
