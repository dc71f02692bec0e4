import { assert, BadRequest } from '@concave/base'
import { decodeDocumentId, decodeValue } from '@concave/values'

import { byCreationTimeIndex, byIdIndex, shapeOf, type IndexEntry, type TableEntry } from './catalog.ts'
import { Collection } from './collection.ts'
import { isSameShape, type IndexKind, type IndexShape } from './index-kind.ts'
import type { LoadedSchema, SchemaRow, SchemaState } from './loaded-schema.ts'
import { parseSchema, type IndexDefinition, type SchemaDefinition } from './schema.ts'
import { schemaRowId } from './schema-rows.ts'
import { carryProgress, setStaged, startingStates } from './staged-validators.ts'
import { createIndex, createTable, dropIndex, setIndexState } from './table-definitions.ts'
import type { Transaction } from './transaction.ts'

/**
 * The two transactions of a schema push (database.md §4.5, §4.6). The first makes pending what the new schema needs and
 * touches nothing that serves, so a push that is never finished is harmless. The second, once the `SchemaWorker` is
 * done, switches. Both work on the transaction's namespace.
 */

/** An index in the form of the push protocol. `fields` with the closing `_creationTime`. */
export type IndexJson = { readonly name: string; readonly staged?: boolean } & (
  | { readonly type: 'database'; readonly fields: readonly string[] }
  | Exclude<IndexKind, { type: 'database' }>
)
export type IndexDiff = {
  readonly added_indexes: readonly IndexJson[]
  readonly removed_indexes: readonly IndexJson[]
  readonly enabled_indexes: readonly IndexJson[]
  readonly disabled_indexes: readonly IndexJson[]
}

/** `schemaId` null: the push has no schema, which means that no indexes are wanted. */
export type StartedSchemaPush = { readonly schemaId: string | null; readonly indexDiff: IndexDiff }

export type FinishedSchemaPush = {
  readonly indexDiff: IndexDiff
  /** Null if the schema is the one that was active already. */
  readonly schemaDiff: { readonly previous_schema: string | null; readonly next_schema: string | null } | null
}

const schemaRows = new Collection<SchemaRow>('_schemas')
/** Failed and overwritten rows are kept this long for whoever still asks. */
const schemaRowRetentionMs = 3_600_000

/**
 * First transaction: creates the schema's tables, the indexes it adds (pending) and its row (pending).
 * `dryRun` computes the diff only, for a transaction that is thrown away or read-only.
 */
export async function startSchemaPush(
  tx: Transaction,
  options: { readonly schema: string | null; readonly nowMs: number; readonly dryRun?: boolean },
): Promise<StartedSchemaPush> {
  const schema = options.schema === null ? undefined : parseSchema(options.schema)
  const plan = planIndexes(tx, schema)
  const indexDiff = toDiff(plan)
  if (options.dryRun === true) return { schemaId: null, indexDiff }
  await dropRedundant(tx, plan)
  await createTables(tx, schema, plan)
  for (const { tableName, definition } of plan.create) {
    await createIndex(tx, getTable(tx, tableName), definition, { state: 'backfilling', staged: definition.staged })
  }
  for (const { table, entry } of plan.stage) await setIndexState(tx, table, entry, entry.state, true)
  await deleteOldRows(tx, options.nowMs)
  const schemaId = options.schema === null ? null : await submitSchema(tx, options.schema)
  if (schemaId === null) await overwritePending(tx)
  return { schemaId, indexDiff }
}

/** Second transaction: enables, stages and drops indexes, and makes the schema the active one. */
export async function finishSchemaPush(tx: Transaction, schemaId: string | null): Promise<FinishedSchemaPush> {
  const { active } = tx.catalog.schemas(tx.namespace)
  const next = schemaId === null ? undefined : await loadFinishable(tx, schemaId)
  const plan = planIndexes(tx, next === undefined ? undefined : parseSchema(next.text))
  const unready = [...plan.create.map(({ name }) => name), ...plan.enable.filter(isUnready).map(({ name }) => name)]
  if (unready.length > 0) {
    throw new BadRequest('IndexesNotReady', `These indexes are still backfilling: ${unready.join(', ')}.`)
  }
  const indexDiff = toDiff(plan)
  await dropRedundant(tx, plan)
  for (const { table, entry } of plan.remove) await dropIndex(tx, table, entry)
  for (const { table, entry } of plan.enable) await setIndexState(tx, table, entry, 'enabled', false)
  for (const { table, entry } of plan.disable) await setIndexState(tx, table, entry, 'backfilled', true)
  if (active !== undefined) await carryProgress(tx, active, next)
  if (next !== undefined) await setStaged(tx, next, startingStates(active, next))
  if (next !== undefined && active !== undefined && isSameRow(next, active)) return { indexDiff, schemaDiff: null }
  if (active !== undefined) await setSchemaState(tx, active, { state: 'overwritten' })
  if (next !== undefined) await setSchemaState(tx, next, { state: 'active' })
  if (active === undefined && next === undefined) return { indexDiff, schemaDiff: null }
  return { indexDiff, schemaDiff: { previous_schema: active?.text ?? null, next_schema: next?.text ?? null } }
}

