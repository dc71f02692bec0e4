import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Commit } from '../storage.ts'
import { decodeBatch, decodeBulk, decodeCommit, encodeBatch, encodeBulk } from './record-codec.ts'

const number = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const bytes = fc.uint8Array({ maxLength: 300 })
const ts = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const text = fc.string({ unit: 'grapheme', maxLength: 3000 })
const write = { index: number, key: bytes, tablet: number, id: bytes }
const commit: fc.Arbitrary<Commit> = fc.record({
  ts,
  documents: fc.array(
    fc.record({ tablet: number, id: bytes, prevTs: fc.option(ts), text: fc.option(text), size: number }),
    { maxLength: 5 },
  ),
  indexes: fc.array(fc.record({ ...write, present: fc.boolean() }), { maxLength: 5 }),
  touched: fc.array(fc.record({ index: number, key: bytes }), { maxLength: 5 }),
  source: text,
})

test('decodes what it encoded', () => {
  fc.assert(
    fc.property(fc.array(commit, { maxLength: 4 }), (batch) => {
      const decoded = decodeBatch(encodeBatch(batch)).map(({ ts: commitTs, record }) => decodeCommit(commitTs, record))
      expect(decoded).toEqual(batch)
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.record({ ...write, documentTs: ts })), (rows) => {
      expect(decodeBulk(encodeBulk(rows))).toEqual(rows)
    }),
  )
})

test('refuses a record that was cut off or has an unknown format', () => {
  const sample: Commit = {
    ts: 1n,
    documents: [],
    indexes: [],
    touched: [{ index: 1, key: new Uint8Array(9) }],
    source: 's',
  }
  const [encoded] = decodeBatch(encodeBatch([sample]))
  const record = encoded?.record ?? new Uint8Array()
  expect(() => decodeCommit(1n, record.subarray(0, -1))).toThrow('end too early')
  expect(() => decodeCommit(1n, Uint8Array.from([9, ...record.subarray(1)]))).toThrow('unknown format 9')
})
