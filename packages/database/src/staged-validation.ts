import { assert } from '@concave/base'
import { parseValue, type ValueObject } from '@concave/values'

import type { Catalog, TableEntry } from './catalog.ts'
import type { Database } from './database.ts'
import { describeViolation, idOf, tableNumbers } from './document-violation.ts'
import type { Slice } from './index-backfill.ts'
import type { LoadedSchema, StagedState } from './loaded-schema.ts'
import { keyAfter } from './read-set.ts'
import { violationOf } from './schema-enforcement.ts'
import { schemaRowId } from './schema-rows.ts'
import { findStagedProgress, setStagedState, stagedProgress } from './staged-validators.ts'
import type { Transaction } from './transaction.ts'
import { isSubset } from './validator-subset.ts'

export type StagedValidationOptions = {
  readonly database: Database
  readonly schema: LoadedSchema
  readonly tableName: string
  readonly slice: Slice
  /** Progress is saved after so many documents. */
  readonly saveEvery: number
  readonly signal: AbortSignal
  /** Something that somebody waits for is to be done first; asked between slices. */
  readonly isUrgent: (catalog: Catalog) => boolean
}

/**
 * Checks the documents of a table against its staged validator, from where an earlier run stopped. Ends with the state
 * set, or without when the validator is not wanted any more or something urgent has come up.
 */
export async function validateStaged(options: StagedValidationOptions): Promise<void> {
  const { database, schema, tableName } = options
  const validator = schema.stagedValidators.get(tableName)
  assert(validator !== undefined, 'a state without a staged validator')
  const table = database.catalogAt(database.latestTs()).findTable(schema.namespace, tableName)
  const enforced = schema.validators.get(tableName)
  const isProven =
    table === undefined || validator.type === 'any' || (enforced !== undefined && isSubset(enforced, validator))
  if (isProven || (await walk(options, table)) === 'valid') await settle(options, { state: 'valid' })
}

async function walk(options: StagedValidationOptions, table: TableEntry): Promise<'valid' | 'over'> {
  const { database, schema, tableName, slice } = options
  const { namespace } = schema
  const { value: start } = await database.read((tx) => findStagedProgress(tx, schema, tableName), { namespace })
  let from: Uint8Array = start === undefined ? new Uint8Array(0) : keyAfter(Buffer.from(start.position, 'base64'))
  let documents = start?.numDocsValidated ?? 0
  let saved = documents
  let last: Uint8Array | undefined
  for (;;) {
    options.signal.throwIfAborted()
    const at = database.latestTs()
    const catalog = database.catalogAt(at)
    if (!isPending(catalog.findSchema(schema.rowId), tableName)) return 'over'
    const isUrgent = options.isUrgent(catalog)
    if (last !== undefined && documents > saved && (isUrgent || documents - saved >= options.saveEvery)) {
      saved = documents
      await saveProgress(options, documents, last)
    }
    if (isUrgent) return 'over'
    const snapshot = database.committer.snapshot(at)
    const page = await snapshot.scanDocuments(table.tablet, { from, to: undefined }, 'asc', slice.rows, slice.bytes)
    const tables = tableNumbers(catalog, table.namespace)
    const validator = schema.stagedValidators.get(tableName)
    for (const { text } of page.rows) {
      const error = violationOf(validator, parseValue(text) as ValueObject, tables)
      if (error !== undefined && (await fail(options, text))) return 'over'
    }
    documents += page.rows.length
    last = page.rows.at(-1)?.key ?? last
    if (page.exhausted || last === undefined) return 'valid'
    from = keyAfter(last)
    await new Promise(setImmediate)
  }
}

/** Sets the outcome; false if the document has been mended meanwhile. */
async function fail(options: StagedValidationOptions, text: string): Promise<boolean> {
  const { tableName } = options
  const id = idOf(parseValue(text) as ValueObject)
  return await mutate(options, async (tx) => {
    const current = findCurrent(tx, options)
    if (current === undefined) return true
    const document = await tx.get(id, { scope: 'private' })
    const validator = current.stagedValidators.get(tableName)
    const error =
      document === null ? undefined : violationOf(validator, document.value, tx.tableNumbers(current.namespace))
    if (error === undefined) return false
    await finish(tx, current, tableName, { state: 'failed', error: describeViolation(id, tableName, error) })
    return true
  })
}

async function settle(options: StagedValidationOptions, state: StagedState): Promise<void> {
  await mutate(options, async (tx) => {
    const current = findCurrent(tx, options)
    if (current !== undefined) await finish(tx, current, options.tableName, state)
  })
}

async function finish(tx: Transaction, schema: LoadedSchema, tableName: string, state: StagedState): Promise<void> {
  await setStagedState(tx, schema, tableName, state)
  const progress = await findStagedProgress(tx, schema, tableName)
  if (progress !== undefined) await stagedProgress.delete(tx, progress._id)
}

async function saveProgress(options: StagedValidationOptions, documents: number, last: Uint8Array): Promise<void> {
  const { tableName } = options
  await mutate(options, async (tx) => {
    const current = findCurrent(tx, options)
    if (current === undefined) return
    const totalDocs = await tx.count(tableName, { scope: 'private' })
    const progress = { numDocsValidated: documents, totalDocs, position: Buffer.from(last).toString('base64') }
    const row = await findStagedProgress(tx, current, tableName)
    if (row !== undefined) await stagedProgress.patch(tx, row._id, progress)
    else await stagedProgress.insert(tx, { schemaId: schemaRowId(tx, current), tableName, ...progress })
  })
}

async function mutate<T>(
  { database, schema }: StagedValidationOptions,
  run: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { namespace } = schema
  const { value } = await database.mutate('system:stagedValidation', run, { namespace })
  return value
}

/** The schema as it is now, if its validator still waits for an outcome. */
function findCurrent(tx: Transaction, { schema, tableName }: StagedValidationOptions): LoadedSchema | undefined {
  tx.dependOnSchemas(schema.namespace)
  const current = tx.catalog.findSchema(schema.rowId)
  return isPending(current, tableName) ? current : undefined
}

function isPending(schema: LoadedSchema | undefined, tableName: string): schema is LoadedSchema {
  return schema?.state.state === 'active' && schema.staged.get(tableName)?.state === 'pending'
}
