import { createDeferred, type Clock, type Deferred, type Log } from '@concave/base'
import type { Ts } from '@concave/storage'
import { parseValue, type ValueObject } from '@concave/values'

import type { Catalog, IndexEntry, TableEntry } from './catalog.ts'
import { Collection } from './collection.ts'
import type { Database } from './database.ts'
import { describeViolation, idOf, tableNumbers } from './document-violation.ts'
import { backfillIndex, defaultSlice, type Slice } from './index-backfill.ts'
import type { LoadedSchema } from './loaded-schema.ts'
import { keyAfter } from './read-set.ts'
import { findViolation } from './schema-enforcement.ts'
import { setSchemaState } from './schema-push.ts'
import { schemaRowId } from './schema-rows.ts'
import { validateStaged } from './staged-validation.ts'
import { isStagedValid } from './staged-validators.ts'
import { indexRowId, setIndexState } from './table-definitions.ts'
import type { Transaction } from './transaction.ts'
import { isSubset } from './validator-subset.ts'

/** Progress is saved after so many documents: seen by the dashboard, and where a reopened database continues. */
const defaultSaveEvery = 5000
const retryDelayMs = 1000

type BackfillRow = {
  readonly indexId: string
  readonly numDocsIndexed: number
  readonly totalDocs: number
  /** Internal id (base64) of the last document done. */
  readonly position: string
}
type ValidationRow = { readonly schemaId: string; readonly numDocsValidated: number; readonly totalDocs: number }

const backfills = new Collection<BackfillRow>('_index_backfills')
const validations = new Collection<ValidationRow>('_schema_validation_progress')

export type SchemaWorkerDependencies = {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly slice?: Slice
  readonly saveEvery?: number
}

/**
 * Does what schema pushes leave pending: fills new indexes and checks existing documents, in bounded slices, whatever
 * pushed or when. It looks at the durable catalog only, so a reopened database simply continues.
 */
export class SchemaWorker {
  readonly #database: Database
  readonly #clock: Clock
  readonly #log: Log
  readonly #slice: Slice
  readonly #saveEvery: number
  readonly #abort = new AbortController()
  readonly #stopListening: () => void
  #bell: Deferred<void> = createDeferred()
  #isBusy = true
  readonly #done: Promise<void>

  static start(deps: SchemaWorkerDependencies): SchemaWorker {
    return new SchemaWorker(deps)
  }

  private constructor(deps: SchemaWorkerDependencies) {
    this.#slice = deps.slice ?? defaultSlice
    this.#saveEvery = deps.saveEvery ?? defaultSaveEvery
    this.#database = deps.database
    this.#clock = deps.clock
    this.#log = deps.log.child({ room: 'database:schema-worker' })
    this.#stopListening = deps.database.onCatalogChanged(() => this.#bell.resolve())
    this.#done = this.#run()
  }

