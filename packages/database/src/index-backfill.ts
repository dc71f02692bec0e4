import { bytesCompare } from '@concave/base'
import type { BulkRow } from '@concave/storage'
import { parseValue, type ValueObject } from '@concave/values'

import type { IndexEntry, TableEntry } from './catalog.ts'
import type { Database } from './database.ts'
import { indexKey } from './index-key.ts'
import { keyAfter } from './read-set.ts'
import { textKeys } from './search/text-keys.ts'
import { vectorKey } from './vectors/vector-keys.ts'

/** How much background work on documents does before it lets others run. */
export const defaultSlice = { rows: 500, bytes: 512 * 1024 } as const
/** A document has many keys in a text index, all over it: so many are written at once that their places recur. */
const maxTextRows = 20_000
export type Slice = { readonly [Name in keyof typeof defaultSlice]: number }

/**
 * Fills a new index from the documents of one durable snapshot. The snapshot is taken after the index row is durable, so
 * every later write has made its own entries; storage skips documents that changed since (design.md §5). Works in
 * bounded slices; can be repeated from the start or from `after` at any time.
 */
export async function backfillIndex(options: {
  readonly database: Database
  readonly table: TableEntry
  readonly entry: IndexEntry
  /** Continue behind this internal id. */
  readonly after?: Uint8Array
  readonly signal?: AbortSignal
  readonly slice?: Slice
  /** Called after each slice with the documents done in this run; a place to save progress. */
  readonly onSlice?: (documents: number, last: Uint8Array) => Promise<void>
}): Promise<void> {
  const { database, table, entry, signal, slice = defaultSlice } = options
  let from: Uint8Array = options.after === undefined ? new Uint8Array(0) : keyAfter(options.after)
  let documents = 0
  let rows: BulkRow[] = []
  for (;;) {
    signal?.throwIfAborted()
    // Each slice may read at a newer snapshot: what changed in between has written its own entries.
    const snapshot = database.committer.snapshot(database.latestTs())
    const page = await snapshot.scanDocuments(table.tablet, { from, to: undefined }, 'asc', slice.rows, slice.bytes)
    for (const { id, ts, text } of page.rows) {
      for (const key of keysOf(entry, parseValue(text) as ValueObject)) {
        rows.push({ index: entry.index, key, tablet: table.tablet, id, documentTs: ts })
      }
    }
    documents += page.rows.length
    const last = page.rows.at(-1)
    const isOver = page.exhausted || last === undefined
    if (isOver || entry.text === undefined || rows.length >= maxTextRows) {
      // In key order, so that neighbours share pages.
      if (rows.length > 0) await database.committer.bulk(rows.sort((a, b) => bytesCompare(a.key, b.key)))
      rows = []
      if (last !== undefined) await options.onSlice?.(documents, last.id)
    }
    if (isOver) return
    from = keyAfter(last.key)
    await new Promise(setImmediate)
  }
}

function keysOf({ text, vector, paths }: IndexEntry, document: ValueObject): readonly Uint8Array[] {
  if (text !== undefined) return textKeys(text, document)
  if (vector === undefined) return [indexKey(paths, document)]
  const key = vectorKey(vector, document)
  return key === undefined ? [] : [key]
}
