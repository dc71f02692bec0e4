import { assert, BadRequest } from '@concave/base'
import { decodeValue, encodeDocumentId, getTableReferences, type ValueObject } from '@concave/values'

import {
  builtInAndDeclared,
  byIdIndex,
  fixedTablets,
  indexConfig,
  type Counters,
  type CountersRow,
  type IndexEntry,
  type IndexRow,
  type IndexState,
  type TableEntry,
  type TableRow,
} from './catalog.ts'
import { databaseKind, type IndexShape } from './index-kind.ts'
import { parseSchema, type SchemaDefinition } from './schema.ts'
import { rootNamespace } from './system-tables.ts'
import type { Transaction } from './transaction.ts'
import { databaseLimits } from './transaction-limits.ts'

/**
 * Changes of tables and indexes, as writes of `_tables`, `_index` and `_db` rows in a transaction. The transaction sees
 * them at once; everybody else at its commit.
 */

export type TableDefinition = {
  readonly name: string
  readonly namespace: string
  readonly indexes: readonly { readonly name: string; readonly fields: readonly string[] }[]
  /** Given for system tables only; user tables get the smallest free number. */
  readonly number?: number
}

/** Without a kind: a database index. */
type IndexToCreate = Pick<IndexShape, 'name' | 'fields'> & Partial<Pick<IndexShape, 'kind'>>

/** Creates an empty table; its indexes serve at once. There must be no active table of that name. */
export async function createTable(tx: Transaction, definition: TableDefinition): Promise<TableEntry> {
  const { name, namespace } = definition
  assert(tx.catalog.findTable(namespace, name) === undefined, `the table ${name} exists`)
  const number = definition.number ?? nextTableNumber(tx, namespace)
  const indexes = builtInAndDeclared(definition)
  const { nextTablet, nextIndex } = await takeNumbers(tx, 1, indexes.length)
  await insertTableRow(tx, { name, number, namespace, state: 'active', tablet: nextTablet })
  const table = tx.catalog.findTablet(nextTablet)
  assert(table !== undefined, 'a table that was just created')
  for (const [position, index] of indexes.entries()) {
    await insertIndexRow(tx, table.tableId, nextIndex + position, index, 'enabled', false)
  }
  const created = tx.catalog.findTablet(nextTablet)
  assert(created !== undefined, 'a table that was just created')
  return created
}

/** Adds an index that writes feed from this commit on; it serves nobody until it is enabled. */
export async function createIndex(
  tx: Transaction,
  table: TableEntry,
  index: IndexToCreate,
  options: { readonly state: IndexState; readonly staged: boolean },
): Promise<void> {
  tx.dependOnIndexes(table)
  const { nextIndex } = await takeNumbers(tx, 0, 1)
  await insertIndexRow(tx, table.tableId, nextIndex, index, options.state, options.staged)
}

/** Moves an index to another state. `staged` means nothing for enabled ones. */
export async function setIndexState(
  tx: Transaction,
  table: TableEntry,
  entry: IndexEntry,
  state: IndexState,
  staged: boolean,
): Promise<void> {
  const config = toValue(indexConfig(entry, state, staged))
  await tx.patch(indexRowId(tx, entry), new Map([['config', config]]), { scope: 'private' })
  tx.dependOnIndexes(table)
}

/** Removes an index at once for everybody; its rows in storage go later. */
export async function dropIndex(tx: Transaction, table: TableEntry, entry: IndexEntry): Promise<void> {
  assert(entry.descriptor !== byIdIndex || table.state === 'deleting', 'by_id stays as long as its table')
  tx.dependOnIndexes(table)
  await tx.delete(indexRowId(tx, entry), { scope: 'private' })
}

/**
 * Deletes a user table: invisible at once, its name free, its rows removed later. Throws the developer's error if a
 * schema still names it (database.md §4.6).
 */
export async function deleteTable(tx: Transaction, name: string): Promise<void> {
  const table = tx.findTable(name)
  if (table === undefined || table.isSystem) throw new BadRequest('TableNotFound', `Table "${name}" not found`)
  tx.dependOnSchemas()
  const { active, pending } = tx.catalog.schemas(tx.namespace)
  for (const schema of [active, pending]) {
    if (schema !== undefined) refuseReferences(parseSchema(schema.text), name)
  }
  await markTableDeleted(tx, table)
}

/** Makes a table invisible at once. */
export async function markTableDeleted(tx: Transaction, table: TableEntry): Promise<void> {
  await tx.patch(tableRowId(tx, table), new Map([['state', 'deleting']]), { scope: 'private' })
}

/** Removes the row of a deleted table, which frees its number. Its indexes must be gone. */
export async function removeTableRow(tx: Transaction, table: TableEntry): Promise<void> {
  await tx.delete(tableRowId(tx, table), { scope: 'private' })
}

function tableRowId(tx: Transaction, table: TableEntry): string {
  return encodeDocumentId(systemNumber(tx, fixedTablets.tables), table.rowId)
}

function refuseReferences(schema: SchemaDefinition, name: string): void {
  for (const { tableName, documentType } of schema.tables) {
    const reason =
      tableName === name
        ? 'it appears in the schema'
        : getTableReferences(documentType).has(name)
          ? `\`v.id("${name}")\` appears in the schema of table "${tableName}"`
          : undefined
    if (reason !== undefined) {
      throw new BadRequest('TableInSchema', `Failed to delete table "${name}" because ${reason}`)
    }
  }
}

/** The id of the `_index` row, as `_index_backfills` names it. */
export function indexRowId(tx: Transaction, entry: IndexEntry): string {
  return encodeDocumentId(systemNumber(tx, fixedTablets.index), entry.rowId)
}

export async function insertTableRow(tx: Transaction, row: TableRow): Promise<void> {
  await tx.insertRow('_tables', toValue(row))
}

export async function insertIndexRow(
  tx: Transaction,
  tableId: string,
  index: number,
  definition: IndexToCreate,
  state: IndexState,
  staged: boolean,
): Promise<void> {
  const row: IndexRow = {
    table_id: tableId,
    descriptor: definition.name,
    index,
    config: indexConfig({ kind: databaseKind, ...definition }, state, staged),
  }
  await tx.insertRow('_index', toValue(row))
}

export async function insertCountersRow(tx: Transaction, row: CountersRow): Promise<void> {
  await tx.insertRow('_db', toValue(row))
}

/** Fresh tablet and index numbers, never used before. */
async function takeNumbers(tx: Transaction, tablets: number, indexes: number): Promise<Counters> {
  const { counters } = tx.catalog
  const id = encodeDocumentId(systemNumber(tx, fixedTablets.db), counters.rowId)
  await tx.patch(
    id,
    new Map([
      ['nextTablet', counters.nextTablet + tablets],
      ['nextIndex', counters.nextIndex + indexes],
    ]),
    { scope: 'private' },
  )
  return counters
}

function nextTableNumber(tx: Transaction, namespace: string): number {
  if (tx.catalog.userTableCount >= databaseLimits.maxUserTables) {
    throw new BadRequest('TooManyTables', `Number of tables cannot exceed ${databaseLimits.maxUserTables}.`)
  }
  return tx.catalog.freeTableNumber(namespace, databaseLimits.firstUserTableNumber)
}

function systemNumber(tx: Transaction, tablet: number): number {
  const table = tx.catalog.findTablet(tablet)
  assert(table?.namespace === rootNamespace, 'a system table of the root namespace')
  return table.number
}

/** A row's JSON as a value. Rows hold nothing that JSON and wire JSON write differently. */
function toValue(row: object): ValueObject {
  return decodeValue(row) as ValueObject
}
