/**
 * What text searches have read lately, in memory and bounded: postings, how many documents have a term, how long texts
 * are, which terms begin with a prefix. Exact: an answer is what the snapshot itself would give. What was read at one
 * timestamp holds for later ones together with the index writes of the commits in between, and every commit adds its own.
 */
import { assert, bytesCompare } from '@concave/base'
import type { Commit, IndexId, IndexWrite, Ts } from '@concave/storage'

import { bytesKey } from '../index-key.ts'
import type { TextIndex } from '../index-kind.ts'
import { LruList, type LruItem } from '../lru-list.ts'
import type { Snapshot } from '../snapshot.ts'
import { fieldLengths } from './field-length.ts'
import { FollowedValue, type Fold } from './followed-value.ts'
import { decodePostings, patchPostings, type Postings } from './postings.ts'
import { RecentWrites } from './recent-writes.ts'
import {
  hashBytes,
  isPosting,
  lengthOfKey,
  lengthsRange,
  postingsPrefix,
  prefixRange,
  recordBytes,
  termEnd,
  termOf,
} from './text-keys.ts'
import { textCacheLimits, textLimits } from './text-limits.ts'
import { loadPostings, loadStatistics, loadTerms, type TermList, type TextStatistics } from './text-reader.ts'

type Item = LruItem<Item> & {
  readonly name: string
  readonly content:
    | { readonly kind: 'followed'; readonly value: FollowedValue<unknown> }
    | { readonly kind: 'terms'; readonly ts: Ts; readonly list: TermList }
}

export type TextCacheOptions = { readonly maxBytes?: number; readonly maxUngroupedPostings?: number }

/** `documents`: how many have the term, in whatever group. */
export type TermPostings = {
  readonly postings: Postings
  readonly isGrouped: boolean
  readonly documents: number
}

/** `prefix`: only writes of keys that begin with it change the value. */
type FollowedSource<V, L extends V | undefined> = {
  readonly name: string
  readonly prefix: Uint8Array
  readonly load: () => Promise<L>
  readonly fold: Fold<V>
  readonly sizeOf: (value: V) => number
}

const itemOverheadBytes = 512

export class TextCache {
  readonly #maxBytes: number
  readonly #maxUngrouped: number
  readonly #items = new LruList<Item>()
  readonly #byName = new Map<string, Item>()
  readonly #recent: RecentWrites

  /** `startTs`: the newest applied commit. */
  constructor(options: TextCacheOptions & { readonly startTs: Ts }) {
    this.#maxBytes = options.maxBytes ?? textCacheLimits.maxBytes
    this.#maxUngrouped = options.maxUngroupedPostings ?? textLimits.maxUngroupedPostings
    this.#recent = new RecentWrites({ startTs: options.startTs, max: textCacheLimits.maxRecentWrites })
  }

  /** Estimated memory of what is kept. */
  get sizeBytes(): number {
    return this.#items.sizeBytes
  }

  /** Follows a commit. Commits come in order, before anyone reads at their ts. */
  apply({ ts, indexes }: Pick<Commit, 'ts' | 'indexes'>): void {
    for (const write of this.#recent.add(ts, indexes)) {
      for (const name of namesOf(write)) this.#change(name, ts, write)
    }
  }

