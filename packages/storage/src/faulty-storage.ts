import { createDeferred } from '@concave/base'
import type {
  Appended,
  BulkRow,
  Commit,
  Head,
  HistoryQuery,
  LogRecord,
  MetaStore,
  PruneBounds,
  ReadOp,
  ReadResult,
  Storage,
  Ts,
} from './storage.ts'

/** What happens to one append. `before`: nothing is written. `after`: durable, but the caller sees the error. */
type Fault = (append: () => Promise<Appended>) => Promise<Appended>

/** A held append: `arrived` settles when the append is there, `release` lets it go on. */
export type HeldAppend = { readonly arrived: Promise<void>; readonly release: () => void }

/** A storage whose appends fail or hang on demand. Faults apply to the next appends in the order they were asked for. */
export class FaultyStorage implements Storage {
  readonly #storage: Storage
  readonly #faults: Fault[] = []

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** The next append is rejected with `error`; nothing is written. */
  failNextAppend(error: Error = new Error('Injected: the append failed.')): void {
    this.#faults.push(() => Promise.reject(error))
  }

  /** The next append becomes durable and is rejected with `error` all the same: an unknown outcome. */
  failNextAppendAfterDurable(error: Error = new Error('Injected: the answer was lost.')): void {
    this.#faults.push(async (append) => {
      await append()
      throw error
    })
  }

  /** The next append waits, before anything is written, until it is released. */
  holdNextAppend(): HeldAppend {
    const arrived = createDeferred<void>()
    const released = createDeferred<void>()
    this.#faults.push(async (append) => {
      arrived.resolve()
      await released.promise
      return append()
    })
    return { arrived: arrived.promise, release: () => released.resolve() }
  }

  /** The next append becomes durable at once, but its answer waits until it is released. */
  holdNextAppendAfterDurable(): HeldAppend {
    const arrived = createDeferred<void>()
    const released = createDeferred<void>()
    this.#faults.push(async (append) => {
      const appended = await append()
      arrived.resolve()
      await released.promise
      return appended
    })
    return { arrived: arrived.promise, release: () => released.resolve() }
  }

  append(expect: Head, batchId: string, batch: readonly Commit[]): Promise<Appended> {
    const append = (): Promise<Appended> => this.#storage.append(expect, batchId, batch)
    const fault = this.#faults.shift()
    return fault === undefined ? append() : fault(append)
  }

  get meta(): MetaStore {
    return this.#storage.meta
  }

  open(): Promise<Head> {
    return this.#storage.open()
  }

  close(): Promise<void> {
    return this.#storage.close()
  }

  get heldTs(): Ts | undefined {
    return this.#storage.heldTs
  }

  read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]> {
    return this.#storage.read(at, ops)
  }

  tail(after: Ts, signal: AbortSignal): AsyncIterable<readonly LogRecord[]> {
    return this.#storage.tail(after, signal)
  }

  history(query: HistoryQuery): Promise<LogRecord[]> {
    return this.#storage.history(query)
  }

  bulk(rows: readonly BulkRow[]): Promise<void> {
    return this.#storage.bulk(rows)
  }

  prune(bounds: PruneBounds, maxRows: number): Promise<{ readonly done: boolean }> {
    return this.#storage.prune(bounds, maxRows)
  }
}
