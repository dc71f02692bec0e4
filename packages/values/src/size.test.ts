import {
  getConvexSize,
  getDocumentSize,
  jsonToConvex,
  type JSONValue,
  type Value as OfficialValue,
} from 'convex/values'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commitTs, encodeDocumentId, encodeValue, humanizeBytes, sizeOf, stringifyValue } from './index.ts'
import { arbitraryFieldName, arbitraryText, arbitraryValue } from './testing/value-arbitrary.ts'

describe('sizeOf', () => {
  it.each([
    [null, 1],
    [true, 1],
    [1n, 9],
    [1, 9],
    [commitTs, 9],
    ['', 2],
    ['aé\u{1F600}', 9],
    ['é'.repeat(100), 202],
    [new Uint8Array(3), 5],
    [[], 2],
    [[null, 1], 12],
    [{ a: null, bc: 'x' }, 11],
  ])('of %s is %i', (value, size) => {
    expect(sizeOf(value)).toBe(size)
  })

  it('equals the size that the npm package tells', () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        fc.pre(!stringifyValue(value).includes('"__proto__"'))
        expect(sizeOf(value)).toBe(getConvexSize(official(encodeValue(value))))
      }),
    )
  })

  it('equals the document size that the npm package tells, system fields included', () => {
    const _id = encodeDocumentId(10_001, new Uint8Array(16))
    fc.assert(
      fc.property(fc.dictionary(arbitraryFieldName, arbitraryText, { maxKeys: 5 }), (fields) => {
        const { _id: _, ...document } = fields
        const stored = { ...document, _id, _creationTime: 1 }
        expect(sizeOf(stored)).toBe(getDocumentSize(document))
        expect(sizeOf(stored)).toBe(sizeOf(document) + 38 + 23)
      }),
    )
  })
})

function official(json: unknown): OfficialValue {
  return jsonToConvex(json as JSONValue)
}

describe('humanizeBytes', () => {
  it.each([
    [0, '0 B'],
    [512, '512 B'],
    [1024, '1 KiB'],
    [1_048_576, '1 MiB'],
    [1_572_864, '1.5 MiB'],
    [1_048_577, '1 MiB'],
    [1_300_000, '1.24 MiB'],
    [32 * 1_048_576, '32 MiB'],
    [5 * 2 ** 40, '5 TiB'],
  ])('%i is %s', (bytes, text) => {
    expect(humanizeBytes(bytes)).toBe(text)
  })
})
