import { assert } from '@concave/base'

import { Collection } from './collection.ts'
import type { SchemaRow } from './loaded-schema.ts'
import { rootNamespace } from './system-tables.ts'
import { markTableDeleted } from './table-definitions.ts'
import type { Transaction } from './transaction.ts'

const schemaRows = new Collection<SchemaRow>('_schemas')

/** Deletes a component's tables with its schemas: invisible at once; their rows are removed later, also after a restart. */
export async function deleteNamespace(tx: Transaction, namespace: string): Promise<void> {
  assert(namespace !== rootNamespace, 'the app is never deleted')
  await tx.within(namespace, async () => {
    for (const row of await schemaRows.list(tx)) await schemaRows.delete(tx, row._id)
  })
  for (const table of Array.from(tx.catalog.tables())) {
    if (table.namespace === namespace && table.state === 'active') await markTableDeleted(tx, table)
  }
}
