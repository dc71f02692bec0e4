/**
 * The database as of one timestamp: storage with the overlay laid over it. A snapshot holds nothing open; every read
 * answers as of the same ts, however late it comes, until the ts falls out of retention.
 */
import { assert, bytesCompare } from '@concave/base'
import type {
  GetResult,
  IndexId,
  KeyRange,
  KeysResult,
  ReadOp,
  ScanResult,
  ScanRow,
  Storage,
  StoredDocument,
  Tablet,
  Ts,
} from '@concave/storage'
import type { DocumentVersion, Overlay, Window } from './overlay.ts'
import { keyAfter } from './read-set.ts'
import type { Order } from './versioned-map.ts'

export interface Snapshot {
  readonly ts: Ts
  /** The documents in the order of `ids`, undefined where there is none. */
  get(tablet: Tablet, ids: readonly Uint8Array[]): Promise<readonly (StoredDocument | undefined)[]>
  /** One page: at most `limit` rows, ending after the row with which their sizes reach `maxBytes`. */
  scanIndex(
    index: IndexId,
    tablet: Tablet,
    range: KeyRange,
    order: Order,
    limit: number,
    maxBytes: number,
  ): Promise<ScanResult>
  /** The same in internal id order; the key of a row is its internal id. */
  scanDocuments(tablet: Tablet, range: KeyRange, order: Order, limit: number, maxBytes: number): Promise<ScanResult>
  /** Keys without their documents: see `ReadOp`. */
  scanKeys(index: IndexId, range: KeyRange, options: KeysOptions): Promise<KeysResult>
  /** How many entries an index range has. */
  countKeys(index: IndexId, range: KeyRange): Promise<number>
}

/** At most `limit` keys, each without its first `skip` bytes; those of one length unless `limit` is 1. */
export type KeysOptions = { readonly limit: number; readonly skip: number }

type Scan = Extract<ReadOp, { kind: 'scanIndex' | 'scanDocuments' }>

/** A row, or an index entry whose document only storage has. */
type MergedRow = ScanRow | { readonly key: Uint8Array; readonly storedId: Uint8Array }

/** What the overlay says about a key: the row it now has, or that it has none. */
type Change = { readonly key: Uint8Array; readonly row: MergedRow | undefined }

export class OverlaidSnapshot implements Snapshot {
  readonly ts: Ts
  readonly #storage: Storage
  readonly #overlay: Overlay
  readonly #check: () => void

  /** `check` throws when nothing can be read any more; it is called before and after every access to storage. */
  constructor(deps: {
    readonly ts: Ts
    readonly storage: Storage
    readonly overlay: Overlay
    readonly check: () => void
  }) {
    this.ts = deps.ts
    this.#storage = deps.storage
    this.#overlay = deps.overlay
    this.#check = deps.check
  }

  async get(tablet: Tablet, ids: readonly Uint8Array[]): Promise<readonly (StoredDocument | undefined)[]> {
    return this.#inWindow(async (window) => {
      if (this.#overlay.isEmpty(tablet)) return this.#readDocuments(window.base, tablet, ids)
      const changes = ids.map((id) => this.#overlay.findDocument(tablet, id, window))
      const rest = ids.filter((_, position) => changes[position] === undefined)
      const stored = rest.length === 0 ? [] : await this.#readDocuments(window.base, tablet, rest)
      let next = 0
      return changes.map((change) => {
        if (change !== undefined) return toDocument(change)
        next += 1
        return stored[next - 1]
      })
    })
  }

  async scanIndex(
    index: IndexId,
    tablet: Tablet,
    range: KeyRange,
    order: Order,
    limit: number,
    maxBytes: number,
  ): Promise<ScanResult> {
    return this.#scan({ kind: 'scanIndex', index, tablet, range, order, limit, maxBytes })
  }

  async scanDocuments(
    tablet: Tablet,
    range: KeyRange,
    order: Order,
    limit: number,
    maxBytes: number,
  ): Promise<ScanResult> {
    return this.#scan({ kind: 'scanDocuments', tablet, range, order, limit, maxBytes })
  }

