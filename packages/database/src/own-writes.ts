import { bytesCompare } from '@concave/base'
import type { IndexId, KeyRange, Ts } from '@concave/storage'

import type { IndexEntry, TableEntry } from './catalog.ts'
import type { Document } from './document.ts'
import { bytesKey, indexKey } from './index-key.ts'
import { textKeys } from './search/text-keys.ts'

/** A document as some commit left it. */
export type Revision = { readonly ts: Ts; readonly document: Document }

/** A document that the transaction has written. `base` is the revision it began from, `current` null is a deletion. */
export type Write = {
  readonly table: TableEntry
  readonly internalId: Uint8Array
  readonly id: string
  readonly base: Revision | undefined
  readonly current: Document | null
}

export type OwnRow = { readonly key: Uint8Array; readonly internalId: Uint8Array; readonly document: Document }

/** A place to which the writes can be taken back. */
export type WritesMark = { readonly length: number }

type Undo = { readonly writes: TableWrites; readonly key: string; readonly previous: Write | undefined }

/**
 * The write set of one transaction: pending revisions by table, readable through every index. An index over them is
 * only built once the transaction reads that index after writing, and then kept up to date.
 */
export class OwnWrites {
  readonly #tables = new Map<number, TableWrites>()
  readonly #undo: Undo[] = []

  get isEmpty(): boolean {
    return this.#undo.length === 0
  }

  find(table: TableEntry, internalId: Uint8Array): Write | undefined {
    return this.#tables.get(table.tablet)?.byId.get(bytesKey(internalId))
  }

  has(table: TableEntry): boolean {
    return (this.#tables.get(table.tablet)?.byId.size ?? 0) > 0
  }

  /** Ids of the table whose stored revisions must not be read any more. */
  hides(table: TableEntry, internalId: Uint8Array): boolean {
    return this.#tables.get(table.tablet)?.byId.has(bytesKey(internalId)) ?? false
  }

  put(write: Write): void {
    let writes = this.#tables.get(write.table.tablet)
    if (writes === undefined) {
      writes = new TableWrites()
      this.#tables.set(write.table.tablet, writes)
    }
    const key = bytesKey(write.internalId)
    this.#undo.push({ writes, key, previous: writes.byId.get(key) })
    writes.put(key, write)
  }

  /** Rows of `index` in `range`, ascending. */
  rows(table: TableEntry, index: IndexEntry, range: KeyRange): readonly OwnRow[] {
    const writes = this.#tables.get(table.tablet)
    if (writes === undefined) return []
    const rows = writes.index(index)
    const start = lowerBound(rows, range.from)
    const end = range.to === undefined ? rows.length : lowerBound(rows, range.to)
    return start >= end ? [] : rows.slice(start, end)
  }

  /** Keys that the revisions which the transaction began from have in `index`: no longer true. */
  replacedKeys(table: TableEntry, index: IndexEntry): readonly Uint8Array[] {
    const keys: Uint8Array[] = []
    for (const { base, internalId } of this.#tables.get(table.tablet)?.byId.values() ?? []) {
      if (base !== undefined) keys.push(...keysOfDocument(index, base.document, internalId))
    }
    return keys.sort(bytesCompare)
  }

  mark(): WritesMark {
    return { length: this.#undo.length }
  }

  /** Undoes all writes after `mark`. */
  rollback(mark: WritesMark): void {
    while (this.#undo.length > mark.length) {
      const { writes, key, previous } = this.#undo.pop() as Undo
      writes.restore(key, previous)
    }
  }

  /** The net effect on the number of documents of `table`. */
  countChange(table: TableEntry): number {
    let change = 0
    for (const write of this.#tables.get(table.tablet)?.byId.values() ?? []) {
      change += (write.current === null ? 0 : 1) - (write.base === undefined ? 0 : 1)
    }
    return change
  }

  /** Every document written, in the order of first writes per table. */
  *all(): Iterable<Write> {
    for (const writes of this.#tables.values()) yield* writes.byId.values()
  }
}

class TableWrites {
  readonly byId = new Map<string, Write>()
  readonly #indexes = new Map<IndexId, { readonly entry: IndexEntry; readonly rows: OwnRow[] }>()

  put(key: string, write: Write): void {
    const previous = this.byId.get(key)
    for (const { entry, rows } of this.#indexes.values()) {
      if (previous !== undefined) for (const key of rowKeys(entry, previous)) remove(rows, key)
      for (const row of toRows(entry, write)) insert(rows, row)
    }
    this.byId.set(key, write)
  }

  restore(key: string, previous: Write | undefined): void {
    this.#indexes.clear()
    if (previous === undefined) this.byId.delete(key)
    else this.byId.set(key, previous)
  }

  index(entry: IndexEntry): readonly OwnRow[] {
    let index = this.#indexes.get(entry.index)
    if (index === undefined) {
      const rows: OwnRow[] = []
      for (const write of this.byId.values()) rows.push(...toRows(entry, write))
      rows.sort((a, b) => bytesCompare(a.key, b.key))
      index = { entry, rows }
      this.#indexes.set(entry.index, index)
    }
    return index.rows
  }
}

function toRows(entry: IndexEntry, write: Write): readonly OwnRow[] {
  const { current, internalId } = write
  return current === null ? [] : rowKeys(entry, write).map((key) => ({ key, internalId, document: current }))
}

function rowKeys(entry: IndexEntry, { current, internalId }: Write): readonly Uint8Array[] {
  return current === null ? [] : keysOfDocument(entry, current, internalId)
}

function keysOfDocument(entry: IndexEntry, { value }: Document, internalId: Uint8Array): readonly Uint8Array[] {
  if (entry.text !== undefined) return textKeys(entry.text, value)
  return [entry.paths.length === 0 ? internalId : indexKey(entry.paths, value)]
}

function lowerBound(rows: readonly OwnRow[], key: Uint8Array): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (bytesCompare((rows[middle] as OwnRow).key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function insert(rows: OwnRow[], row: OwnRow): void {
  rows.splice(lowerBound(rows, row.key), 0, row)
}

function remove(rows: OwnRow[], key: Uint8Array): void {
  const position = lowerBound(rows, key)
  const row = rows[position]
  if (row !== undefined && bytesCompare(row.key, key) === 0) rows.splice(position, 1)
}
