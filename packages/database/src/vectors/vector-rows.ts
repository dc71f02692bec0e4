import type { IndexId, IndexWrite } from '@concave/storage'

import type { VectorIndex } from '../index-kind.ts'
import { keyAfter } from '../read-set.ts'
import { prefixRange } from '../search/text-keys.ts'
import type { Snapshot } from '../snapshot.ts'
import { nameOfVector, vectorRowBytes } from './vector-keys.ts'
import { vectorLimits } from './vector-limits.ts'
import { vectorWord, type VectorRows } from './vector-scores.ts'

/** Rows as they were read, and what has changed since. Never changed once made. */
export type VectorSet = {
  readonly rows: readonly VectorRows[]
  /** Words of group and id of rows that no longer count, by name. */
  readonly hidden: ReadonlyMap<string, readonly number[]>
  /** Keys that came since, by name. */
  readonly added: ReadonlyMap<string, Uint8Array>
}

/** All rows that begin with `prefix`, a page at a time. Others have their turn in between. */
export async function* loadVectors(
  snapshot: Snapshot,
  index: IndexId,
  vector: VectorIndex,
  prefix: Uint8Array,
  pageBytes: number = vectorLimits.maxLoadedBytes,
): AsyncIterable<VectorRows> {
  const width = vectorRowBytes(vector)
  const limit = Math.max(1, Math.floor(pageBytes / width))
  const whole = prefixRange(prefix)
  let range = whole
  for (;;) {
    // The whole key but for its kind.
    const page = await snapshot.scanKeys(index, range, { limit, skip: 1 })
    const last = Buffer.concat([prefix.subarray(0, 1), page.bytes.subarray(page.bytes.length - width)])
    if (page.count > 0) yield toRows(page.bytes, page.count)
    if (page.exhausted) return
    range = { from: keyAfter(last), to: whole.to }
    await new Promise(setImmediate)
  }
}

/** The set after these writes. */
export function foldVectors(set: VectorSet, writes: readonly IndexWrite[], stride: number): VectorSet {
  const hidden = new Map(set.hidden)
  const added = new Map(set.added)
  for (const { key, present } of writes) {
    const name = nameOfVector(key)
    hidden.set(name, wordsOf(key, 0, vectorWord))
    if (present) added.set(name, key)
    else added.delete(name)
  }
  const changed = { rows: set.rows, hidden, added }
  return hidden.size > vectorLimits.maxChanges ? compact(changed, stride) : changed
}

/** The keys that came since as rows. */
export function addedRows({ added }: VectorSet): readonly VectorRows[] {
  if (added.size === 0) return []
  return [toRows(Buffer.concat(Array.from(added.values(), (key) => key.subarray(1))), added.size)]
}

/** Rows without those that no longer count, with those that came: one copy instead of a check of every row. */
function compact(set: VectorSet, stride: number): VectorSet {
  const hiddenNames = new Set(Array.from(set.hidden.values(), (words) => words.join()))
  const total = set.rows.reduce((sum, { count }) => sum + count, 0)
  const memory = new SharedArrayBuffer(total * stride * 4)
  const words = new Uint32Array(memory)
  let count = 0
  for (const rows of set.rows) {
    const source = new Uint32Array(rows.memory, 0, rows.count * stride)
    for (let start = 0; start < source.length; start += stride) {
      if (hiddenNames.has(source.subarray(start, start + vectorWord).join())) continue
      words.set(source.subarray(start, start + stride), count * stride)
      count += 1
    }
  }
  return { rows: [{ memory, count }, ...addedRows(set)], hidden: new Map(), added: new Map() }
}

function toRows(bytes: Uint8Array, count: number): VectorRows {
  const memory = new SharedArrayBuffer(bytes.length)
  new Uint8Array(memory).set(bytes)
  Buffer.from(memory).swap32()
  return { memory, count }
}

/** Words of a key behind its kind, as rows have them. */
function wordsOf(key: Uint8Array, first: number, count: number): readonly number[] {
  const view = new DataView(key.buffer, key.byteOffset + 1)
  return Array.from({ length: count }, (_, word) => view.getUint32((first + word) * 4))
}
