/**
 * Keys of vector indexes. A document with a vector has one row:
 *
 *     1 group(16) id(16) vector(4 each) filter(16)…
 *
 * `group` is a hash of the first filter field's value, `filter`s are those of the others: long enough that equal hashes
 * mean equal values. The vector has length 1, as float32, so that products are cosines. All keys of an index are of one
 * length, in words of 4 bytes.
 */
import { hash } from 'node:crypto'
import { assert } from '@concave/base'
import type { IndexWrite } from '@concave/storage'
import { decodeDocumentId, encodeKey, isValueArray, type Value, type ValueObject } from '@concave/values'
import type { IndexEntry } from '../catalog.ts'
import { bytesKey, valueAt } from '../index-key.ts'
import type { VectorIndex } from '../index-kind.ts'
import type { Write } from '../own-writes.ts'

const rowKind = 1
export const hashBytes = 16
const idBytes = 16

/** Bytes of a key behind its kind. */
export function vectorRowBytes({ dimensions, filterFields }: VectorIndex): number {
  return hashBytes + idBytes + 4 * dimensions + hashBytes * Math.max(0, filterFields.length - 1)
}

/** Start of all rows; with a hash, of those in that group. */
export function vectorPrefix(group?: Uint8Array): Uint8Array {
  return group === undefined ? Uint8Array.of(rowKind) : Buffer.concat([Uint8Array.of(rowKind), group])
}

/** Group and id of a row's key, as a Map key. */
export function nameOfVector(key: Uint8Array): string {
  return bytesKey(key.subarray(1, 1 + hashBytes + idBytes))
}

/** The document's row, if it has a vector. */
export function vectorKey(index: VectorIndex, document: ValueObject): Uint8Array | undefined {
  const vector = normalize(valueAt(document, index.vectorPath), index.dimensions)
  if (vector === undefined) return undefined
  const key = Buffer.alloc(1 + vectorRowBytes(index))
  const [group, ...filters] = index.filterPaths.map((path) => hashValue(valueAt(document, path)))
  key[0] = rowKind
  if (group !== undefined) key.set(group, 1)
  key.set(internalIdOf(document), 1 + hashBytes)
  let position = 1 + hashBytes + idBytes
  for (const component of vector) position = key.writeFloatBE(component, position)
  for (const filter of filters) {
    key.set(filter, position)
    position += hashBytes
  }
  return key
}

/** Equal for values that compare as equal. */
export function hashValue(value: Value | undefined): Buffer {
  return hash('sha256', encodeKey([value]), 'buffer').subarray(0, hashBytes)
}

/** The vector with length 1; undefined if it is none of these dimensions, or its length is no number. */
export function normalize(value: Value | undefined, dimensions: number): Float32Array | undefined {
  if (!isValueArray(value) || value.length !== dimensions) return undefined
  let sum = 0
  for (const component of value) {
    if (typeof component !== 'number') return undefined
    sum += component * component
  }
  if (!Number.isFinite(sum)) return undefined
  const length = Math.sqrt(sum)
  return Float32Array.from(value as readonly number[], (component) => (length === 0 ? 0 : component / length))
}

/** What a write does to a vector index. Nobody watches vector searches, so nobody is told. */
export function addVectorEffects(
  { entry, vector, write }: { readonly entry: IndexEntry; readonly vector: VectorIndex; readonly write: Write },
  previous: ValueObject | undefined,
  current: ValueObject | undefined,
  indexes: IndexWrite[],
): void {
  const { index, state } = entry
  const before = previous === undefined ? undefined : vectorKey(vector, previous)
  const after = current === undefined ? undefined : vectorKey(vector, current)
  const isSame = before !== undefined && after !== undefined && Buffer.compare(before, after) === 0
  const { tablet } = write.table
  const id = write.internalId
  if (before !== undefined && !isSame) indexes.push({ index, key: before, tablet, id, present: false })
  if (after !== undefined && (!isSame || state === 'backfilling')) {
    indexes.push({ index, key: after, tablet, id, present: true })
  }
}

function internalIdOf(document: ValueObject): Uint8Array {
  const id = document['_id']
  assert(typeof id === 'string', 'a stored document has an id')
  return decodeDocumentId(id).internalId
}