  /** The postings of a term: all of them, or those in the group if they are many. */
  async postings(
    snapshot: Snapshot,
    index: IndexId,
    text: TextIndex,
    term: string,
    group: Uint8Array | undefined,
  ): Promise<TermPostings> {
    const prefix = postingsPrefix(term, undefined)
    const isLarge = group !== undefined && this.#byName.has(nameOf('c', index, prefix))
    if (!isLarge) {
      const limit = group === undefined ? Number.MAX_SAFE_INTEGER : this.#maxUngrouped
      const all = await this.#follow(snapshot, index, postingsSource(snapshot, index, text, prefix, limit))
      if (all !== undefined) return { postings: all, isGrouped: false, documents: all.count }
    }
    const inGroup = postingsSource(snapshot, index, text, postingsPrefix(term, group))
    const postings = await this.#follow(snapshot, index, inGroup)
    assert(postings !== undefined, 'nothing limits how many postings are read')
    return { postings, isGrouped: true, documents: await this.#countDocuments(snapshot, index, prefix) }
  }

  /** How many documents have the term whose postings begin so. */
  async #countDocuments(snapshot: Snapshot, index: IndexId, prefix: Uint8Array): Promise<number> {
    return this.#follow(snapshot, index, {
      name: nameOf('c', index, prefix),
      prefix,
      load: () => snapshot.countKeys(index, prefixRange(prefix)),
      fold: (value, writes) => writes.reduce((count, { present }) => count + (present ? 1 : -1), value),
      sizeOf: () => 0,
    })
  }

  async statistics(snapshot: Snapshot, index: IndexId): Promise<TextStatistics> {
    return this.#follow(snapshot, index, {
      name: nameOf('l', index, noBytes),
      prefix: lengthsRange().from,
      load: () => loadStatistics(snapshot, index),
      fold: foldStatistics,
      sizeOf: () => 0,
    })
  }

  /** The first terms that begin with `prefix`. */
  async terms(snapshot: Snapshot, index: IndexId, prefix: string): Promise<TermList> {
    const name = nameOf('t', index, Buffer.from(prefix))
    const item = this.#find(name)
    if (item?.content.kind === 'terms' && item.content.ts <= snapshot.ts) return item.content.list
    const list = await loadTerms(snapshot, index, prefix, textLimits.maxExpandedTerms)
    const since = this.#recent.since(index, snapshot.ts)
    const isCurrent = since?.every(({ write }) => !isPosting(write.key) || !changesTerms(list, prefix, write)) ?? false
    if (isCurrent && item === undefined) {
      const sizeBytes = itemOverheadBytes + 64 * list.terms.length
      this.#add({ name, content: { kind: 'terms', ts: snapshot.ts, list }, sizeBytes, ...unlinked })
    }
    return list
  }

  /** `load` may answer undefined, which is not kept. */
  async #follow<V, L extends V | undefined>(
    snapshot: Snapshot,
    index: IndexId,
    source: FollowedSource<V, L>,
  ): Promise<V | L> {
    const { name, prefix, load, fold, sizeOf } = source
    const item = this.#find(name)
    if (item?.content.kind === 'followed') {
      const known = (item.content.value as FollowedValue<V>).at(snapshot.ts)
      return known === undefined ? await load() : known.value
    }
    this.#recent.follow(index)
    const value = await load()
    if (value === undefined) return value
    const since = this.#recent.since(index, snapshot.ts)
    // Another search may have read the same meanwhile.
    if (since === undefined || this.#byName.has(name)) return value
    const followed = new FollowedValue(snapshot.ts, value, fold)
    const start = bytesKey(prefix)
    for (const { ts, write } of since) if (bytesKey(write.key).startsWith(start)) followed.add(ts, write)
    const content = { kind: 'followed', value: followed as FollowedValue<unknown> } as const
    this.#add({ name, content, sizeBytes: itemOverheadBytes + sizeOf(value), ...unlinked })
    return value
  }

  #find(name: string): Item | undefined {
    const item = this.#byName.get(name)
    if (item !== undefined) this.#items.touch(item)
    return item
  }

  #add(item: Item): void {
    if (item.sizeBytes > this.#maxBytes / textCacheLimits.minItems) return
    this.#byName.set(item.name, item)
    this.#items.add(item)
    while (this.#items.sizeBytes > this.#maxBytes) {
      const { oldest } = this.#items
      if (oldest === undefined) return
      this.#remove(oldest)
    }
  }

  #remove(item: Item): void {
    this.#items.remove(item)
    this.#byName.delete(item.name)
  }

  #change(name: string, ts: Ts, write: IndexWrite): void {
    const item = this.#byName.get(name)
    if (item === undefined) return
    if (item.content.kind === 'terms') {
      const prefix = name.slice(name.lastIndexOf(':') + 1)
      if (changesTerms(item.content.list, Buffer.from(prefix, 'latin1').toString(), write)) this.#remove(item)
      return
    }
    const { value } = item.content
    value.add(ts, write)
    if (value.changeCount > textCacheLimits.maxChanges) value.forget()
  }
}

const unlinked = { newer: undefined, older: undefined }
const noBytes = new Uint8Array(0)

type ItemKind = 'p' | 'c' | 'l' | 't'

function nameOf(kind: ItemKind, index: IndexId, bytes: Uint8Array): string {
  return `${kind}${index}:${bytesKey(bytes)}`
}

/** The items that a write of this key changes, if they are there. */
function* namesOf({ index, key }: IndexWrite): Iterable<string> {
  if (!isPosting(key)) {
    yield nameOf('l', index, noBytes)
    return
  }
  const end = termEnd(key)
  const text = bytesKey(key)
  const term = `${index}:${text.slice(0, end + 1)}`
  yield `p${term}`
  yield `c${term}`
  yield `p${index}:${text.slice(0, end + 1 + hashBytes)}`
  for (let length = 2; length <= end; length += 1) yield `t${index}:${text.slice(1, length)}`
}

function changesTerms({ terms, isComplete }: TermList, prefix: string, write: IndexWrite): boolean {
  const term = termOf(write.key)
  if (!term.startsWith(prefix)) return false
  if (terms.includes(term)) return !write.present
  const last = terms.at(-1)
  return isComplete || last === undefined || Buffer.compare(Buffer.from(term), Buffer.from(last)) < 0
}

function postingsSource(
  snapshot: Snapshot,
  index: IndexId,
  text: TextIndex,
  prefix: Uint8Array,
  limit?: number,
): FollowedSource<Postings, Postings | undefined> {
  const width = recordBytes(text)
  return {
    name: nameOf('p', index, prefix),
    prefix,
    load: () => loadPostings(snapshot, index, text, prefix, limit),
    fold: (value, writes) => foldPostings(value, writes, width),
    // While there are changes, twice that: as they were read and as they are now.
    sizeOf: ({ words }) => words.byteLength,
  }
}

function foldPostings(value: Postings, writes: readonly IndexWrite[], width: number): Postings {
  const last = new Map(writes.map((write) => [bytesKey(write.key), write]))
  const keysOf = (isPresent: boolean): readonly Uint8Array[] =>
    Array.from(last.values(), ({ key, present }) => (present === isPresent ? [key] : []))
      .flat()
      .sort(bytesCompare)
  return patchPostings(value, decodePostings(keysOf(false), width), decodePostings(keysOf(true), width))
}

function foldStatistics(value: TextStatistics, writes: readonly IndexWrite[]): TextStatistics {
  let { documents, totalLength } = value
  for (const { key, present } of writes) {
    const sign = present ? 1 : -1
    documents += sign
    totalLength += sign * (fieldLengths[lengthOfKey(key) as number] as number)
  }
  return { documents, totalLength }
}
