/**
 * A snapshot that answers from the read cache what the cache knows, and offers it what it had to read. Single documents
 * and short index pages only: longer scans are left alone, so that they don't push out what is looked up again and again.
 */
import { assert } from '@concave/base'
import type { IndexId, KeyRange, KeysResult, ScanResult, ScanRow, StoredDocument, Tablet, Ts } from '@concave/storage'
import { readCacheLimits } from './limits.ts'
import type { CachedPage, PageSource, ReadCache } from './read-cache.ts'
import { isSingleKey } from './read-set.ts'
import type { KeysOptions, Snapshot } from './snapshot.ts'
import type { Order } from './versioned-map.ts'

type Documents = readonly (StoredDocument | undefined)[]

export class CachedSnapshot implements Snapshot {
  readonly ts: Ts
  readonly #snapshot: Snapshot
  readonly #cache: ReadCache
  readonly #check: () => void

  /** `check` throws when nothing can be read any more. */
  constructor(deps: { readonly snapshot: Snapshot; readonly cache: ReadCache; readonly check: () => void }) {
    this.ts = deps.snapshot.ts
    this.#snapshot = deps.snapshot
    this.#cache = deps.cache
    this.#check = deps.check
  }

  async get(tablet: Tablet, ids: readonly Uint8Array[]): Promise<Documents> {
    this.#check()
    const documents: (StoredDocument | undefined)[] = []
    const missing: number[] = []
    for (const id of ids) {
      const cached = this.#cache.findDocument(tablet, id, this.ts)
      if (cached === undefined) missing.push(documents.length)
      documents.push(cached?.document)
    }
    if (missing.length === 0) return documents
    const missingIds = missing.map((position) => ids[position] as Uint8Array)
    const read = await this.#snapshot.get(tablet, missingIds)
    for (const [index, position] of missing.entries()) {
      documents[position] = read[index]
      this.#cache.addDocument(tablet, missingIds[index] as Uint8Array, read[index], this.ts)
    }
    return documents
  }

  async scanIndex(
    index: IndexId,
    tablet: Tablet,
    range: KeyRange,
    order: Order,
    limit: number,
    maxBytes: number,
  ): Promise<ScanResult> {
    this.#check()
    assert(limit > 0, 'A page has at least one row.')
    const source: PageSource = { index, range, order }
    const cached = this.#cache.findPage(source, limit, this.ts)
    if (cached !== undefined) return this.#fromPage(cached, tablet, limit, maxBytes)
    const { generation } = this.#cache
    const page = await this.#snapshot.scanIndex(index, tablet, range, order, limit, maxBytes)
    if (page.rows.length > readCacheLimits.maxPageRows) return page
    this.#cache.addPage(source, limit, page, this.ts, generation)
    for (const row of page.rows) this.#cache.addDocument(tablet, row.id, withoutKey(row), this.ts)
    return page
  }

  async scanDocuments(
    tablet: Tablet,
    range: KeyRange,
    order: Order,
    limit: number,
    maxBytes: number,
  ): Promise<ScanResult> {
    if (!isSingleKey(range)) return this.#snapshot.scanDocuments(tablet, range, order, limit, maxBytes)
    assert(limit > 0, 'A page has at least one row.')
    const [document] = await this.get(tablet, [range.from])
    return { kind: 'scan', rows: document === undefined ? [] : [withKey(range.from, document)], exhausted: true }
  }

  /** Keys alone are cached by who makes sense of them. */
  async scanKeys(index: IndexId, range: KeyRange, options: KeysOptions): Promise<KeysResult> {
    return this.#snapshot.scanKeys(index, range, options)
  }

  async countKeys(index: IndexId, range: KeyRange): Promise<number> {
    return this.#snapshot.countKeys(index, range)
  }

  async #fromPage(page: CachedPage, tablet: Tablet, limit: number, maxBytes: number): Promise<ScanResult> {
    // The page may be dropped while documents are loaded: that changes nothing at this ts.
    const entries = page.entries.length > limit ? page.entries.slice(0, limit) : page.entries
    const documents = await this.get(
      tablet,
      entries.map(({ id }) => id),
    )
    const rows: ScanRow[] = []
    let bytes = 0
    let taken = 0
    for (const { key } of entries) {
      if (bytes >= maxBytes) break
      const document = documents[taken]
      taken += 1
      // A dropped table's documents go before its index entries do.
      if (document === undefined) continue
      rows.push(withKey(key, document))
      bytes += document.size
    }
    return { kind: 'scan', rows, exhausted: page.exhausted && taken === page.entries.length }
  }
}

function withKey(key: Uint8Array, { id, ts, text, size }: StoredDocument): ScanRow {
  return { key, id, ts, text, size }
}

function withoutKey({ id, ts, text, size }: ScanRow): StoredDocument {
  return { id, ts, text, size }
}