  /** False while nothing is left to do. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /** Stops after the current slice. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#stopListening()
    this.#bell.resolve()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      this.#bell = createDeferred()
      try {
        if (await this.#work()) continue
        this.#isBusy = false
        await this.#bell.promise
        this.#isBusy = true
      } catch (error) {
        if (signal.aborted) return
        this.#log.warn({ err: error }, 'Work on a schema push was interrupted; it is tried again.')
        await Promise.race([this.#bell.promise, wait(retryDelayMs, signal)])
      }
    }
  }

  /** Does one piece of work; false if there is none. */
  async #work(): Promise<boolean> {
    const catalog = this.#database.catalogAt(this.#database.latestTs())
    const backfill = findBackfill(catalog)
    if (backfill !== undefined) {
      await this.#backfill(backfill.table, backfill.entry)
      return true
    }
    const pending = findUnvalidated(catalog)
    if (pending !== undefined) {
      await this.#validate(catalog, pending)
      return true
    }
    const staged = findStaged(catalog)
    if (staged === undefined) return false
    await validateStaged({
      database: this.#database,
      ...staged,
      slice: this.#slice,
      saveEvery: this.#saveEvery,
      signal: this.#abort.signal,
      isUrgent: (now) => findBackfill(now) !== undefined || findUnvalidated(now) !== undefined,
    })
    return true
  }

  async #backfill(table: TableEntry, entry: IndexEntry): Promise<void> {
    const startedMs = this.#clock.monotonicMs()
    const { namespace } = table
    const { value: start } = await this.#database.read(
      async (tx) => ({
        row: await backfills.first(tx, 'by_index_id', [indexRowId(tx, entry)]),
        totalDocs: await tx.count(table.name, { scope: 'private' }),
      }),
      { namespace },
    )
    const doneBefore = start.row?.numDocsIndexed ?? 0
    let saved = 0
    let indexed = 0
    await backfillIndex({
      database: this.#database,
      table,
      entry,
      signal: this.#abort.signal,
      slice: this.#slice,
      ...(start.row === null ? {} : { after: new Uint8Array(Buffer.from(start.row.position, 'base64')) }),
      onSlice: async (documents, last) => {
        indexed = documents
        if (documents - saved < this.#saveEvery) return
        saved = documents
        const progress = { numDocsIndexed: doneBefore + documents, position: Buffer.from(last).toString('base64') }
        await this.#saveBackfill(entry, { ...progress, totalDocs: start.totalDocs })
      },
    })
    await this.#database.mutate('system:indexBackfill', async (tx) => {
      const current = tx.catalog.findIndexRow(entry.rowId)
      if (current?.entry.state !== 'backfilling') return
      await setIndexState(tx, current.table, current.entry, 'backfilled', current.entry.staged)
      const row = await backfills.first(tx, 'by_index_id', [indexRowId(tx, entry)])
      if (row !== null) await backfills.delete(tx, row._id)
    })
    this.#log.info(
      { table: table.name, index: entry.descriptor, documents: indexed, ms: this.#clock.monotonicMs() - startedMs },
      'An index is filled.',
    )
  }

  async #saveBackfill(entry: IndexEntry, progress: Omit<BackfillRow, 'indexId'>): Promise<void> {
    await this.#database.mutate('system:indexBackfill', async (tx) => {
      const indexId = indexRowId(tx, entry)
      const row = await backfills.first(tx, 'by_index_id', [indexId])
      if (row === null) await backfills.insert(tx, { indexId, ...progress })
      else await backfills.patch(tx, row._id, progress)
    })
  }

  async #validate(catalog: Catalog, schema: LoadedSchema): Promise<void> {
    let validated = 0
    for (const table of tablesToWalk(catalog, schema)) {
      const walked = await this.#walk(table, schema, validated)
      if (walked === undefined) return
      validated += walked
    }
    await this.#mutate(schema, async (tx) => {
      const current = findPending(tx, schema)
      if (current === undefined) return
      await setSchemaState(tx, current, { state: 'validated' })
      await deleteProgress(tx, current)
    })
    this.#log.info({ documents: validated }, 'All documents match the pushed schema.')
  }

  /** Checks all documents of a table; undefined if the schema is no longer pending. */
  async #walk(table: TableEntry, schema: LoadedSchema, doneBefore: number): Promise<number | undefined> {
    let from: Uint8Array = new Uint8Array(0)
    let documents = 0
    let saved = 0
    for (;;) {
      this.#abort.signal.throwIfAborted()
      const at = this.#database.latestTs()
      const catalog = this.#database.catalogAt(at)
      if (catalog.findSchema(schema.rowId)?.state.state !== 'pending') return undefined
      const page = await this.#scan(table, from, at)
      const tables = tableNumbers(catalog, table.namespace)
      for (const row of page.rows) {
        const error = findViolation(schema, table.name, parseValue(row.text) as ValueObject, tables)
        if (error !== undefined && (await this.#fail(table, schema, row.text))) return undefined
      }
      documents += page.rows.length
      const last = page.rows.at(-1)
      if (page.exhausted || last === undefined) return documents
      if (documents - saved >= this.#saveEvery) {
        saved = documents
        await this.#saveValidation(table, schema, doneBefore + documents)
      }
      from = keyAfter(last.key)
      await new Promise(setImmediate)
    }
  }

  async #scan(table: TableEntry, from: Uint8Array, at: Ts) {
    return this.#database.committer
      .snapshot(at)
      .scanDocuments(table.tablet, { from, to: undefined }, 'asc', this.#slice.rows, this.#slice.bytes)
  }

  /** Marks the schema failed, unless the document has been mended meanwhile (false) or the push is over. */
  async #fail(table: TableEntry, schema: LoadedSchema, text: string): Promise<boolean> {
    const id = idOf(parseValue(text) as ValueObject)
    return await this.#mutate(schema, async (tx) => {
      const current = findPending(tx, schema)
      if (current === undefined) return true
      const document = await tx.get(id, { scope: 'private' })
      const error =
        document === null
          ? undefined
          : findViolation(current, table.name, document.value, tx.tableNumbers(table.namespace))
      if (error === undefined) return false
      await setSchemaState(tx, current, {
        state: 'failed',
        error: describeViolation(id, table.name, error),
        tableName: table.name,
      })
      await deleteProgress(tx, current)
      return true
    })
  }

  async #saveValidation(table: TableEntry, schema: LoadedSchema, numDocsValidated: number): Promise<void> {
    await this.#mutate(schema, async (tx) => {
      const current = findPending(tx, schema)
      if (current === undefined) return
      const schemaId = schemaRowId(tx, current)
      const totalDocs = numDocsValidated + (await tx.count(table.name, { scope: 'private' }))
      const row = await validations.first(tx, 'by_schema_id', [schemaId])
      if (row === null) await validations.insert(tx, { schemaId, numDocsValidated, totalDocs })
      else await validations.patch(tx, row._id, { numDocsValidated })
    })
  }

  async #mutate<T>({ namespace }: LoadedSchema, run: (tx: Transaction) => Promise<T>): Promise<T> {
    const { value } = await this.#database.mutate('system:schemaValidation', run, { namespace })
    return value
  }
}

