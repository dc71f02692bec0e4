/**
 * The newest applied state of recently used documents and short index ranges, in memory and bounded. Exact: an answer
 * is what storage and overlay would give at the same ts.
 *
 * - A cached document is the newest applied revision (or absence), so it is what every snapshot at or above its ts sees.
 *   Every commit sets the documents that it writes. So what a snapshot read may be added if it is still the newest,
 *   which is known as long as every document written since is here: `#floorTs` says since when that is so, and rises
 *   when an entry is evicted.
 * - A cached page lists the entries of an index range, without documents. It holds for every snapshot at or above its ts
 *   until a commit adds an entry to the range or removes one, which drops it. A page that was read may be added if no
 *   commit since has done so; the last index writes are remembered to tell.
 *
 * Commits that are applied and not durable need nothing special: snapshots below them find a ts above their own.
 * Storage changes behind the commits only in backfills: see `forgetIndexes`.
 */
import { bytesCompare } from '@concave/base'
import type {
  Commit,
  IndexId,
  IndexWrite,
  KeyRange,
  ScanResult,
  ScanRow,
  StoredDocument,
  Tablet,
  Ts,
} from '@concave/storage'
import { IntervalMap } from './interval-map.ts'
import { readCacheLimits } from './limits.ts'
import { LruList, type LruItem } from './lru-list.ts'
import { compareEnds } from './read-set.ts'
import { nameOf, type Order } from './versioned-map.ts'

/** `document` undefined: there is none. */
export type CachedDocument = { readonly document: StoredDocument | undefined }

/** An index range in one direction. */
export type PageSource = { readonly index: IndexId; readonly range: KeyRange; readonly order: Order }

/** The first entries of a range. `exhausted`: there are no others. */
export type CachedPage = {
  readonly entries: readonly Pick<ScanRow, 'key' | 'id'>[]
  readonly exhausted: boolean
}

/** Tells `addPage` what has happened to storage since the page was asked for. */
export type Generation = number

type DocumentItem = LruItem<Item> &
  CachedDocument & { readonly kind: 'document'; readonly tablet: Tablet; readonly name: string; readonly ts: Ts }

type PageItem = LruItem<Item> &
  CachedPage &
  PageSource & { readonly kind: 'page'; readonly name: string; readonly ts: Ts }

type Item = DocumentItem | PageItem

/** Of the pages with the same start and direction only the last one that was read is kept. */
type IndexPages = {
  readonly byStart: { readonly [Name in Order]: Map<string, PageItem> }
  readonly byRange: IntervalMap<PageItem>
}

export class ReadCache {
  readonly #maxBytes: number
  readonly #maxItemBytes: number
  readonly #items = new LruList<Item>()
  readonly #documents = new Map<Tablet, Map<string, DocumentItem>>()
  readonly #pages = new Map<IndexId, IndexPages>()
  /** Every document that a commit above this ts wrote is here. */
  #floorTs: Ts
  /** The index writes of all commits above `#recentFloorTs`, in ts order. */
  readonly #recent: { readonly ts: Ts; readonly writes: readonly IndexWrite[] }[] = []
  #recentCount = 0
  #recentFloorTs: Ts
  #generation: Generation = 0

  /** `startTs`: the newest applied commit. With `maxBytes` 0 nothing is kept. */
  constructor(options: { readonly maxBytes: number; readonly startTs: Ts }) {
    this.#maxBytes = options.maxBytes
    this.#maxItemBytes = options.maxBytes / readCacheLimits.minItems
    this.#floorTs = options.startTs
    this.#recentFloorTs = options.startTs
  }

  /** Estimated memory of what is kept; at most `maxBytes`. */
  get sizeBytes(): number {
    return this.#items.sizeBytes
  }

  get generation(): Generation {
    return this.#generation
  }

  /** The document as of `at`; undefined if that is not known here. */
  findDocument(tablet: Tablet, id: Uint8Array, at: Ts): CachedDocument | undefined {
    const item = this.#documents.get(tablet)?.get(nameOf(id))
    if (item === undefined || item.ts > at) return undefined
    this.#items.touch(item)
    return item
  }

  /** At least `limit` entries of the range as of `at`, or all of them; undefined if they are not known here. */
  findPage(source: PageSource, limit: number, at: Ts): CachedPage | undefined {
    const item = this.#pages.get(source.index)?.byStart[source.order].get(nameOf(source.range.from))
    if (item === undefined || compareEnds(item.range.to, source.range.to) !== 0) return undefined
    if (item.ts > at || (!item.exhausted && item.entries.length < limit)) return undefined
    this.#items.touch(item)
    return item
  }

