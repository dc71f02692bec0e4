import { LoadedSchema, type StagedState } from './loaded-schema.ts'
import { parseSchema, type SchemaDefinition } from './schema.ts'
import { type IndexJson, indexToJson, type Plan, planIndexes } from './schema-push.ts'
import { tablesToWalk } from './schema-worker.ts'
import { fateOfStaged, findStagedProgress } from './staged-validators.ts'
import type { Transaction } from './transaction.ts'

/** What a push of a schema would mean, foretold (cli-protocol.md §3.7). Nothing is written. */
export type SchemaEvaluation = {
  readonly schemaValidation: boolean
  readonly tables: readonly TablePrediction[]
  readonly indexes: readonly IndexPrediction[]
  readonly discardedStagedValidators: readonly DiscardedStagedValidator[]
}

/** How far the check of a staged validator has come, told to the developer. */
export type StagedStatus =
  | { readonly state: 'pending'; readonly numDocsValidated: number; readonly totalDocs: number }
  | Exclude<StagedState, { state: 'pending' }>

export type TablePrediction = {
  readonly name: string
  /**
   * `supersetOfEnforced`: the active schema has seen to it. `supersetOfStagedValidated`: the check of its staged validator
   * has. `mustWalk`: every document is looked at.
   */
  readonly outcome: 'notValidated' | 'supersetOfEnforced' | 'supersetOfStagedValidated' | 'mustWalk'
  readonly numDocs: number
  /** Of documents as they are stored; reckoned from the first ones. 0 where nobody will walk. */
  readonly sizeBytes: number
  /** Of the staged validator that is live, not of the one that is pushed. */
  readonly staged?: StagedStatus
  /** The walk would not be needed if the push waited for the check of what is staged. */
  readonly canSkipAfterStagedValidation?: boolean
}

/** Work on a staged validator that the push would throw away. What has failed is none. */
export type DiscardedStagedValidator = {
  readonly tableName: string
  readonly state: Exclude<StagedStatus, { state: 'failed' }>
  /** Another one is staged. */
  readonly replaced: boolean
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
  const loaded = text === null ? undefined : loadSchema(tx.namespace, text)
  const { active } = tx.catalog.schemas(tx.namespace)
  const statuses = active === undefined ? new Map<string, StagedStatus>() : await readStatuses(tx, active)
  return {
    schemaValidation: schema?.schemaValidation ?? false,
    tables: schema === undefined || loaded === undefined ? [] : await predictTables(tx, schema, loaded, statuses),
    discardedStagedValidators: active === undefined ? [] : findDiscarded(active, loaded, statuses),
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
  loaded: LoadedSchema,
  statuses: ReadonlyMap<string, StagedStatus>,
): Promise<readonly TablePrediction[]> {
  const walked = new Set(tablesToWalk(tx.catalog, loaded).map(({ name }) => name))
  const { active } = tx.catalog.schemas(tx.namespace)
  return await Promise.all(
    schema.tables.map(async ({ tableName: name }): Promise<TablePrediction> => {
      const numDocs = await tx.count(name)
      const staged = statuses.get(name)
      const common = { name, numDocs, sizeBytes: 0, ...(staged === undefined ? {} : { staged }) }
      if (!schema.schemaValidation) return { ...common, outcome: 'notValidated' }
      const fate = active?.staged.has(name) === true ? fateOfStaged(name, active, loaded) : undefined
      if (!walked.has(name)) {
        const isProven = fate === 'applied' && staged?.state === 'valid'
        return { ...common, outcome: isProven ? 'supersetOfStagedValidated' : 'supersetOfEnforced' }
      }
      const sizeBytes = Math.round((await averageBytes(tx, name)) * numDocs)
      const canSkip = fate === 'applied' && staged?.state === 'pending'
      return { ...common, outcome: 'mustWalk', sizeBytes, ...(canSkip ? { canSkipAfterStagedValidation: true } : {}) }
    }),
  )
}

async function readStatuses(tx: Transaction, active: LoadedSchema): Promise<ReadonlyMap<string, StagedStatus>> {
  const statuses = new Map<string, StagedStatus>()
  for (const [tableName, state] of active.staged) {
    if (state.state !== 'pending') {
      statuses.set(tableName, state)
      continue
    }
    const progress = await findStagedProgress(tx, active, tableName)
    const totalDocs = progress?.totalDocs ?? (await tx.count(tableName))
    statuses.set(tableName, { state: 'pending', numDocsValidated: progress?.numDocsValidated ?? 0, totalDocs })
  }
  return statuses
}

function findDiscarded(
  active: LoadedSchema,
  next: LoadedSchema | undefined,
  statuses: ReadonlyMap<string, StagedStatus>,
): readonly DiscardedStagedValidator[] {
  return [...statuses].flatMap(([tableName, state]) => {
    const fate = fateOfStaged(tableName, active, next)
    if (state.state === 'failed' || fate === 'kept' || fate === 'applied') return []
    return [{ tableName, state, replaced: fate === 'replaced' }]
  })
}

/** A schema that nobody has pushed, as if its row were read. */
function loadSchema(namespace: string, text: string): LoadedSchema {
  const row = JSON.stringify({ state: { state: 'pending' }, schema: text })
  return LoadedSchema.parseRow({ namespace }, new Uint8Array(16), row, undefined)
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
