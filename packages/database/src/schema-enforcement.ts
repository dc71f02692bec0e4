import { BadRequest } from '@concave/base'
import {
  checkValue,
  decodeValue,
  type TableNumbers,
  type Validator,
  type Value,
  type ValueObject,
} from '@concave/values'

import type { NamespaceSchemas } from './catalog.ts'
import { withoutSystemFields } from './document.ts'
import type { LoadedSchema, StagedEntry, StagedState } from './loaded-schema.ts'

/**
 * A new document contradicts a pending schema, or a staged validator of the active one. The write goes on; what is not
 * enforced fails: `patch` says how in the schema's row.
 */
export type Contradiction = { readonly schema: LoadedSchema; readonly patch: ReadonlyMap<string, Value> }

/** Checks a document about to be written (database.md §4.6). Throws if it violates the active schema. */
export function enforceSchemas(
  schemas: NamespaceSchemas,
  tableName: string,
  document: ValueObject,
  tables: TableNumbers,
): readonly Contradiction[] {
  const activeError = findViolation(schemas.active, tableName, document, tables)
  if (activeError !== undefined) {
    throw new BadRequest(
      'SchemaEnforcementError',
      `Failed to insert or update a document in table "${tableName}" because it does not match the schema: ${activeError}`,
    )
  }
  const contradictions: Contradiction[] = []
  const { active, pending } = schemas
  const pendingError = findViolation(pending, tableName, document, tables)
  if (pending !== undefined && pendingError !== undefined) {
    const state = { state: 'failed', error: describeNew(tableName, pendingError), tableName }
    contradictions.push({ schema: pending, patch: new Map([['state', decodeValue(state)]]) })
  }
  const stagedError = findStagedViolation(active, tableName, document, tables)
  if (active !== undefined && stagedError !== undefined) {
    const staged = withStagedState(active, tableName, { state: 'failed', error: describeNew(tableName, stagedError) })
    contradictions.push({ schema: active, patch: new Map([['staged', decodeValue(staged)]]) })
  }
  return contradictions
}

/** The `staged` field of a schema's row with the state of one table changed. */
export function withStagedState(schema: LoadedSchema, tableName: string, state: StagedState): readonly StagedEntry[] {
  return [...new Map(schema.staged).set(tableName, state)].map(([name, each]) => ({ ...each, tableName: name }))
}

/** Why a document does not match a staged validator that has not failed. */
function findStagedViolation(
  schema: LoadedSchema | undefined,
  tableName: string,
  document: ValueObject,
  tables: TableNumbers,
): string | undefined {
  const state = schema?.staged.get(tableName)
  if (state === undefined || state.state === 'failed') return undefined
  return violationOf(schema?.stagedValidators.get(tableName), document, tables)
}

function describeNew(tableName: string, error: string): string {
  return `New document in table "${tableName}" does not match the schema: ${error}`
}

/** Why a document does not match a schema, if so: the text {e} of database.md §4.6. */
export function findViolation(
  schema: LoadedSchema | undefined,
  tableName: string,
  document: ValueObject,
  tables: TableNumbers,
): string | undefined {
  if (schema === undefined || !schema.schemaValidation) return undefined
  return violationOf(schema.validators.get(tableName), document, tables)
}

export function violationOf(
  validator: Validator | undefined,
  document: ValueObject,
  tables: TableNumbers,
): string | undefined {
  return validator === undefined ? undefined : checkValue(validator, withoutSystemFields(document), tables)
}