type Planned = {
  readonly name: string
  readonly table: TableEntry
  readonly entry: IndexEntry
  readonly isNew: boolean
}
type Creation = { readonly name: string; readonly tableName: string; readonly definition: IndexDefinition }

/** What a schema means for the indexes that exist. */
export type Plan = {
  /** Wanted and not there in any form. */
  readonly create: readonly Creation[]
  /** Pending, to serve once the push is finished; `isNew`: not a staged one of the active schema. */
  readonly enable: readonly Planned[]
  /** Serving, to become staged. */
  readonly disable: readonly Planned[]
  /** Pending ones of an unfinished push that this one wants staged. */
  readonly stage: readonly Planned[]
  /** Wanted staged, and already so because this push or an unfinished one added it. */
  readonly keepStaged: readonly Planned[]
  /** Serving or staged, not wanted any more. */
  readonly remove: readonly Planned[]
  /** Pending leftovers that nobody wants; dropped at once. */
  readonly redundant: readonly Planned[]
}

export function planIndexes(tx: Transaction, schema: SchemaDefinition | undefined): Plan {
  const plan = { create: [], enable: [], disable: [], stage: [], keepStaged: [], remove: [], redundant: [] } as {
    -readonly [K in keyof Plan]: Plan[K][number][]
  }
  tx.dependOnSchemas()
  const { active } = tx.catalog.schemas(tx.namespace)
  const activeNames = active === undefined ? new Set<string>() : stagedNames(active)
  for (const { tableName, indexes } of schema?.tables ?? []) {
    const table = tx.findTable(tableName)
    if (table !== undefined) tx.dependOnIndexes(table)
    for (const definition of indexes) planWanted(plan, tableName, table, definition)
  }
  const kept = new Set(
    [...plan.enable, ...plan.disable, ...plan.stage, ...plan.keepStaged].map(({ entry }) => entry.index),
  )
  for (const table of tx.catalog.tables()) {
    if (table.isSystem || table.namespace !== tx.namespace || table.state !== 'active') continue
    const wanted = schema?.tables.find(({ tableName }) => tableName === table.name)?.indexes ?? []
    for (const entry of table.indexes) {
      if (entry.descriptor === byIdIndex || entry.descriptor === byCreationTimeIndex || kept.has(entry.index)) continue
      const name = `${table.name}.${entry.descriptor}`
      const isIdentical = wanted.some(
        (definition) => entry.state === 'enabled' && !definition.staged && matches(entry, definition),
      )
      if (isIdentical) continue
      const planned = { name, table, entry, isNew: false }
      const belongsToActive = entry.state === 'enabled' || (entry.staged && activeNames.has(name))
      if (belongsToActive) plan.remove.push(planned)
      else plan.redundant.push(planned)
    }
  }
  return plan
}

function planWanted(
  plan: { -readonly [K in keyof Plan]: Plan[K][number][] },
  tableName: string,
  table: TableEntry | undefined,
  definition: IndexDefinition,
): void {
  const name = `${tableName}.${definition.name}`
  const same = table?.indexes.filter((entry) => matches(entry, definition)) ?? []
  const serving = same.find((entry) => entry.state === 'enabled')
  const pending = same.find((entry) => entry.state !== 'enabled')
  if (table === undefined || (serving === undefined && pending === undefined)) {
    plan.create.push({ name, tableName, definition })
  } else if (serving !== undefined) {
    if (definition.staged) plan.disable.push({ name, table, entry: serving, isNew: false })
  } else if (pending !== undefined) {
    if (!definition.staged) plan.enable.push({ name, table, entry: pending, isNew: !pending.staged })
    else if (!pending.staged) plan.stage.push({ name, table, entry: pending, isNew: true })
    else plan.keepStaged.push({ name, table, entry: pending, isNew: false })
  }
}

/** Names of the indexes that a schema stages. */
function stagedNames(schema: LoadedSchema): ReadonlySet<string> {
  const names = parseSchema(schema.text).tables.flatMap(({ tableName, indexes }) =>
    indexes.filter(({ staged }) => staged).map(({ name }) => `${tableName}.${name}`),
  )
  return new Set(names)
}