  async scanKeys(index: IndexId, range: KeyRange, { limit, skip }: KeysOptions): Promise<KeysResult> {
    assert(limit > 0, 'A page has at least one row.')
    return this.#inWindow(async (window) => {
      const isPlain = window.base === window.at || isEmptyIterable(this.#overlay.entries(index, range, 'asc', window))
      if (isPlain) return this.#readKeys(window.base, { kind: 'scanKeys', index, range, limit, skip })
      const keys: Uint8Array[] = []
      let rest: KeyRange | undefined = range
      while (rest !== undefined && keys.length < limit) {
        const page = await this.#readKeys(window.base, { kind: 'scanKeys', index, range: rest, limit, skip: 0 })
        const stored = splitKeys(page)
        const last = stored.at(-1)
        const parts: { seen: KeyRange; rest: KeyRange } | undefined =
          page.exhausted || last === undefined ? undefined : splitAfter(rest, last, 'asc')
        keys.push(...this.#mergeKeys(index, parts?.seen ?? rest, stored, window))
        rest = parts?.rest
      }
      const merged = keys.slice(0, limit).map((key) => key.subarray(skip))
      const exhausted = rest === undefined && keys.length <= limit
      return { kind: 'keys', bytes: new Uint8Array(Buffer.concat(merged)), count: merged.length, exhausted }
    })
  }

  async countKeys(index: IndexId, range: KeyRange): Promise<number> {
    return this.#inWindow(async (window) => {
      const changes = [...this.#overlay.entries(index, range, 'asc', window)]
      const [counted, ...found] = await this.#storage.read(window.base, [
        { kind: 'countKeys', index, range },
        ...changes.map(({ key }): ReadOp => ({
          kind: 'scanKeys',
          index,
          range: { from: key, to: keyAfter(key) },
          limit: 1,
          skip: 0,
        })),
      ])
      assert(counted?.kind === 'count', 'Storage answers what was asked.')
      let { count } = counted
      for (const [position, { version }] of changes.entries()) {
        const page = found[position]
        assert(page?.kind === 'keys', 'Storage answers what was asked.')
        count += (version.present ? 1 : 0) - page.count
      }
      return count
    })
  }

  /** The stored keys of a stretch with the overlay's changes. Synchronous, so that the overlay stands still. */
  #mergeKeys(index: IndexId, range: KeyRange, stored: readonly Uint8Array[], window: Window): readonly Uint8Array[] {
    const merged: Uint8Array[] = []
    let position = 0
    for (const { key, version } of this.#overlay.entries(index, range, 'asc', window)) {
      for (; position < stored.length; position += 1) {
        const storedKey = stored[position] as Uint8Array
        const order = bytesCompare(storedKey, key)
        if (order > 0) break
        if (order < 0) merged.push(storedKey)
      }
      if (version.present) merged.push(key)
    }
    for (; position < stored.length; position += 1) merged.push(stored[position] as Uint8Array)
    return merged
  }

  async #inWindow<T>(read: (window: Window) => Promise<T>): Promise<T> {
    this.#check()
    const window = this.#overlay.pin(this.ts)
    try {
      const result = await read(window)
      this.#check()
      return result
    } finally {
      window.release()
    }
  }

  async #scan(scan: Scan): Promise<ScanResult> {
    assert(scan.limit > 0, 'A page has at least one row.')
    return this.#inWindow(async (window) => {
      const index = scan.kind === 'scanIndex' ? scan.index : undefined
      const isPlain = window.base === window.at || this.#overlay.isEmpty(scan.tablet, index)
      return isPlain ? this.#readPage(window.base, scan) : this.#mergePages(scan, window)
    })
  }

  async #mergePages(scan: Scan, window: Window): Promise<ScanResult> {
    const rows: ScanRow[] = []
    let bytes = 0
    let rest = scan.range
    let pageLimit = scan.limit
    for (;;) {
      const page = await this.#readPage(window.base, { ...scan, range: rest, limit: pageLimit })
      const last = page.rows.at(-1)
      assert(page.exhausted || last !== undefined, 'A page without rows is the last one.')
      // What this page says about the range: all up to its last row, or all if nothing lies beyond.
      const parts = page.exhausted || last === undefined ? undefined : splitAfter(rest, last.key, scan.order)
      const merged = this.#merge({ ...scan, range: parts?.seen ?? rest }, page.rows, window, scan.limit - rows.length)
      for (const row of await this.#complete(merged, scan.tablet, window)) {
        if (rows.length >= scan.limit || bytes >= scan.maxBytes) return { kind: 'scan', rows, exhausted: false }
        rows.push(row)
        bytes += row.size
      }
      if (parts === undefined) return { kind: 'scan', rows, exhausted: true }
      if (rows.length >= scan.limit || bytes >= scan.maxBytes) return { kind: 'scan', rows, exhausted: false }
      rest = parts.rest
      // Rows that the overlay removes would otherwise be stepped over in pages of the same short length.
      pageLimit = Math.min(pageLimit * 4, Math.max(scan.limit, maxGrownPage))
    }
  }

  /**
   * The stored rows and the overlay's changes of one stretch of keys, in order: `wanted` of them and one more, which
   * tells that there are more. Synchronous, so that the overlay stands still.
   */
  #merge(scan: Scan, stored: readonly ScanRow[], window: Window, wanted: number): readonly MergedRow[] {
    const direction = scan.order === 'asc' ? 1 : -1
    const merged: MergedRow[] = []
    let position = 0
    for (const change of this.#changes(scan, window)) {
      for (; merged.length <= wanted; position += 1) {
        const row = stored[position]
        const order = row === undefined ? 1 : bytesCompare(row.key, change.key) * direction
        if (row === undefined || order > 0) break
        if (order < 0) pushDefined(merged, this.#update(row, scan.tablet, window))
      }
      if (merged.length > wanted) return merged
      pushDefined(merged, change.row)
    }
    for (; position < stored.length && merged.length <= wanted; position += 1) {
      const row = stored[position]
      if (row !== undefined) pushDefined(merged, this.#update(row, scan.tablet, window))
    }
    return merged
  }

  *#changes(scan: Scan, window: Window): Iterable<Change> {
    if (scan.kind === 'scanDocuments') {
      for (const { key, version } of this.#overlay.documents(scan.tablet, scan.range, scan.order, window)) {
        yield { key, row: toRow(key, version) }
      }
      return
    }
    for (const { key, version } of this.#overlay.entries(scan.index, scan.range, scan.order, window)) {
      const document = version.present ? this.#overlay.findDocument(scan.tablet, version.id, window) : undefined
      if (document !== undefined) yield { key, row: toRow(key, document) }
      else yield { key, row: version.present ? { key, storedId: version.id } : undefined }
    }
  }

  /** A stored row whose key did not change, with the document's newest text. */
  #update(row: ScanRow, tablet: Tablet, window: Window): ScanRow | undefined {
    const document = this.#overlay.findDocument(tablet, row.id, window)
    return document === undefined ? row : toRow(row.key, document)
  }

  /** Loads the documents of entries that appeared without their document being written. */
  async #complete(merged: readonly MergedRow[], tablet: Tablet, { base }: Window): Promise<readonly ScanRow[]> {
    const ids = merged.flatMap((row) => ('storedId' in row ? [row.storedId] : []))
    const documents = ids.length === 0 ? [] : await this.#readDocuments(base, tablet, ids)
    let next = 0
    return merged.flatMap((row) => {
      if (!('storedId' in row)) return [row]
      const document = documents[next]
      next += 1
      return document === undefined ? [] : [{ ...document, key: row.key }]
    })
  }

  async #readDocuments(at: Ts, tablet: Tablet, ids: readonly Uint8Array[]): Promise<GetResult['documents']> {
    const [result] = await this.#storage.read(at, [{ kind: 'get', tablet, ids }])
    assert(result?.kind === 'get' && result.documents.length === ids.length, 'Storage answers what was asked.')
    return result.documents
  }

  async #readKeys(at: Ts, scan: Extract<ReadOp, { kind: 'scanKeys' }>): Promise<KeysResult> {
    const [result] = await this.#storage.read(at, [scan])
    assert(result?.kind === 'keys', 'Storage answers what was asked.')
    return result
  }

  async #readPage(at: Ts, scan: Scan): Promise<ScanResult> {
    const [result] = await this.#storage.read(at, [scan])
    assert(result?.kind === 'scan', 'Storage answers what was asked.')
    return result
  }
}

