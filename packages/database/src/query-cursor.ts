import type { KeyRange } from '@concave/storage'

import type { Budget } from './budget.ts'
import type { OwnWrites } from './own-writes.ts'
import { Pipeline, type Remaining } from './pipeline.ts'
import type { QueryOperator } from './query-json.ts'
import type { ReadSet } from './read-set.ts'
import { openScanner, rangeThrough, recordReads, restAfter, type Source } from './row-scanner.ts'
import type { Snapshot } from './snapshot.ts'
import { databaseLimits } from './transaction-limits.ts'

/** What a cursor reads from and reports to: the parts of its transaction. */
export type CursorHost = {
  readonly snapshot: Snapshot
  readonly writes: OwnWrites
  readonly reads: ReadSet
  readonly budget: Budget
}

export type CursorPage = { readonly rows: readonly string[]; readonly done: boolean }

/** A row that was handed out, with everything up to and with it: documents and bytes scanned, limits left. */
type PageRow = {
  readonly key: Uint8Array
  readonly documents: number
  readonly bytes: number
  readonly remaining: Remaining
}

type Page = {
  readonly rows: readonly PageRow[]
  /** Set if nothing follows: what was scanned in all, and which part of the range that is. */
  readonly end: { readonly documents: number; readonly bytes: number; readonly range: KeyRange } | undefined
  consumed: number | undefined
}

/**
 * An open `queryStream`. Pages are handed out ahead of use; only rows that were consumed enter the read set and the
 * budgets, with the rows that filters dropped before them (database.md §5.2). A page nobody reported on counts whole.
 * Each page starts behind the last consumed row and sees the transaction's writes up to then.
 */
export class QueryCursor {
  readonly #host: CursorHost
  /** Undefined: the table does not exist, so there is nothing to read. */
  readonly #source: Source | undefined
  readonly #operators: readonly QueryOperator[]
  readonly #onClose: (cursor: QueryCursor) => void
  #rest: KeyRange | undefined
  #remaining: Remaining
  #page: Page | undefined

  constructor(deps: {
    readonly host: CursorHost
    readonly source: Source | undefined
    readonly operators: readonly QueryOperator[]
    readonly onClose: (cursor: QueryCursor) => void
  }) {
    this.#host = deps.host
    this.#source = deps.source
    this.#operators = deps.operators
    this.#onClose = deps.onClose
    this.#rest = deps.source?.range
    this.#remaining = new Pipeline(deps.operators).remaining
  }

  /** The next rows as wire JSON, at most `maxRows` (and 100 rows, 256 KiB). Empty only when done. */
  async nextPage(maxRows: number): Promise<CursorPage> {
    this.settle()
    const pipeline = new Pipeline(this.#operators, this.#remaining)
    if (this.#source === undefined || this.#rest === undefined || pipeline.isFull) {
      this.#rest = undefined
      return { rows: [], done: true }
    }
    return this.#scan(
      { ...this.#source, range: this.#rest },
      pipeline,
      Math.min(maxRows, databaseLimits.maxCursorPageRows),
    )
  }

  /** How many rows of the last page user code has taken so far. */
  consumed(rows: number): void {
    if (this.#page !== undefined) this.#page.consumed = rows
  }

  /** Records what was consumed of the last page. */
  settle(): void {
    const page = this.#page
    if (page === undefined || this.#source === undefined || this.#rest === undefined) return
    this.#page = undefined
    const count = Math.min(page.consumed ?? page.rows.length, page.rows.length)
    if (count === page.rows.length && page.end !== undefined) {
      this.#record(page.end.documents, page.end.bytes, page.end.range)
      this.#rest = undefined
      return
    }
    const last = page.rows[count - 1]
    if (last === undefined) return
    this.#record(last.documents, last.bytes, rangeThrough(this.#rest, last.key, this.#source.order))
    this.#rest = restAfter(this.#rest, last.key, this.#source.order)
    this.#remaining = last.remaining
  }

  /** Ends the cursor; what was consumed stays recorded. */
  close(): void {
    this.settle()
    this.#rest = undefined
    this.#onClose(this)
  }

  async #scan(source: Source, pipeline: Pipeline, maxRows: number): Promise<CursorPage> {
    const scanner = openScanner({ snapshot: this.#host.snapshot, writes: this.#host.writes, source })
    const { isSystem } = source.table
    const readable = this.#host.budget.readable(isSystem)
    const texts: string[] = []
    const rows: PageRow[] = []
    let documents = 0
    let bytes = 0
    let outputBytes = 0
    let scanLimit = pipeline.hasFilter ? databaseLimits.minScanRows : Math.min(maxRows, pipeline.capacity)
    for (;;) {
      const row = scanner.take()
      if (row === undefined) {
        if (await scanner.fill(scanLimit)) {
          scanLimit *= 2
          continue
        }
        if (scanner.cutOff !== undefined) {
          if (rows.length > 0) break
          this.#record(documents, bytes, source.range)
          throw scanner.cutOff
        }
        this.#page = { rows, end: { documents, bytes, range: source.range }, consumed: undefined }
        return this.#handOut(texts, true)
      }
      const { size } = row.document
      if (documents + 1 > readable.documents || bytes + size > readable.bytes) {
        if (rows.length > 0) break
        this.#record(documents + 1, bytes + size, rangeThrough(source.range, row.key, source.order))
        this.#host.budget.checkReads(isSystem)
      }
      documents += 1
      bytes += size
      const accepted = pipeline.accepts(row.document)
      if (accepted) {
        texts.push(row.document.text)
        outputBytes += row.document.text.length
        rows.push({ key: row.key, documents, bytes, remaining: pipeline.remaining })
      }
      if (pipeline.isFull) {
        const range = rangeThrough(source.range, row.key, source.order)
        this.#page = { rows, end: { documents, bytes, range }, consumed: undefined }
        return this.#handOut(texts, true)
      }
      if (accepted && (rows.length >= maxRows || outputBytes >= databaseLimits.maxCursorPageBytes)) break
    }
    this.#page = { rows, end: undefined, consumed: undefined }
    return this.#handOut(texts, false)
  }

  #handOut(rows: readonly string[], done: boolean): CursorPage {
    // An empty last page is seen to be over by whoever gets it.
    if (rows.length === 0) this.settle()
    return { rows, done }
  }

  #record(documents: number, bytes: number, range: KeyRange): void {
    if (this.#source === undefined) return
    this.#host.budget.addRead(this.#source.table.isSystem, documents, bytes)
    recordReads(this.#host.reads, this.#source, range)
  }
}
