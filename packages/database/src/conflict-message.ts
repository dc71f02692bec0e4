import { WriteConflict } from '@concave/base'
import { encodeDocumentId } from '@concave/values'

import type { Catalog, IndexEntry, TableEntry } from './catalog.ts'
import type { CommitConflict } from './commit-errors.ts'

/** The conflict as the developer is told when retries are exhausted (database.md §5.3). */
export function describeConflict(conflict: CommitConflict, catalog: Catalog, source: string): WriteConflict {
  const place = catalog.findIndex(conflict.index)
  if (place === undefined || place.table.isSystem) return conflict
  const { table, entry } = place
  const who = conflict.source === source ? 'Another call to this mutation' : `A call to "${conflict.source}"`
  return new WriteConflict(
    `Documents read from or written to the "${table.name}" table changed while this mutation was being run and on every subsequent retry. ${who} changed ${describeDocument(table, entry, conflict.key)}. See https://docs.convex.dev/error#1`,
    { cause: conflict },
  )
}

function describeDocument(table: TableEntry, entry: IndexEntry, key: Uint8Array): string {
  // What searches watch are words, not documents.
  if (entry.text !== undefined) return `a document that a search of the index "${entry.descriptor}" looked for`
  const id = entry.paths.length === 0 ? encodeDocumentId(table.number, key) : trailingId(key)
  return `the document with ID "${id}"`
}

const stringTag = 0x10

/** The id at the end of an index key: a string, whose encoding is its text between tag and terminator. */
function trailingId(key: Uint8Array): string {
  return Buffer.from(key.subarray(key.lastIndexOf(stringTag) + 1, -1)).toString('latin1')
}
