import { WriteConflict } from '@concave/base'
import { encodeDocumentId } from '@concave/values'

import type { Catalog } from './catalog.ts'
import type { CommitConflict } from './commit-errors.ts'

/** The conflict as the developer is told when retries are exhausted (database.md §5.3). */
export function describeConflict(conflict: CommitConflict, catalog: Catalog, source: string): WriteConflict {
  const place = catalog.findIndex(conflict.index)
  if (place === undefined || place.table.isSystem) return conflict
  const { table, entry } = place
  const id = entry.paths.length === 0 ? encodeDocumentId(table.number, conflict.key) : trailingId(conflict.key)
  const who = conflict.source === source ? 'Another call to this mutation' : `A call to "${conflict.source}"`
  return new WriteConflict(
    `Documents read from or written to the "${table.name}" table changed while this mutation was being run and on every subsequent retry. ${who} changed the document with ID "${id}". See https://docs.convex.dev/error#1`,
    { cause: conflict },
  )
}

const stringTag = 0x10

/** The id at the end of an index key: a string, whose encoding is its text between tag and terminator. */
function trailingId(key: Uint8Array): string {
  return Buffer.from(key.subarray(key.lastIndexOf(stringTag) + 1, -1)).toString('latin1')
}
