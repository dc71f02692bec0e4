import { assert } from '@concave/base'

import {
  builtInAndDeclared,
  firstFreeIndex,
  firstFreeTablet,
  fixedIndexes,
  fixedTablets,
  type TableEntry,
} from './catalog.ts'
import type { Database } from './database.ts'
import { backfillIndex } from './index-backfill.ts'
import { componentTables, rootNamespace, type SystemTable, systemTables } from './system-tables.ts'
import {
  createIndex,
  createTable,
  dropIndex,
  insertCountersRow,
  insertIndexRow,
  insertTableRow,
  setIndexState,
} from './table-definitions.ts'
import type { Transaction } from './transaction.ts'

/** The first commit of a database: all system tables, those at fixed places first. */
export async function bootstrap(tx: Transaction, definitions: readonly SystemTable[]): Promise<void> {
  await insertCountersRow(tx, { nextTablet: firstFreeTablet, nextIndex: firstFreeIndex })
  const fixed = [
    { name: '_tables', tablet: fixedTablets.tables, indexes: Object.values(fixedIndexes.tables) },
    { name: '_index', tablet: fixedTablets.index, indexes: Object.values(fixedIndexes.index) },
    { name: '_db', tablet: fixedTablets.db, indexes: Object.values(fixedIndexes.db) },
  ]
  for (const { name, tablet, indexes } of fixed) {
    const definition = definitions.find((candidate) => candidate.name === name)
    assert(definition !== undefined, `${name} is not among the system tables`)
    const { number } = definition
    await insertTableRow(tx, { name, number, namespace: rootNamespace, state: 'active', tablet })
    const table = tx.catalog.findTablet(tablet)
    assert(table !== undefined, 'a table that was just created')
    for (const [position, index] of builtInAndDeclared(definition).entries()) {
      await insertIndexRow(tx, table.tableId, indexes[position] as number, index, 'enabled', false)
    }
  }
  await createMissing(tx, rootNamespace, definitions)
}

/** Gives a component the system tables that it has for itself. Does nothing if it has them. */
export async function createNamespace(tx: Transaction, namespace: string): Promise<void> {
  await createMissing(tx, namespace, ofNamespace(namespace, systemTables))
}

/** Adds what newer versions of the software expect: tables, and indexes of system tables. */
export async function ensureSystemTables(database: Database, definitions: readonly SystemTable[]): Promise<void> {
  const { catalog } = database
  // Tables of a deleted component may still wait for their rows to go.
  const active = Array.from(catalog.tables()).filter(({ state }) => state === 'active')
  const namespaces = new Set(active.map(({ namespace }) => namespace))
  for (const namespace of namespaces) {
    const wanted = ofNamespace(namespace, definitions)
    if (wanted.every((definition) => isComplete(catalog.findTable(namespace, definition.name), definition))) continue
    await database.mutate(
      'system:ensureSystemTables',
      async (tx) => {
        await createMissing(tx, namespace, wanted)
        for (const definition of wanted) await updateIndexes(tx, definition)
      },
      { namespace },
    )
  }
  for (const table of Array.from(database.catalog.tables())) {
    if (!table.isSystem || table.state !== 'active') continue
    for (const entry of table.indexes) {
      if (entry.state === 'enabled') continue
      await backfillIndex({ database, table, entry })
      await database.mutate('system:ensureSystemTables', (tx) => setIndexState(tx, table, entry, 'enabled', false))
    }
  }
}

function ofNamespace(namespace: string, definitions: readonly SystemTable[]): readonly SystemTable[] {
  return namespace === rootNamespace ? definitions : definitions.filter(({ name }) => componentTables.has(name))
}

async function createMissing(tx: Transaction, namespace: string, definitions: readonly SystemTable[]): Promise<void> {
  const numbers = new Set(definitions.map(({ number }) => number))
  assert(numbers.size === definitions.length, 'two system tables have the same number')
  for (const definition of definitions) {
    const existing = tx.catalog.findTable(namespace, definition.name)
    if (existing === undefined) await createTable(tx, { ...definition, namespace })
  }
}

async function updateIndexes(tx: Transaction, definition: SystemTable): Promise<void> {
  const table = tx.findTable(definition.name)
  assert(table !== undefined, 'a system table that was just created')
  const wanted = builtInAndDeclared(definition)
  for (const entry of table.indexes) {
    const match = wanted.find((index) => index.name === entry.descriptor)
    if (match === undefined || !haveSameFields(match.fields, entry.fields)) await dropIndex(tx, table, entry)
  }
  for (const index of wanted) {
    const current = tx.findTable(definition.name)
    if (current === undefined || current.indexes.some((entry) => entry.descriptor === index.name)) continue
    await createIndex(tx, current, index, { state: 'backfilling', staged: false })
  }
}

function isComplete(table: TableEntry | undefined, definition: SystemTable): boolean {
  if (table === undefined) return false
  const wanted = builtInAndDeclared(definition)
  return (
    wanted.length === table.indexes.length &&
    wanted.every((index) =>
      table.indexes.some(
        (entry) =>
          entry.descriptor === index.name && entry.state === 'enabled' && haveSameFields(index.fields, entry.fields),
      ),
    )
  )
}

function haveSameFields(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((field, position) => field === b[position])
}
