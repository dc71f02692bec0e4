import type { Catalog } from './catalog.ts'
import { LoadedSchema } from './loaded-schema.ts'
import { parseSchema, type SchemaDefinition } from './schema.ts'
import { type IndexJson, indexToJson, type Plan, planIndexes } from './schema-push.ts'
import { tablesToWalk } from './schema-worker.ts'
import type { Transaction } from './transaction.ts'

/** What a push of a schema would mean, foretold (cli-protocol.md §3.7). Nothing is written. */
export type SchemaEvaluation = {
  readonly schemaValidation: boolean
  readonly tables: readonly TablePrediction[]
  readonly indexes: readonly IndexPrediction[]
}

export type TablePrediction = {
  readonly name: string
  /** `supersetOfEnforced`: the active schema has seen to it. `mustWalk`: every document is looked at. */
  readonly outcome: 'notValidated' | 'supersetOfEnforced' | 'mustWalk'
  readonly numDocs: number
  /** Of documents as they are stored; reckoned from the first ones. 0 where nobody will walk. */
  readonly sizeBytes: number
}

export type IndexPrediction = IndexJson & {
  readonly change: 'added' | 'identical' | 'enabled' | 'disabled' | 'dropped'
  readonly needsBackfill: boolean
  readonly numDocs: number
}

/** Documents whose sizes stand for those of their table. */
const sampledDocuments = 100

/** `text` null: a push without schema. */
export async function evaluateSchema(tx: Transaction, text: string | null): Promise<SchemaEvaluation> {
  const schema = text === null ? undefined : parseSchema(text)
  return {
    schemaValidation: schema?.schemaValidation ?? false,
    tables: text === null || schema === undefined ? [] : await predictTables(tx, schema, text),
    indexes: await Promise.all(
      predictIndexes(schema, planIndexes(tx, schema)).map(async ({ index, change, needsBackfill, tableName }) => ({
        ...index,
        change,
        needsBackfill,
        numDocs: await tx.count(tableName),
      })),
    ),
  }
}

async function predictTables(
  tx: Transaction,
  schema: SchemaDefinition,
  text: string,
): Promise<readonly TablePrediction[]> {
  const walked = namesToWalk(tx.catalog, tx.namespace, text)
  return await Promise.all(
    schema.tables.map(async ({ tableName: name }): Promise<TablePrediction> => {
      const numDocs = await tx.count(name)
      if (!schema.schemaValidation) return { name, outcome: 'notValidated', numDocs, sizeBytes: 0 }
      if (!walked.has(name)) return { name, outcome: 'supersetOfEnforced', numDocs, sizeBytes: 0 }
      return { name, outcome: 'mustWalk', numDocs, sizeBytes: Math.round((await averageBytes(tx, name)) * numDocs) }
    }),
  )
}

function namesToWalk(catalog: Catalog, namespace: string, text: string): ReadonlySet<string> {
  const row = JSON.stringify({ state: { state: 'pending' }, schema: text })
  const loaded = LoadedSchema.parseRow({ namespace }, new Uint8Array(16), row, undefined)
  return new Set(tablesToWalk(catalog, loaded).map(({ name }) => name))
}

async function averageBytes(tx: Transaction, tableName: string): Promise<number> {
  const source = { type: 'FullTableScan', tableName, order: 'asc' }
  const cursor = tx.openCursor({ source, operators: [{ limit: sampledDocuments }] })
  const { rows } = await cursor.nextPage(sampledDocuments)
  cursor.close()
  const bytes = rows.reduce((sum, row) => sum + Buffer.byteLength(row), 0)
  return rows.length === 0 ? 0 : bytes / rows.length
}

type Prediction = Pick<IndexPrediction, 'change' | 'needsBackfill'> & {
  readonly index: IndexJson
  readonly tableName: string
}

function predictIndexes(schema: SchemaDefinition | undefined, plan: Plan): readonly Prediction[] {
  const changed: readonly Prediction[] = [
    ...plan.create.map(({ name, tableName, definition }) => ({
      index: indexToJson(name, definition, definition.staged),
      change: 'added' as const,
      needsBackfill: true,
      tableName,
    })),
    ...plan.enable.map((planned) => predict(planned, planned.isNew ? 'added' : 'enabled', false)),
    ...plan.stage.map((planned) => predict(planned, 'added', true)),
    ...plan.disable.map((planned) => predict(planned, 'disabled', true)),
    ...plan.remove.map((planned) => predict(planned, 'dropped', planned.entry.staged)),
  ]
  // A name may be dropped and added in one push, with other fields; it is identical only if nothing happens to it.
  const names = new Set(changed.map(({ index }) => index.name))
  const identical = (schema?.tables ?? []).flatMap(({ tableName, indexes }) =>
    indexes
      .filter(({ name }) => !names.has(`${tableName}.${name}`))
      .map((definition) => ({
        index: indexToJson(`${tableName}.${definition.name}`, definition, definition.staged),
        change: 'identical' as const,
        needsBackfill: false,
        tableName,
      })),
  )
  return [...changed, ...identical]
}

function predict(
  { name, entry, table }: Plan['enable'][number],
  change: IndexPrediction['change'],
  staged: boolean,
): Prediction {
  const needsBackfill = change !== 'dropped' && entry.state === 'backfilling'
  return { index: indexToJson(name, entry, staged), change, needsBackfill, tableName: table.name }
}
