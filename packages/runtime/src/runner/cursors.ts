import type { CursorNote } from '../protocol.ts'

/** One page of rows, as the supervisor sends it. */
export type Page = { readonly rows: readonly string[]; readonly done: boolean }

type Cursor = {
  /** Sent with the first page. */
  query: string | undefined
  rows: readonly string[]
  /** Rows of `rows` that user code has taken, and how many of them the supervisor knows of. */
  taken: number
  reported: number
  /** Nothing follows `rows`. */
  done: boolean
}

/**
 * Cursors of one execution. Rows are served from the page at hand; what user code took is reported with the next message,
 * because read sets and budgets count consumed rows only.
 */
export class Cursors {
  readonly #open = new Map<number, Cursor>()
  readonly #loadPage: (queryId: number, query: string | undefined) => Page
  #notes: CursorNote[] = []

  constructor(loadPage: (queryId: number, query: string | undefined) => Page) {
    this.#loadPage = loadPage
  }

  open(queryId: number, query: string): void {
    this.#open.set(queryId, { query, rows: [], taken: 0, reported: 0, done: false })
  }

  /** The next row, `null` at the end, undefined if there is no such cursor. */
  next(queryId: number): string | null | undefined {
    const cursor = this.#open.get(queryId)
    if (cursor === undefined) return undefined
    while (cursor.taken === cursor.rows.length) {
      if (cursor.done) return null
      const page = this.#loadPage(queryId, cursor.query)
      cursor.query = undefined
      cursor.rows = page.rows
      cursor.taken = 0
      cursor.reported = 0
      cursor.done = page.done
    }
    return cursor.rows[cursor.taken++] as string
  }

  /** The row just taken was the last, unless something is written before the next one is asked for. */
  isExhausted(queryId: number): boolean {
    const cursor = this.#open.get(queryId)
    return cursor !== undefined && cursor.done && cursor.taken === cursor.rows.length
  }

  close(queryId: number): void {
    const cursor = this.#open.get(queryId)
    if (cursor === undefined) return
    this.#report(queryId, cursor)
    this.#open.delete(queryId)
    // A cursor that never asked for a page is not known to the supervisor.
    if (cursor.query === undefined) this.#notes.push({ kind: 'closed', queryId })
  }

  /** What to tell the supervisor before anything else. */
  takeNotes(): readonly CursorNote[] {
    for (const [queryId, cursor] of this.#open) this.#report(queryId, cursor)
    const notes = this.#notes
    if (notes.length > 0) this.#notes = []
    return notes
  }

  /** After a write, rows read ahead are stale. Call `takeNotes` first: the supervisor resumes after the last row taken. */
  dropPrefetched(): void {
    for (const cursor of this.#open.values()) {
      cursor.rows = []
      cursor.taken = 0
      cursor.reported = 0
      cursor.done = false
    }
  }

  #report(queryId: number, cursor: Cursor): void {
    if (cursor.taken === cursor.reported) return
    cursor.reported = cursor.taken
    this.#notes.push({ kind: 'consumed', queryId, rows: cursor.taken })
  }
}