function toDiff(plan: Plan): IndexDiff {
  return {
    added_indexes: [
      ...plan.create.map(({ name, definition }) => indexToJson(name, definition, definition.staged)),
      ...plan.enable.filter(({ isNew }) => isNew).map((planned) => plannedJson(planned, false)),
      ...plan.stage.map((planned) => plannedJson(planned, true)),
    ],
    removed_indexes: plan.remove.map((planned) => plannedJson(planned, planned.entry.staged)),
    enabled_indexes: plan.enable.filter(({ isNew }) => !isNew).map((planned) => plannedJson(planned, false)),
    disabled_indexes: plan.disable.map((planned) => plannedJson(planned, true)),
  }
}

function plannedJson({ name, entry }: Planned, staged: boolean): IndexJson {
  return indexToJson(name, entry, staged)
}

export function indexToJson(
  name: string,
  { kind, fields }: Pick<IndexShape, 'kind' | 'fields'>,
  staged: boolean,
): IndexJson {
  const flag = staged ? { staged } : {}
  if (kind.type === 'database') return { name, type: 'database', fields: [...fields, '_creationTime'], ...flag }
  return { name, ...kind, ...flag }
}

function matches(entry: IndexEntry, definition: IndexDefinition): boolean {
  return isSameShape(shapeOf(entry), definition)
}

function isUnready({ entry }: Planned): boolean {
  return entry.state === 'backfilling'
}

async function dropRedundant(tx: Transaction, plan: Plan): Promise<void> {
  for (const { table, entry } of plan.redundant) await dropIndex(tx, table, entry)
}

/** First the tables of indexes to add, then all in name order: table numbers follow from it (database.md §2.4). */
async function createTables(tx: Transaction, schema: SchemaDefinition | undefined, plan: Plan): Promise<void> {
  const names = schema?.tables.map(({ tableName }) => tableName).toSorted() ?? []
  for (const name of [...plan.create.map(({ tableName }) => tableName), ...names]) {
    if (tx.findTable(name) === undefined) await createTable(tx, { name, namespace: tx.namespace, indexes: [] })
  }
}

function getTable(tx: Transaction, name: string): TableEntry {
  const table = tx.findTable(name)
  assert(table !== undefined, `the table ${name} was created`)
  return table
}

/** The id of the row for this text: the active or pending one if equal, else a new pending one. */
async function submitSchema(tx: Transaction, text: string): Promise<string> {
  const { active, pending } = tx.catalog.schemas(tx.namespace)
  if (active !== undefined && isSameText(active.text, text)) {
    await overwritePending(tx)
    return schemaRowId(tx, active)
  }
  if (pending !== undefined && isSameText(pending.text, text)) return schemaRowId(tx, pending)
  await overwritePending(tx)
  return schemaRows.insert(tx, { state: { state: 'pending' }, schema: text })
}

async function overwritePending(tx: Transaction): Promise<void> {
  const { pending } = tx.catalog.schemas(tx.namespace)
  if (pending !== undefined) await setSchemaState(tx, pending, { state: 'overwritten' })
}

export async function setSchemaState(tx: Transaction, schema: LoadedSchema, state: SchemaState): Promise<void> {
  await tx.patch(schemaRowId(tx, schema), new Map([['state', decodeValue(state)]]), { scope: 'private' })
}

async function deleteOldRows(tx: Transaction, nowMs: number): Promise<void> {
  for (const row of await schemaRows.list(tx)) {
    const isOver = row.state.state === 'failed' || row.state.state === 'overwritten'
    if (isOver && row._creationTime < nowMs - schemaRowRetentionMs) await schemaRows.delete(tx, row._id)
  }
}

async function loadFinishable(tx: Transaction, schemaId: string): Promise<LoadedSchema> {
  const row = await schemaRows.get(tx, schemaId)
  const schema = tx.catalog.findSchema(decodeDocumentId(schemaId).internalId)
  if (row === null || schema === undefined || schema.state.state === 'overwritten') {
    throw new BadRequest('SchemaAlreadyOverwritten', 'Schema was overwritten by another push.')
  }
  switch (schema.state.state) {
    case 'failed':
      throw new BadRequest('SchemaAlreadyFailed', `Schema validation failed.\n${schema.state.error}`)
    case 'pending':
      throw new BadRequest('SchemaNotValidated', 'The schema has not been checked against all documents yet.')
    case 'validated':
    case 'active':
      return schema
  }
}

function isSameRow(a: LoadedSchema, b: LoadedSchema): boolean {
  return Buffer.compare(a.rowId, b.rowId) === 0
}

function isSameText(a: string, b: string): boolean {
  return a === b || JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b))
}
