import { assert, bytesToHex, systemRandom } from '@concave/base'
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
} from '../storage.ts'
import { outOfRetention, storageClosed } from '../storage-errors.ts'
import { AppendBell, tailLog } from '../tail.ts'
import { CommitterPool, type CommitterThread } from './committer-pool.ts'
import { DataLock } from './data-lock.ts'
import { encodeBatch, encodeBulk } from './record-codec.ts'
import { SnapshotReader } from './snapshot-reader.ts'
import { cacheKibDefault, holdMs } from './sqlite-limits.ts'

export type SqliteStorageOptions = {
  /** The database file; its folder must exist. */
  readonly path: string
  /** Threads shared with other storages. Without it the storage has a thread of its own. */
  readonly pool?: CommitterPool
  /** Page cache limit of each of the two connections. */
  readonly cacheKib?: number
}

type Opened = {
  readonly lock: DataLock
  readonly thread: CommitterThread
  readonly reader: SnapshotReader
  readonly generation: string
  headTs: Ts
  historyBound: Ts
  logBound: Ts
}

/**
 * One deployment's data in one SQLite file. Reads run on the calling thread, on a connection of their own; everything that
 * writes goes to a committer thread, which answers when it is durable (WAL, synchronous = FULL).
 */
export class SqliteStorage implements Storage {
  readonly #path: string
  readonly #pool: CommitterPool
  readonly #ownsPool: boolean
  readonly #cacheKib: number
  readonly #bell = new AppendBell()
  readonly #inFlight = new Set<Promise<unknown>>()
  #state: { readonly kind: 'new' | 'closed' } | { readonly kind: 'open'; readonly opened: Opened } = { kind: 'new' }
  #releaseTimer: NodeJS.Timeout | undefined
  /** While the write-ahead log is copied no transaction outlives a read: the copy would wait for it. */
  #isCheckpointing = false

  constructor(options: SqliteStorageOptions) {
    this.#path = options.path
    this.#ownsPool = options.pool === undefined
    this.#pool = options.pool ?? new CommitterPool()
    this.#cacheKib = options.cacheKib ?? cacheKibDefault
  }

