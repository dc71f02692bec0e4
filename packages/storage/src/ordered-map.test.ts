import { bytesCompare, bytesToHex } from '@concave/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OrderedMap } from './ordered-map.ts'

const key = fc.uint8Array({ maxLength: 2 })

test('behaves like a map that is sorted when it is read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ key, isDeleted: fc.boolean() }), { maxLength: 2000, size: 'max' }),
      fc.record({ from: key, to: fc.option(key, { nil: undefined }) }),
      fc.constantFrom('asc', 'desc'),
      (changes, range, order) => {
        const map = new OrderedMap<number>()
        const model = new Map<string, readonly [Uint8Array, number]>()
        for (const [position, change] of changes.entries()) {
          const name = bytesToHex(change.key)
          if (change.isDeleted) {
            map.delete(change.key)
            model.delete(name)
          } else {
            map.set(change.key, position)
            model.set(name, [change.key, position])
          }
          expect(map.get(change.key)).toBe(model.get(name)?.[1])
        }
        expect(map.size).toBe(model.size)
        const sign = order === 'asc' ? 1 : -1
        const expected = [...model.values()]
          .filter(
            ([each]) =>
              bytesCompare(each, range.from) >= 0 && (range.to === undefined || bytesCompare(each, range.to) < 0),
          )
          .toSorted(([left], [right]) => sign * bytesCompare(left, right))
        const found = [...map.range(range, order)]
        expect(found.map(([, value]) => value)).toEqual(expected.map(([, value]) => value))
      },
    ),
    { numRuns: 30 },
  )
})
