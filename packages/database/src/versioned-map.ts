/**
 * Byte keys in order, each with the versions that commits gave it. Part of the overlay: small, short-lived, written and
 * read in turns, so keys are sorted only when a range is asked for.
 */
import { assert, bytesCompare } from '@concave/base'
import type { KeyRange, Ts } from '@concave/storage'

export type Order = 'asc' | 'desc'

type Entry<V> = { readonly key: Uint8Array; readonly name: string; readonly versions: V[] }

export class VersionedMap<V extends { readonly ts: Ts }> {
  readonly #byName = new Map<string, Entry<V>>()
  /** May still hold entries without versions. */
  #sorted: Entry<V>[] = []
  #unsorted: Entry<V>[] = []

  get size(): number {
    return this.#byName.size
  }

  /** Adds the newest version of `key`. */
  add(key: Uint8Array, version: V): void {
    const name = nameOf(key)
    let entry = this.#byName.get(name)
    if (entry === undefined) {
      entry = { key, name, versions: [] }
      this.#byName.set(name, entry)
      this.#unsorted.push(entry)
    }
    const last = entry.versions.at(-1)
    if (last?.ts === version.ts) entry.versions.pop()
    assert(last === undefined || last.ts <= version.ts, 'Versions arrive in commit order.')
    entry.versions.push(version)
  }

  /** The newest version of `key` in (`after`, `until`]. */
  find(key: Uint8Array, after: Ts, until: Ts): V | undefined {
    const entry = this.#byName.get(nameOf(key))
    return entry && newest(entry.versions, after, until)
  }

  /** Keys of the range in order, each with its newest version in (`after`, `until`]. Not to be used across an await. */
  *range(
    range: KeyRange,
    order: Order,
    after: Ts,
    until: Ts,
  ): Iterable<{ readonly key: Uint8Array; readonly version: V }> {
    const entries = this.#entriesInOrder()
    const start = lowerBound(entries, range.from)
    const end = range.to === undefined ? entries.length : lowerBound(entries, range.to)
    const step = order === 'asc' ? 1 : -1
    for (let position = order === 'asc' ? start : end - 1; position >= start && position < end; position += step) {
      const entry = entries[position]
      const version = entry && newest(entry.versions, after, until)
      if (entry !== undefined && version !== undefined) yield { key: entry.key, version }
    }
  }

  /** Forgets the version that the commit `ts` gave `key`, which must be the oldest one there. */
  drop(key: Uint8Array, ts: Ts): void {
    const entry = this.#byName.get(nameOf(key))
    if (entry?.versions[0]?.ts !== ts) return
    entry.versions.shift()
    if (entry.versions.length === 0) this.#byName.delete(entry.name)
  }

  #entriesInOrder(): readonly Entry<V>[] {
    if (this.#sorted.length > 2 * this.#byName.size + 16) this.#sorted = this.#sorted.filter(hasVersions)
    if (this.#unsorted.length > 0) {
      const added = this.#unsorted.filter(hasVersions)
      this.#unsorted = []
      if (added.length <= 4)
        for (const entry of added) this.#sorted.splice(lowerBound(this.#sorted, entry.key), 0, entry)
      else this.#sorted = [...this.#sorted, ...added].sort((a, b) => bytesCompare(a.key, b.key))
    }
    return this.#sorted
  }
}

/** A string that identifies the bytes: one character each. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function hasVersions<V>(entry: Entry<V>): boolean {
  return entry.versions.length > 0
}

function newest<V extends { readonly ts: Ts }>(versions: readonly V[], after: Ts, until: Ts): V | undefined {
  for (let position = versions.length - 1; position >= 0; position -= 1) {
    const version = versions[position]
    if (version === undefined || version.ts <= after) return undefined
    if (version.ts <= until) return version
  }
  return undefined
}

function lowerBound<V>(entries: readonly Entry<V>[], key: Uint8Array): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle]
    if (entry !== undefined && bytesCompare(entry.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
