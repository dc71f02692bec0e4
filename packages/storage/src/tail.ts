import { createDeferred, type Deferred } from '@concave/base'
import { pageRecordsMax } from './limits.ts'
import type { HistoryQuery, LogRecord, Ts } from './storage.ts'

/** Wakes everyone who waits for the next append of one deployment. */
export class AppendBell {
  #next: Deferred<void> = createDeferred()
  #isClosed = false

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Settles at the next `ring` or `close`. Ask for it before looking at the head, otherwise an append slips through. */
  get next(): Promise<void> {
    return this.#next.promise
  }

  ring(): void {
    this.#next.resolve()
    this.#next = createDeferred()
  }

  /** Ends all tails. */
  close(): void {
    this.#isClosed = true
    this.#next.resolve()
  }
}

/** Follows the log with `history` pages; ends when `signal` aborts or the bell is closed. */
export async function* tailLog(
  source: {
    readonly bell: AppendBell
    readonly head: () => Ts
    readonly history: (query: HistoryQuery) => LogRecord[]
  },
  after: Ts,
  signal: AbortSignal,
): AsyncGenerator<readonly LogRecord[]> {
  const aborted = createDeferred<void>()
  const onAbort = (): void => aborted.resolve()
  signal.addEventListener('abort', onAbort)
  try {
    let position = after
    while (!signal.aborted && !source.bell.isClosed) {
      const next = source.bell.next
      const head = source.head()
      const records = position < head ? source.history({ after: position, until: head, limit: pageRecordsMax }) : []
      const last = records.at(-1)
      if (last === undefined) {
        await Promise.race([next, aborted.promise])
      } else {
        position = last.ts
        yield records
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
