import { decodeValue, type Validator } from '@concave/values'

import { Collection } from './collection.ts'
import type { LoadedSchema, StagedEntry, StagedState } from './loaded-schema.ts'
import { withStagedState } from './schema-enforcement.ts'
import { schemaRowId } from './schema-rows.ts'
import type { Transaction } from './transaction.ts'
import { isSubset } from './validator-subset.ts'

/**
 * Staged validators: a table's proposed next document type, pushed beside the one that is enforced. Nothing is refused
 * because of them. The `SchemaWorker` checks the documents that exist, every write is checked as well, and the outcome is
 * a `StagedState` in the row of the active schema. What is `valid` holds for every document, so a later push that
 * enforces it, or something wider, looks at none of them.
 */

/** How many documents a background check has seen; of active schemas, one row per table that is not done. */
export type StagedProgressRow = {
  readonly schemaId: string
  readonly tableName: string
  readonly numDocsValidated: number
  readonly totalDocs: number
  /** Internal id (base64) of the last document done. Later writes have been checked when they were made. */
  readonly position: string
}

export const stagedProgress = new Collection<StagedProgressRow>('_schema_validation_progress')

/** What becomes of a staged validator of the active schema when another schema takes its place. */
export type StagedFate = 'kept' | 'applied' | 'replaced' | 'removed'

export function fateOfStaged(tableName: string, active: LoadedSchema, next: LoadedSchema | undefined): StagedFate {
  const staged = active.stagedValidators.get(tableName)
  const nextStaged = next?.stagedValidators.get(tableName)
  if (staged !== undefined && nextStaged !== undefined && isSubset(staged, nextStaged)) return 'kept'
  if (staged !== undefined && next !== undefined && isApplied(tableName, staged, active, next)) return 'applied'
  return nextStaged === undefined ? 'removed' : 'replaced'
}

/** Whether a schema enforces what was staged, and not merely what is enforced already. */
function isApplied(tableName: string, staged: Validator, active: LoadedSchema, next: LoadedSchema): boolean {
  if (!next.schemaValidation) return false
  const validator = next.validators.get(tableName) ?? anything
  const enforced = active.validators.get(tableName) ?? anything
  if (!isSubset(staged, validator)) return false
  return isSubset(validator, staged) || !isSubset(enforced, validator)
}

/** Whether all documents match `validator` because they match what has been staged and found valid. */
export function isStagedValid(active: LoadedSchema | undefined, tableName: string, validator: Validator): boolean {
  const staged = active?.stagedValidators.get(tableName)
  return active?.staged.get(tableName)?.state === 'valid' && staged !== undefined && isSubset(staged, validator)
}

/** The states with which a schema goes live; what failed is tried again. */
export function startingStates(active: LoadedSchema | undefined, next: LoadedSchema): readonly StagedEntry[] {
  return [...next.stagedValidators.keys()].map((tableName): StagedEntry => {
    const state = active?.staged.get(tableName)
    const isKept = active !== undefined && state !== undefined && fateOfStaged(tableName, active, next) === 'kept'
    return isKept && state.state === 'valid' ? { tableName, state: 'valid' } : { tableName, state: 'pending' }
  })
}

/** Moves the progress of what is `kept` and pending to the schema that goes live, and forgets the rest. */
export async function carryProgress(
  tx: Transaction,
  active: LoadedSchema,
  next: LoadedSchema | undefined,
): Promise<void> {
  for (const row of await stagedProgress.byIndex(tx, 'by_schema_id', [schemaRowId(tx, active)])) {
    const isGoingOn =
      next !== undefined &&
      active.staged.get(row.tableName)?.state === 'pending' &&
      fateOfStaged(row.tableName, active, next) === 'kept'
    if (!isGoingOn) await stagedProgress.delete(tx, row._id)
    else await stagedProgress.patch(tx, row._id, { schemaId: schemaRowId(tx, next) })
  }
}

/** Sets the state of one table, given the newest row of the schema. */
export async function setStagedState(
  tx: Transaction,
  schema: LoadedSchema,
  tableName: string,
  state: StagedState,
): Promise<void> {
  await setStaged(tx, schema, withStagedState(schema, tableName, state))
}

export async function setStaged(tx: Transaction, schema: LoadedSchema, staged: readonly StagedEntry[]): Promise<void> {
  const patch = new Map([['staged', staged.length === 0 ? undefined : decodeValue(staged)]])
  await tx.patch(schemaRowId(tx, schema), patch, { scope: 'private' })
}

export async function findStagedProgress(
  tx: Transaction,
  schema: LoadedSchema,
  tableName: string,
): Promise<(StagedProgressRow & { readonly _id: string }) | undefined> {
  const rows = await stagedProgress.byIndex(tx, 'by_schema_id', [schemaRowId(tx, schema)])
  return rows.find((row) => row.tableName === tableName)
}

const anything: Validator = { type: 'any' }
