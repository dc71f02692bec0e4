import { BadRequest } from '@concave/base'
import { checkValue, type TableNumbers, type ValueObject } from '@concave/values'

import type { NamespaceSchemas } from './catalog.ts'
import { withoutSystemFields } from './document.ts'
import type { LoadedSchema } from './loaded-schema.ts'

/** A pending schema that a new document contradicts: the write goes on, the schema fails. */
export type PendingViolation = { readonly schema: LoadedSchema; readonly error: string }

/** Checks a document about to be written (database.md §4.6). Throws if it violates the active schema. */
export function enforceSchemas(
  schemas: NamespaceSchemas,
  tableName: string,
  document: ValueObject,
  tables: TableNumbers,
): PendingViolation | undefined {
  const activeError = findViolation(schemas.active, tableName, document, tables)
  if (activeError !== undefined) {
    throw new BadRequest(
      'SchemaEnforcementError',
      `Failed to insert or update a document in table "${tableName}" because it does not match the schema: ${activeError}`,
    )
  }
  const { pending } = schemas
  const pendingError = findViolation(pending, tableName, document, tables)
  if (pending === undefined || pendingError === undefined) return undefined
  return { schema: pending, error: `New document in table "${tableName}" does not match the schema: ${pendingError}` }
}

/** Why a document does not match a schema, if so: the text {e} of database.md §4.6. */
export function findViolation(
  schema: LoadedSchema | undefined,
  tableName: string,
  document: ValueObject,
  tables: TableNumbers,
): string | undefined {
  if (schema === undefined || !schema.schemaValidation) return undefined
  const validator = schema.validators.get(tableName)
  return validator === undefined ? undefined : checkValue(validator, withoutSystemFields(document), tables)
}