  async open(): Promise<Head> {
    assert(this.#state.kind === 'new', 'A storage is opened once.')
    this.#state = { kind: 'closed' }
    try {
      const opened = await this.#open()
      this.#state = { kind: 'open', opened }
      return { ts: opened.headTs, generation: opened.generation }
    } catch (error) {
      if (this.#ownsPool) await this.#pool.close()
      throw error
    }
  }

  async close(): Promise<void> {
    const state = this.#state
    this.#state = { kind: 'closed' }
    this.#bell.close()
    clearTimeout(this.#releaseTimer)
    if (state.kind !== 'open') return
    await Promise.allSettled(this.#inFlight)
    const { reader, thread, lock } = state.opened
    thread.unwatchCheckpoints(this.#path)
    // The last connection to close tidies up the write-ahead log: let that be the committer's.
    reader.close()
    try {
      await thread.call('close', this.#path, {})
    } finally {
      lock.release()
      if (this.#ownsPool) await this.#pool.close()
    }
  }

  get heldTs(): Ts | undefined {
    return this.#state.kind === 'open' ? this.#state.opened.reader.heldTs : undefined
  }

  async read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]> {
    return this.readSync(at, ops)
  }

  /** `read` without the promise, for callers that answer a blocked runner. */
  readSync(at: Ts, ops: readonly ReadOp[]): ReadResult[] {
    const { reader, headTs, historyBound } = this.#requireOpen()
    assert(at <= headTs, `Read at ${at}, above the head ${headTs}.`)
    if (at < historyBound) throw outOfRetention('snapshot', at, historyBound)
    try {
      return reader.read(at, ops)
    } finally {
      if (this.#isCheckpointing) reader.release()
      else if (reader.heldTs !== undefined) this.#releaseTimer ??= setTimeout(() => this.#release(), holdMs).unref()
    }
  }

  async append(expect: Head, batchId: string, batch: readonly Commit[]): Promise<Appended> {
    const opened = this.#requireOpen()
    const { generation } = opened
    if (expect.generation !== generation) return { ok: false, head: { ts: opened.headTs, generation }, missed: [] }
    const answer = await this.#track(
      opened.thread.call('append', this.#path, { expectTs: expect.ts, batchId, batch: encodeBatch(batch) }),
    )
    if (answer.ts > opened.headTs) {
      opened.headTs = answer.ts
      this.#bell.ring()
    }
    const head = { ts: answer.ts, generation }
    if (answer.ok) return { ok: true, head }
    return {
      ok: false,
      head,
      missed: this.#history({ after: expect.ts, until: answer.ts, limit: Number.MAX_SAFE_INTEGER }),
    }
  }

  tail(after: Ts, signal: AbortSignal): AsyncIterable<readonly LogRecord[]> {
    const opened = this.#requireOpen()
    return tailLog(
      { bell: this.#bell, head: () => opened.headTs, history: (query) => this.#history(query) },
      after,
      signal,
    )
  }

  async history(query: HistoryQuery): Promise<LogRecord[]> {
    return this.#history(query)
  }

  async bulk(rows: readonly BulkRow[]): Promise<void> {
    const { thread, reader } = this.#requireOpen()
    try {
      await this.#track(thread.call('bulk', this.#path, { rows: encodeBulk(rows) }))
    } finally {
      // The head has not moved, and still there is something new to read.
      if (this.#state.kind === 'open') reader.release()
    }
  }

  readonly meta: MetaStore = {
    get: async (key) => this.#requireOpen().reader.getMeta(key),
    set: async (key, value, ifVersion) =>
      this.#track(this.#requireOpen().thread.call('setMeta', this.#path, { key, value, ifVersion })),
  }

  async prune(bounds: PruneBounds, maxRows: number): Promise<{ readonly done: boolean }> {
    const opened = this.#requireOpen()
    // Closed to new reads before the rows go; a read already running is synchronous and cannot be overtaken.
    opened.historyBound = highest(opened.historyBound, lowest(bounds.history, opened.headTs))
    opened.logBound = highest(opened.logBound, lowest(bounds.log, opened.headTs))
    const bound = { ...bounds, history: opened.historyBound, log: opened.logBound }
    const { done } = await this.#track(opened.thread.call('prune', this.#path, { bounds: bound, maxRows }))
    return { done }
  }

  async #open(): Promise<Opened> {
    const lock = DataLock.acquire(this.#path)
    const thread = this.#pool.assign()
    try {
      const generation = bytesToHex(systemRandom.bytes(8))
      const head = await thread.call('open', this.#path, { cacheKib: this.#cacheKib, generation })
      const reader = new SnapshotReader(this.#path, { cacheKib: this.#cacheKib })
      thread.watchCheckpoints(this.#path, (isCheckpointing) => {
        this.#isCheckpointing = isCheckpointing
        if (isCheckpointing) this.#release()
      })
      return {
        lock,
        thread,
        reader,
        generation: head.generation,
        headTs: head.ts,
        historyBound: head.historyBound,
        logBound: head.logBound,
      }
    } catch (error) {
      lock.release()
      throw error
    }
  }

  #release(): void {
    this.#releaseTimer = undefined
    if (this.#state.kind === 'open') this.#state.opened.reader.release()
  }

  #requireOpen(): Opened {
    if (this.#state.kind !== 'open') throw storageClosed()
    return this.#state.opened
  }

  #history(query: HistoryQuery): LogRecord[] {
    const { reader, logBound } = this.#requireOpen()
    if (query.after < logBound) throw outOfRetention('log', query.after, logBound)
    return reader.history(query)
  }

  /** Remembers what `close` must wait for. */
  async #track<T>(work: Promise<T>): Promise<T> {
    this.#inFlight.add(work)
    try {
      return await work
    } finally {
      this.#inFlight.delete(work)
    }
  }
}

function lowest(a: Ts, b: Ts): Ts {
  return a < b ? a : b
}

function highest(a: Ts, b: Ts): Ts {
  return a > b ? a : b
}
