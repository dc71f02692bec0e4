import { assert, createDeferred } from '@concave/base'
import { findDocumentId } from '@concave/values'

import { shapeOf, type Catalog } from './catalog.ts'
import type { Database } from './database.ts'
import { isSameShape } from './index-kind.ts'
import type { LoadedSchema } from './loaded-schema.ts'
import { parseSchema } from './schema.ts'

/** Answers of `wait_for_schema` for one component (database.md §4.5). */
export type SchemaProgress =
  | {
      readonly type: 'inProgress'
      readonly schemaValidationComplete: boolean
      readonly indexesComplete: number
      readonly indexesTotal: number
    }
  | { readonly type: 'failed'; readonly error: string; readonly tableName: string | null }
  | { readonly type: 'raceDetected' }
  | { readonly type: 'complete' }

/** How far a push has come, as of the newest durable commit. `schemaId` null is a push without schema. */
export function getSchemaProgress(database: Database, schemaId: string | null): SchemaProgress {
  if (schemaId === null) return { type: 'complete' }
  const catalog = database.catalogAt(database.latestTs())
  const id = findDocumentId(schemaId)
  const schema = id === undefined ? undefined : catalog.findSchema(id.internalId)
  if (schema === undefined) return { type: 'raceDetected' }
  const { state } = schema
  switch (state.state) {
    case 'failed':
      return { type: 'failed', error: state.error, tableName: state.tableName ?? null }
    case 'overwritten':
      return { type: 'raceDetected' }
    case 'pending':
    case 'validated':
    case 'active': {
      const indexes = countIndexes(catalog, schema)
      const schemaValidationComplete = state.state !== 'pending'
      if (schemaValidationComplete && indexes.indexesComplete === indexes.indexesTotal) return { type: 'complete' }
      return { type: 'inProgress', schemaValidationComplete, ...indexes }
    }
  }
}

/** Answers at once when the state is final, else when it has become so, at the latest after `timeoutMs`. */
export async function waitForSchema(
  database: Database,
  schemaId: string | null,
  timeoutMs: number,
): Promise<SchemaProgress> {
  const [progress] = await waitForSchemas(database, [schemaId], timeoutMs)
  assert(progress !== undefined, 'one schema, one answer')
  return progress
}

/** One answer per schema of a push: when all are final or one of them cannot be, at the latest after `timeoutMs`. */
export async function waitForSchemas(
  database: Database,
  schemaIds: readonly (string | null)[],
  timeoutMs: number,
): Promise<readonly SchemaProgress[]> {
  const timedOut = createDeferred<void>()
  const timer = setTimeout(timedOut.resolve, timeoutMs)
  let isOver = false
  let changed = createDeferred<void>()
  const stopListening = database.onCatalogChanged(() => changed.resolve())
  try {
    for (;;) {
      const answers = schemaIds.map((schemaId) => getSchemaProgress(database, schemaId))
      const isFinal =
        answers.every(({ type }) => type !== 'inProgress') ||
        answers.some(({ type }) => type === 'failed' || type === 'raceDetected')
      if (isFinal || isOver) return answers
      await Promise.race([
        changed.promise,
        timedOut.promise.then(() => {
          isOver = true
        }),
      ])
      changed = createDeferred()
    }
  } finally {
    clearTimeout(timer)
    stopListening()
  }
}

/** The indexes that must be filled before the push can finish; staged ones are not waited for. */
function countIndexes(catalog: Catalog, schema: LoadedSchema): { indexesComplete: number; indexesTotal: number } {
  let indexesComplete = 0
  let indexesTotal = 0
  for (const { tableName, indexes } of parseSchema(schema.text).tables) {
    const table = catalog.findTable(schema.namespace, tableName)
    for (const definition of indexes) {
      if (definition.staged) continue
      const entries = table?.indexes.filter((entry) => isSameShape(shapeOf(entry), definition))
      if (entries?.some(({ state }) => state === 'enabled')) continue
      indexesTotal += 1
      if (entries?.some(({ state }) => state === 'backfilled')) indexesComplete += 1
    }
  }
  return { indexesComplete, indexesTotal }
}