  /** Offers what a snapshot at `at` found under `id`. */
  addDocument(tablet: Tablet, id: Uint8Array, document: StoredDocument | undefined, at: Ts): void {
    if (at < this.#floorTs) return
    const name = nameOf(id)
    // One that is there already is the same, or newer than `at`.
    if (this.#documents.get(tablet)?.has(name) === true) return
    this.#putDocument(tablet, name, document, document?.ts ?? at)
  }

  /** Offers the page that a snapshot at `at` got. `generation`: from before storage was asked. */
  addPage(source: PageSource, limit: number, page: ScanResult, at: Ts, generation: Generation): void {
    const { rows, exhausted } = page
    if (generation !== this.#generation || rows.length > readCacheLimits.maxPageRows) return
    // A page that ended early for its bytes would not answer the same question again.
    if (!exhausted && rows.length < limit) return
    const sizeBytes = sizeOfPage(source.range, rows)
    if (sizeBytes > this.#maxItemBytes || this.#hasRecentWrite(source, at)) return
    const { index, range, order } = source
    const name = nameOf(range.from)
    const existing = this.#pages.get(index)?.byStart[order].get(name)
    if (existing !== undefined) this.#remove(existing)
    let pages = this.#pages.get(index)
    if (pages === undefined) {
      pages = { byStart: { asc: new Map(), desc: new Map() }, byRange: new IntervalMap() }
      this.#pages.set(index, pages)
    }
    const entries = rows.map(({ key, id }) => ({ key, id }))
    const links = { newer: undefined, older: undefined }
    const item: PageItem = { kind: 'page', index, range, order, name, ts: at, entries, exhausted, sizeBytes, ...links }
    pages.byStart[order].set(name, item)
    pages.byRange.add(range, item)
    this.#items.add(item)
    this.#evict()
  }

  /** Follows a commit. Commits come in ts order, before anyone reads at their ts. */
  apply({ ts, documents, indexes }: Pick<Commit, 'ts' | 'documents' | 'indexes'>): void {
    for (const { tablet, id, text, size } of documents) {
      const name = nameOf(id)
      const existing = this.#documents.get(tablet)?.get(name)
      if (existing !== undefined) this.#remove(existing)
      this.#putDocument(tablet, name, text === null ? undefined : { id, ts, text, size }, ts)
    }
    for (const { index, key } of indexes) this.#dropPages(index, key)
    if (indexes.length > 0) this.#remember(ts, indexes)
  }

  /** Forgets all pages of these indexes: storage has changed behind the commits. To be called after every such change. */
  forgetIndexes(indexes: Iterable<IndexId>): void {
    this.#generation += 1
    for (const index of indexes) {
      const { byStart } = this.#pages.get(index) ?? {}
      for (const item of [...(byStart?.asc.values() ?? []), ...(byStart?.desc.values() ?? [])]) this.#items.remove(item)
      this.#pages.delete(index)
    }
  }

  #putDocument(tablet: Tablet, name: string, document: StoredDocument | undefined, ts: Ts): void {
    const sizeBytes = itemOverheadBytes + bytesPerCharacter * (document?.text.length ?? 0)
    if (sizeBytes > this.#maxItemBytes) {
      this.#raiseFloor(ts)
      return
    }
    let items = this.#documents.get(tablet)
    if (items === undefined) {
      items = new Map()
      this.#documents.set(tablet, items)
    }
    const links = { newer: undefined, older: undefined }
    const item: DocumentItem = { kind: 'document', tablet, name, ts, document, sizeBytes, ...links }
    items.set(name, item)
    this.#items.add(item)
    this.#evict()
  }

  #evict(): void {
    while (this.#items.sizeBytes > this.#maxBytes) {
      const { oldest } = this.#items
      if (oldest === undefined) return
      this.#remove(oldest)
      if (oldest.kind === 'document') this.#raiseFloor(oldest.ts)
    }
  }

  #raiseFloor(ts: Ts): void {
    if (ts > this.#floorTs) this.#floorTs = ts
  }

  #remove(item: Item): void {
    this.#items.remove(item)
    if (item.kind === 'document') {
      const items = this.#documents.get(item.tablet)
      items?.delete(item.name)
      if (items?.size === 0) this.#documents.delete(item.tablet)
      return
    }
    const pages = this.#pages.get(item.index)
    pages?.byStart[item.order].delete(item.name)
    pages?.byRange.remove(item.range, item)
    if (pages?.byRange.isEmpty === true) this.#pages.delete(item.index)
  }

  #dropPages(index: IndexId, key: Uint8Array): void {
    const pages = this.#pages.get(index)
    if (pages === undefined) return
    const dropped: PageItem[] = []
    pages.byRange.forEachContaining(key, (item) => dropped.push(item))
    for (const item of dropped) this.#remove(item)
  }

  #remember(ts: Ts, writes: readonly IndexWrite[]): void {
    this.#recent.push({ ts, writes })
    this.#recentCount += writes.length
    if (this.#recentCount <= readCacheLimits.maxRecentIndexWrites) return
    const forgotten = this.#recent.splice(0, Math.ceil(this.#recent.length / 2))
    for (const commit of forgotten) this.#recentCount -= commit.writes.length
    this.#recentFloorTs = forgotten.at(-1)?.ts ?? this.#recentFloorTs
  }

  /** Whether a commit above `after` may have added an entry to the range or removed one. */
  #hasRecentWrite({ index, range }: PageSource, after: Ts): boolean {
    if (after < this.#recentFloorTs) return true
    for (let position = this.#recent.length - 1; position >= 0; position -= 1) {
      const commit = this.#recent[position]
      if (commit === undefined || commit.ts <= after) return false
      for (const write of commit.writes) if (write.index === index && contains(range, write.key)) return true
    }
    return false
  }
}

/** What an item costs beside its own bytes: objects, map slots, byte arrays. Measured, rounded up. */
const itemOverheadBytes = 512
/** Strings with characters beyond Latin-1 take two bytes each. */
const bytesPerCharacter = 2

function sizeOfPage({ from, to }: KeyRange, rows: readonly ScanRow[]): number {
  // The range is kept as bytes and as a name.
  let sizeBytes = 2 * itemOverheadBytes + 2 * (from.length + (to?.length ?? 0))
  for (const { key } of rows) sizeBytes += itemOverheadBytes + key.length
  return sizeBytes
}

function contains({ from, to }: KeyRange, key: Uint8Array): boolean {
  return bytesCompare(from, key) <= 0 && (to === undefined || bytesCompare(key, to) < 0)
}
