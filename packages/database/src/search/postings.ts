/**
 * Postings of one term, as rows of 32-bit words in the order of documents: what stands behind the term in their keys
 * (see `text-keys.ts`), each word in the machine's own byte order. Never changed once made.
 */
import { assert } from '@concave/base'

export type Postings = {
  /** `count` rows of `stride` words. */
  readonly words: Uint32Array
  readonly count: number
  readonly stride: number
}

/** Words of a row: group, creation time, id are the document; then frequency and length; then other filters. */
export const documentWords = 7
export const frequencyWord = 7
export const firstFilterWord = 8

/** The postings of ascending keys whose last `recordBytes` bytes are the rows. */
export function decodePostings(keys: readonly Uint8Array[], recordBytes: number): Postings {
  const bytes = Buffer.allocUnsafeSlow(keys.length * recordBytes)
  for (const [position, key] of keys.entries()) {
    bytes.set(key.subarray(key.length - recordBytes), position * recordBytes)
  }
  return readPostings(bytes, recordBytes)
}

/** The postings that are in these bytes, which are given away: no longer to be used. */
export function readPostings(bytes: Uint8Array<ArrayBuffer>, recordBytes: number): Postings {
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap32()
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  return { words, count: bytes.byteLength / recordBytes, stride: recordBytes / 4 }
}

export function joinPostings(parts: readonly Postings[], stride: number): Postings {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const words = new Uint32Array(count * stride)
  let position = 0
  for (const part of parts) {
    words.set(part.words, position)
    position += part.words.length
  }
  return { words, count, stride }
}

/** `base` without the rows of `removed`, with those of `added`. Rows that are not there, or there already, are fine. */
export function patchPostings(base: Postings, removed: Postings, added: Postings): Postings {
  const { stride } = base
  assert(removed.stride === stride && added.stride === stride, 'Postings of one index have rows of one length.')
  const words = new Uint32Array((base.count + added.count) * stride)
  let from = 0
  let to = 0
  let nextRemoved = 0
  let nextAdded = 0
  const copyUntil = (row: number): void => {
    words.set(base.words.subarray(from * stride, row * stride), to * stride)
    to += row - from
    from = row
  }
  while (nextRemoved < removed.count || nextAdded < added.count) {
    const isRemoval =
      nextAdded >= added.count ||
      (nextRemoved < removed.count && compareRows(removed, nextRemoved, added, nextAdded, stride) < 0)
    const source = isRemoval ? removed : added
    const row = isRemoval ? nextRemoved : nextAdded
    const place = findRow(base, from, source, row)
    copyUntil(place)
    const isThere = place < base.count && compareRows(base, place, source, row, stride) === 0
    if (isRemoval) {
      nextRemoved += 1
      if (isThere) from += 1
    } else {
      nextAdded += 1
      // Removed and added alike: it stays.
      if (nextRemoved < removed.count && compareRows(removed, nextRemoved, added, row, stride) === 0) nextRemoved += 1
      if (!isThere) {
        words.set(added.words.subarray(row * stride, (row + 1) * stride), to * stride)
        to += 1
      }
    }
  }
  copyUntil(base.count)
  return { words: words.subarray(0, to * stride), count: to, stride }
}

/** First row of `base` from `low` on that is not before the other one's `row`. */
function findRow(base: Postings, low: number, other: Postings, row: number): number {
  let start = low
  let end = base.count
  while (start < end) {
    const middle = (start + end) >>> 1
    if (compareRows(base, middle, other, row, base.stride) < 0) start = middle + 1
    else end = middle
  }
  return start
}

function compareRows(a: Postings, rowA: number, b: Postings, rowB: number, words: number): number {
  return compareWords(a.words, rowA * a.stride, b.words, rowB * b.stride, words)
}

/** Compares `count` words from the given positions. */
export function compareWords(a: Uint32Array, startA: number, b: Uint32Array, startB: number, count: number): number {
  for (let word = 0; word < count; word += 1) {
    const left = a[startA + word] as number
    const right = b[startB + word] as number
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}
