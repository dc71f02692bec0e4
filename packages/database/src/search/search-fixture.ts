import type { IndexKind } from '../index-kind.ts'
import { rootNamespace } from '../system-tables.ts'
import { createIndex, createTable } from '../table-definitions.ts'
import { fieldsOfKind } from '../index-kind.ts'
import type { Database } from '../database.ts'

/** Creates an empty table with text indexes that serve at once. */
export async function createSearchTable(
  database: Database,
  name: string,
  indexes: Readonly<Record<string, { readonly searchField: string; readonly filterFields: readonly string[] }>>,
): Promise<void> {
  await database.mutate('test', async (tx) => {
    await createTable(tx, { name, namespace: rootNamespace, indexes: [] })
    for (const [indexName, definition] of Object.entries(indexes)) {
      const table = tx.findTable(name)
      if (table === undefined) throw new Error('a table that was just created')
      const kind: IndexKind = { type: 'search', ...definition }
      await createIndex(
        tx,
        table,
        { name: indexName, fields: fieldsOfKind(kind), kind },
        { state: 'enabled', staged: false },
      )
    }
  })
}

/** A text search in the form of the query protocol. */
export function textSearch(
  indexName: string,
  field: string,
  text: string,
  filters: Readonly<Record<string, unknown>> = {},
  operators: readonly unknown[] = [],
): object {
  const equalities = Object.entries(filters).map(([fieldPath, value]) => ({
    type: 'Eq',
    fieldPath,
    value: value === undefined ? { $undefined: null } : value,
  }))
  return {
    source: { type: 'Search', indexName, filters: [{ type: 'Search', fieldPath: field, value: text }, ...equalities] },
    operators,
  }
}
