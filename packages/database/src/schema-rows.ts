import { assert } from '@concave/base'
import { encodeDocumentId } from '@concave/values'

import type { LoadedSchema } from './loaded-schema.ts'
import type { Transaction } from './transaction.ts'

/** The document id of a schema's row. */
export function schemaRowId(tx: Transaction, schema: LoadedSchema): string {
  const table = tx.findTable('_schemas')
  assert(table !== undefined, 'every namespace has a table of schemas')
  return encodeDocumentId(table.number, schema.rowId)
}