/**
 * Tables whose documents may not match: those the active schema does not hold to something at least as strict, nor has
 * found to match a staged validator that is.
 */
export function tablesToWalk(catalog: Catalog, schema: LoadedSchema): readonly TableEntry[] {
  if (!schema.schemaValidation) return []
  const { active } = catalog.schemas(schema.namespace)
  const tables: TableEntry[] = []
  for (const [tableName, validator] of schema.validators) {
    const enforced = active?.schemaValidation === true ? active.validators.get(tableName) : undefined
    if (enforced !== undefined && isSubset(enforced, validator)) continue
    if (isStagedValid(active, tableName, validator)) continue
    const table = catalog.findTable(schema.namespace, tableName)
    if (table !== undefined) tables.push(table)
  }
  return tables
}

/** An index to fill. */
function findBackfill(catalog: Catalog): { readonly table: TableEntry; readonly entry: IndexEntry } | undefined {
  for (const table of catalog.tables()) {
    if (table.state === 'deleting') continue
    const entry = table.indexes.find(({ state }) => state === 'backfilling')
    if (entry !== undefined) return { table, entry }
  }
  return undefined
}

/** A pushed schema that waits for its check. */
function findUnvalidated(catalog: Catalog): LoadedSchema | undefined {
  for (const { name, namespace } of catalog.tables()) {
    if (name !== '_schemas') continue
    const { pending } = catalog.schemas(namespace)
    if (pending?.state.state === 'pending') return pending
  }
  return undefined
}

/** A staged validator that waits for its check; nobody waits for it. */
function findStaged(catalog: Catalog): { readonly schema: LoadedSchema; readonly tableName: string } | undefined {
  for (const { name, namespace } of catalog.tables()) {
    if (name !== '_schemas') continue
    const { active } = catalog.schemas(namespace)
    for (const [tableName, { state }] of active?.staged ?? []) {
      if (active !== undefined && state === 'pending') return { schema: active, tableName }
    }
  }
  return undefined
}

function findPending(tx: Transaction, schema: LoadedSchema): LoadedSchema | undefined {
  tx.dependOnSchemas(schema.namespace)
  const current = tx.catalog.findSchema(schema.rowId)
  return current?.state.state === 'pending' ? current : undefined
}

async function deleteProgress(tx: Transaction, schema: LoadedSchema): Promise<void> {
  const row = await validations.first(tx, 'by_schema_id', [schemaRowId(tx, schema)])
  if (row !== null) await validations.delete(tx, row._id)
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