/** Pages grow up to this many rows while the overlay removes what they hold. */
const maxGrownPage = 1024

function isEmptyIterable(items: Iterable<unknown>): boolean {
  for (const _ of items) return false
  return true
}

/** Keys of one length, or a single one. */
function splitKeys({ bytes, count }: KeysResult): readonly Uint8Array[] {
  const length = bytes.length / count
  return Array.from({ length: count }, (_, position) => bytes.subarray(position * length, (position + 1) * length))
}

function splitAfter(
  range: KeyRange,
  key: Uint8Array,
  order: Order,
): { readonly seen: KeyRange; readonly rest: KeyRange } {
  if (order === 'desc') return { seen: { from: key, to: range.to }, rest: { from: range.from, to: key } }
  const next = keyAfter(key)
  return { seen: { from: range.from, to: next }, rest: { from: next, to: range.to } }
}

function toDocument({ id, ts, text, size }: DocumentVersion): StoredDocument | undefined {
  return text === null ? undefined : { id, ts, text, size }
}

function toRow(key: Uint8Array, { id, ts, text, size }: DocumentVersion): ScanRow | undefined {
  return text === null ? undefined : { key, id, ts, text, size }
}

function pushDefined<T>(items: T[], item: T | undefined): void {
  if (item !== undefined) items.push(item)
}
