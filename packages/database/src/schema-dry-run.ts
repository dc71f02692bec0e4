import type { Clock } from '@concave/base'
import { parseValue, type ValueObject } from '@concave/values'

import type { TableEntry } from './catalog.ts'
import type { Database } from './database.ts'
import { describeViolation, idOf, tableNumbers } from './document-violation.ts'
import { defaultSlice, type Slice } from './index-backfill.ts'
import { LoadedSchema } from './loaded-schema.ts'
import { keyAfter } from './read-set.ts'
import { findViolation } from './schema-enforcement.ts'
import type { SchemaProgress } from './schema-progress.ts'
import { tablesToWalk } from './schema-worker.ts'
import { rootNamespace } from './system-tables.ts'

/**
 * Checks existing documents against a schema that is not being pushed: what `SchemaWorker` would find, with nothing
 * written. It works while somebody waits for it, and goes on where it stopped. Documents that change meanwhile may or may
 * not have been seen.
 */
export class SchemaDryRun {
  readonly #database: Database
  readonly #clock: Clock
  readonly #slice: Slice
  readonly #schema: LoadedSchema
  #toWalk: readonly TableEntry[]
  /** Where the first of `#toWalk` goes on. */
  #from: Uint8Array = new Uint8Array(0)
  #failure: SchemaProgress | undefined
  #running: Promise<SchemaProgress> | undefined

  /** `text`: a schema's JSON text that `parseSchema` takes. `namespace`: whose documents; one that nobody has is empty. */
  constructor(
    deps: { readonly database: Database; readonly clock: Clock; readonly slice?: Slice },
    text: string,
    namespace: string = rootNamespace,
  ) {
    this.#database = deps.database
    this.#clock = deps.clock
    this.#slice = deps.slice ?? defaultSlice
    const row = JSON.stringify({ state: { state: 'pending' }, schema: text })
    this.#schema = LoadedSchema.parseRow({ namespace }, new Uint8Array(16), row, undefined)
    this.#toWalk = tablesToWalk(deps.database.catalogAt(deps.database.latestTs()), this.#schema)
  }

  /** Works for up to `timeoutMs`, or until the answer is final. Who comes meanwhile gets the same answer. */
  async advance(timeoutMs: number): Promise<SchemaProgress> {
    this.#running ??= this.#work(this.#clock.monotonicMs() + timeoutMs).finally(() => {
      this.#running = undefined
    })
    return await this.#running
  }

  async #work(deadlineMs: number): Promise<SchemaProgress> {
    for (;;) {
      if (this.#failure !== undefined) return this.#failure
      const [table, ...rest] = this.#toWalk
      if (table === undefined) return { type: 'complete' }
      if (await this.#checkSlice(table)) {
        this.#toWalk = rest
        this.#from = new Uint8Array(0)
      }
      if (this.#clock.monotonicMs() >= deadlineMs && this.#toWalk.length > 0 && this.#failure === undefined) {
        return { type: 'inProgress', schemaValidationComplete: false, indexesComplete: 0, indexesTotal: 0 }
      }
      await new Promise(setImmediate)
    }
  }

  /** True when it was the table's last. */
  async #checkSlice(table: TableEntry): Promise<boolean> {
    const at = this.#database.latestTs()
    const { rows, exhausted } = await this.#database.committer
      .snapshot(at)
      .scanDocuments(table.tablet, { from: this.#from, to: undefined }, 'asc', this.#slice.rows, this.#slice.bytes)
    const tables = tableNumbers(this.#database.catalogAt(at), table.namespace)
    for (const row of rows) {
      const document = parseValue(row.text) as ValueObject
      const error = findViolation(this.#schema, table.name, document, tables)
      if (error === undefined) continue
      this.#failure = {
        type: 'failed',
        error: describeViolation(idOf(document), table.name, error),
        tableName: table.name,
      }
      return true
    }
    const last = rows.at(-1)
    if (last !== undefined) this.#from = keyAfter(last.key)
    return exhausted || last === undefined
  }
}
