import { bytesCompare, type BadRequest } from '@concave/base'
import type { KeyRange, ScanRow } from '@concave/storage'

import type { IndexEntry, TableEntry } from './catalog.ts'
import { Document } from './document.ts'
import { keyAfter, type ReadSet } from './read-set.ts'
import type { OwnRow, OwnWrites } from './own-writes.ts'
import { SearchScanner } from './search/search-scanner.ts'
import type { TextSearch } from './search/text-search.ts'
import type { Snapshot } from './snapshot.ts'
import { databaseLimits } from './transaction-limits.ts'

export type Order = 'asc' | 'desc'
export type ScannedRow = { readonly key: Uint8Array; readonly document: Document }

/** One index range of one table in one direction. Of a search, `range` is one of ranks, and `order` ascending. */
export type Source = {
  readonly table: TableEntry
  readonly index: IndexEntry
  readonly range: KeyRange
  readonly order: Order
  /** Of a virtual table: what is shown of a stored document. */
  readonly shape?: ((document: Document) => Document) | undefined
  readonly search?: TextSearch
}

/** Hands out the rows of a source. */
export interface Scanner {
  /** The next row, if it is known; undefined means `fill`. */
  take(): ScannedRow | undefined
  /** Reads on, about `rows` rows. False: there is nothing left. */
  fill(rows: number): Promise<boolean>
  /** Once nothing is left: why what else there is cannot be read. */
  readonly cutOff: BadRequest | undefined
}

export function openScanner(deps: {
  readonly snapshot: Snapshot
  readonly writes: OwnWrites
  readonly source: Source
}): Scanner {
  const { search } = deps.source
  return search === undefined ? new RowScanner(deps) : new SearchScanner({ ...deps, search })
}

/** Records that `range` of the source was looked at. A search always looks at everything that it depends on. */
export function recordReads(reads: ReadSet, { index, search }: Source, range: KeyRange): void {
  if (search === undefined) reads.addInterval(index.index, range.from, range.to)
  for (const { from, to } of search?.query.watched ?? []) reads.addInterval(index.index, from, to)
}

/**
 * The rows of a range as a transaction sees them: its snapshot with its own writes laid over. Lives within one call:
 * writes in between are not noticed. Rows come out of `take`; when it has none, `fill` reads on or says that it's over.
 */
export class RowScanner implements Scanner {
  readonly cutOff = undefined
  readonly #snapshot: Snapshot
  readonly #writes: OwnWrites
  readonly #source: Source
  readonly #own: readonly OwnRow[]
  #ownPosition = 0
  #stored: readonly ScanRow[] = []
  #storedPosition = 0
  #rowsSinceYield = 0
  /** What has not been read from the snapshot yet; undefined = nothing. */
  #rest: KeyRange | undefined

  constructor(deps: { readonly snapshot: Snapshot; readonly writes: OwnWrites; readonly source: Source }) {
    this.#snapshot = deps.snapshot
    this.#writes = deps.writes
    this.#source = deps.source
    const { table, index, range, order } = deps.source
    const own = this.#writes.rows(table, index, range)
    this.#own = order === 'asc' ? own : own.toReversed()
    this.#rest = isEmptyRange(range) ? undefined : range
  }

  /** The next row, if it is known; undefined means `fill`. */
  take(): ScannedRow | undefined {
    const row = this.#takeRow()
    const { shape } = this.#source
    return row === undefined || shape === undefined ? row : { key: row.key, document: shape(row.document) }
  }

  #takeRow(): ScannedRow | undefined {
    const stored = this.#peekStored()
    const own = this.#own[this.#ownPosition]
    if (stored === undefined && this.#rest !== undefined) return undefined
    if (own !== undefined && (stored === undefined || this.#isBefore(own.key, stored.key))) {
      this.#ownPosition += 1
      return own
    }
    if (stored === undefined) return undefined
    this.#storedPosition += 1
    return { key: stored.key, document: Document.fromStored(stored) }
  }

  /** Reads on, about `rows` rows. False: there is nothing left. A long scan lets others run in between. */
  async fill(rows: number): Promise<boolean> {
    if (this.#rest === undefined) return false
    if (this.#rowsSinceYield >= databaseLimits.maxRowsWithoutYield) {
      this.#rowsSinceYield = 0
      await new Promise(setImmediate)
    }
    const { table, index, order } = this.#source
    const range = this.#rest
    const limit = Math.max(1, Math.min(rows, databaseLimits.maxScanRows))
    const page =
      index.paths.length === 0
        ? await this.#snapshot.scanDocuments(table.tablet, range, order, limit, databaseLimits.maxScanBytes)
        : await this.#snapshot.scanIndex(index.index, table.tablet, range, order, limit, databaseLimits.maxScanBytes)
    this.#stored = page.rows
    this.#rowsSinceYield += page.rows.length
    this.#storedPosition = 0
    const last = page.rows.at(-1)
    this.#rest = page.exhausted || last === undefined ? undefined : restAfter(range, last.key, order)
    return true
  }

  /** The next stored row that the transaction has not written itself. */
  #peekStored(): ScanRow | undefined {
    const { table } = this.#source
    const hasWrites = this.#writes.has(table)
    for (;;) {
      const row = this.#stored[this.#storedPosition]
      if (row === undefined || !hasWrites || !this.#writes.hides(table, row.id)) return row
      this.#storedPosition += 1
    }
  }

  #isBefore(a: Uint8Array, b: Uint8Array): boolean {
    const comparison = bytesCompare(a, b)
    return this.#source.order === 'asc' ? comparison < 0 : comparison > 0
  }
}

/** The part of `range` behind `key` in the direction of reading. */
export function restAfter(range: KeyRange, key: Uint8Array, order: Order): KeyRange {
  return order === 'asc' ? { from: keyAfter(key), to: range.to } : { from: range.from, to: key }
}

/** The part of `range` up to and with `key` in the direction of reading. */
export function rangeThrough(range: KeyRange, key: Uint8Array, order: Order): KeyRange {
  return order === 'asc' ? { from: range.from, to: keyAfter(key) } : { from: key, to: range.to }
}

export function isEmptyRange(range: KeyRange): boolean {
  return range.to !== undefined && bytesCompare(range.from, range.to) >= 0
}
