import { bytesCompare } from '@concave/base'
import type { KeyRange } from './storage.ts'

const chunkEntriesMax = 256

type Chunk<V> = { readonly keys: Uint8Array[]; readonly values: V[] }

/**
 * A map from byte strings, iterated in memcmp order. Entries live in sorted chunks, so that lookup is two binary
 * searches and an insertion moves at most one chunk. It must not be changed while a range is being iterated.
 */
export class OrderedMap<V> {
  /** Never contains an empty chunk. */
  readonly #chunks: Chunk<V>[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: Uint8Array): V | undefined {
    const chunk = this.#chunks[this.#chunkIndex(key)]
    if (chunk === undefined) return undefined
    const position = lowerBound(chunk.keys, key)
    const found = chunk.keys[position]
    return found !== undefined && bytesCompare(found, key) === 0 ? chunk.values[position] : undefined
  }

  set(key: Uint8Array, value: V): void {
    const chunkIndex = this.#chunkIndex(key)
    const chunk = this.#chunks[chunkIndex]
    if (chunk === undefined) {
      this.#chunks.push({ keys: [key], values: [value] })
      this.#size += 1
      return
    }
    const position = lowerBound(chunk.keys, key)
    const found = chunk.keys[position]
    if (found !== undefined && bytesCompare(found, key) === 0) {
      chunk.values[position] = value
      return
    }
    chunk.keys.splice(position, 0, key)
    chunk.values.splice(position, 0, value)
    this.#size += 1
    if (chunk.keys.length > chunkEntriesMax) {
      const half = chunk.keys.length >> 1
      this.#chunks.splice(chunkIndex + 1, 0, { keys: chunk.keys.splice(half), values: chunk.values.splice(half) })
    }
  }

  delete(key: Uint8Array): boolean {
    const chunkIndex = this.#chunkIndex(key)
    const chunk = this.#chunks[chunkIndex]
    if (chunk === undefined) return false
    const position = lowerBound(chunk.keys, key)
    const found = chunk.keys[position]
    if (found === undefined || bytesCompare(found, key) !== 0) return false
    chunk.keys.splice(position, 1)
    chunk.values.splice(position, 1)
    this.#size -= 1
    if (chunk.keys.length === 0) this.#chunks.splice(chunkIndex, 1)
    return true
  }

  *range(range: KeyRange, order: 'asc' | 'desc'): Generator<readonly [Uint8Array, V]> {
    if (order === 'asc') yield* this.#ascending(range)
    else yield* this.#descending(range)
  }

  *#ascending({ from, to }: KeyRange): Generator<readonly [Uint8Array, V]> {
    const start = this.#chunkIndex(from)
    for (let chunkIndex = start; chunkIndex < this.#chunks.length; chunkIndex += 1) {
      const { keys, values } = this.#chunks[chunkIndex] as Chunk<V>
      for (let position = chunkIndex === start ? lowerBound(keys, from) : 0; position < keys.length; position += 1) {
        const key = keys[position] as Uint8Array
        if (to !== undefined && bytesCompare(key, to) >= 0) return
        yield [key, values[position] as V]
      }
    }
  }

  *#descending({ from, to }: KeyRange): Generator<readonly [Uint8Array, V]> {
    const start = to === undefined ? this.#chunks.length - 1 : this.#chunkIndex(to)
    for (let chunkIndex = start; chunkIndex >= 0; chunkIndex -= 1) {
      const chunk = this.#chunks[chunkIndex]
      if (chunk === undefined) return
      const { keys, values } = chunk
      const end = chunkIndex === start && to !== undefined ? lowerBound(keys, to) : keys.length
      for (let position = end - 1; position >= 0; position -= 1) {
        const key = keys[position] as Uint8Array
        if (bytesCompare(key, from) < 0) return
        yield [key, values[position] as V]
      }
    }
  }

  /** The chunk that holds `key` or would take it: the last one that starts at or before it. */
  #chunkIndex(key: Uint8Array): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      const first = (this.#chunks[middle] as Chunk<V>).keys[0] as Uint8Array
      if (bytesCompare(first, key) <= 0) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

/** Position of the first key that is ≥ `key`. */
function lowerBound(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (bytesCompare(keys[middle] as Uint8Array, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
