import { WriteConflict, type Clock, type Log, type Random } from '@concave/base'
import type { IndexId, Storage, Tablet, Ts } from '@concave/storage'
import { encodeDocumentId } from '@concave/values'

import { bootstrap, ensureSystemTables } from './bootstrap.ts'
import type { Catalog, TableEntry } from './catalog.ts'
import { allDocuments, CatalogHistory } from './catalog-history.ts'
import { CommitConflict, OutOfRetention } from './commit-errors.ts'
import { Committer, type Committed } from './committer.ts'
import { describeConflict } from './conflict-message.ts'
import { PageCursorCodec } from './page-cursor.ts'
import type { ReadSet } from './read-set.ts'
import { TextCache, type TextCacheOptions } from './search/text-cache.ts'
import type { OnInvalidated, Subscription } from './subscriptions.ts'
import { rootNamespace, systemTables, type SystemTable } from './system-tables.ts'
import { TableCounts } from './table-counts.ts'
import { Transaction, type TransactionKind } from './transaction.ts'
import { compileVectorQuery, parseVectorQuery } from './vectors/vector-query.ts'
import { VectorSearches } from './vectors/vector-searches.ts'
import {
  databaseLimits,
  defaultTransactionLimits,
  systemTransactionLimits,
  type TransactionLimits,
} from './transaction-limits.ts'

export type DatabaseDependencies = {
  /** Not yet opened; the database opens and closes it. */
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** System tables of the caller, beside ours. */
  readonly tables?: readonly SystemTable[]
  /** Waits between attempts of native transactions. */
  readonly sleep?: (ms: number) => Promise<void>
  /** Memory for what snapshots read; 0 for none. */
  readonly readCacheBytes?: number
  /** What text searches keep. */
  readonly textCache?: TextCacheOptions
  /** Memory for vectors that were searched. */
  readonly vectors?: { readonly maxBytes: number }
}

export type BeginOptions = {
  /** Snapshot; by default the newest durable one for queries, the newest applied one for mutations. */
  readonly at?: Ts
  readonly limits?: TransactionLimits
  /** The transaction in whose budget this one counts. */
  readonly partOf?: Transaction
  readonly namespace?: string
}

/** The document database of one deployment: begins transactions, commits them, and tells who must read again. */
export class Database {
  readonly storage: Storage
  readonly committer: Committer
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #sleep: (ms: number) => Promise<void>
  readonly #codec: PageCursorCodec
  readonly #catalogs: CatalogHistory
  readonly #counts: TableCounts
  readonly #textCache: TextCache
  readonly #vectorSearches: VectorSearches
  readonly #catalogListeners = new Set<() => void>()
  #durableCatalog: Catalog
  #oldestTs: Ts = 0n
  #checkpoint: Promise<void> | undefined

  /** Opens or creates. Missing system tables and indexes are added before it answers. */
  static async open(deps: DatabaseDependencies): Promise<Database> {
    const committer = await Committer.open(deps)
    try {
      return await Database.#openOn(deps, committer)
    } catch (error) {
      await committer.close()
      throw error
    }
  }

  static async #openOn(deps: DatabaseDependencies, committer: Committer): Promise<Database> {
    const headTs = committer.durableTs
    const catalogs = await CatalogHistory.load(committer.snapshot(headTs))
    const definitions = [...systemTables, ...(deps.tables ?? [])]
    const counts = await TableCounts.load(deps.storage, headTs, findCountedIndexes(catalogs.latest), (index, from) =>
      committer.snapshot(headTs).countKeys(index, { from, to: undefined }),
    )
    const codec = await PageCursorCodec.load(deps.storage.meta, deps.random)
    const database = new Database(deps, committer, catalogs, counts, codec)
    if (headTs === 0n) {
      await database.mutate('system:bootstrap', (tx) => bootstrap(tx, definitions))
      database.forgetSnapshots(database.latestTs())
    } else {
      await ensureSystemTables(database, definitions)
    }
    return database
  }

  private constructor(
    deps: DatabaseDependencies,
    committer: Committer,
    catalogs: CatalogHistory,
    counts: TableCounts,
    codec: PageCursorCodec,
  ) {
    this.storage = deps.storage
    this.committer = committer
    this.#clock = deps.clock
    this.#random = deps.random
    this.#log = deps.log.child({ room: 'database' })
    this.#sleep = deps.sleep ?? defaultSleep
    this.#codec = codec
    this.#catalogs = catalogs
    this.#counts = counts
    this.#textCache = new TextCache({ ...deps.textCache, startTs: committer.appliedTs })
    this.#vectorSearches = new VectorSearches({ startTs: committer.appliedTs, ...deps.vectors })
    committer.onApplied((commit) => {
      const before = this.#catalogs.latest
      this.#catalogs.apply(commit)
      const { latest } = this.#catalogs
      if (latest !== before) this.#counts.watch(findCountedIndexes(latest))
      this.#counts.apply(commit)
      this.#textCache.apply(commit)
      this.#vectorSearches.apply(commit)
    })
    this.#durableCatalog = catalogs.latest
    committer.onPublished(() => {
      this.#checkpointIfDue()
      this.#tellCatalogListeners()
    })
  }

  begin(kind: TransactionKind, options: BeginOptions = {}): Transaction {
    const at = options.at ?? (kind === 'query' ? this.committer.durableTs : this.committer.appliedTs)
    if (at < this.#oldestTs && at < this.committer.durableTs) throw new OutOfRetention('This snapshot')
    return new Transaction({
      kind,
      snapshot: this.committer.snapshot(at),
      catalog: this.#catalogs.at(at),
      random: this.#random,
      codec: this.#codec,
      textCache: this.#textCache,
      limits: options.limits ?? defaultTransactionLimits,
      partOf: options.partOf,
      namespace: options.namespace ?? rootNamespace,
      nowNs: this.#clock.nowNs(),
      countDocuments: (table) => this.#countDocuments(table, at),
      countWithValue: () => this.#counts.countWithValue(),
    })
  }

  /**
   * Ends a transaction. Throws `WriteConflict` or `OutOfRetention` if it must run again. `ts` is the commit ts, or the
   * begin ts if nothing was written; tell nobody the outcome before `durable`.
   */
  commit(tx: Transaction, source: string): Committed {
    if (!tx.hasWrites) return { ts: tx.beginTs, durable: this.committer.whenDurable(tx.beginTs) }
    try {
      return this.committer.commit({
        beginTs: tx.beginTs,
        reads: tx.reads,
        source,
        build: (ts) => tx.buildEffects(ts),
      })
    } catch (error) {
      if (error instanceof CommitConflict) throw describeConflict(error, this.#catalogs.latest, source)
      throw error
    }
  }

  /** Runs a native read at the newest durable snapshot (or `at`). */
  async read<T>(
    run: (tx: Transaction) => Promise<T>,
    options: { readonly at?: Ts; readonly namespace?: string } = {},
  ): Promise<{ readonly value: T; readonly ts: Ts; readonly reads: ReadSet }> {
    const tx = this.begin('query', { ...options, limits: systemTransactionLimits })
    const value = await run(tx)
    return { value, ts: tx.beginTs, reads: tx.reads }
  }

  /** Runs a native transaction until it meets no conflict; resolves once it is durable. `run` may be called again. */
  async mutate<T>(
    source: string,
    run: (tx: Transaction) => Promise<T>,
    options: { readonly namespace?: string } = {},
  ): Promise<{ readonly value: T; readonly ts: Ts }> {
    for (let attempt = 1; ; attempt += 1) {
      const tx = this.begin('mutation', { ...options, limits: systemTransactionLimits })
      try {
        const value = await run(tx)
        const { ts, durable } = this.commit(tx, source)
        await durable
        return { value, ts }
      } catch (error) {
        const isRetryable = error instanceof WriteConflict || error instanceof OutOfRetention
        if (!isRetryable || attempt === databaseLimits.maxNativeAttempts) throw error
        await this.#sleep(this.#backoffMs(attempt))
      }
    }
  }

  /**
   * The documents nearest to a vector at the newest durable snapshot, best first (database.md §7.2). `query` as actions
   * send it (function-runtime.md §2.7); throws the developer's error. Nothing watches what was found.
   */
  async vectorSearch(
    query: unknown,
    options: { readonly namespace?: string } = {},
  ): Promise<readonly { readonly _id: string; readonly _score: number }[]> {
    const parsed = parseVectorQuery(query)
    const tx = this.begin('query', options)
    const found = tx.findVectorIndex(parsed.tableName, parsed.indexName)
    if (found?.entry.vector === undefined) return []
    const { table, entry } = found
    const compiled = compileVectorQuery(`${parsed.tableName}.${parsed.indexName}`, found.entry.vector, parsed)
    const results = await this.#vectorSearches.search(this.committer.snapshot(tx.beginTs), entry, compiled)
    return results.map(({ id, score }) => ({ _id: encodeDocumentId(table.number, toInternalId(id)), _score: score }))
  }

  /** Calls back once when a durable commit after `at` touches `reads`. */
  subscribe(reads: ReadSet, at: Ts, onInvalidated: OnInvalidated): Subscription {
    return this.committer.subscribe(reads, at, onInvalidated)
  }

  /** Newest durable and published commit. */
  latestTs(): Ts {
    return this.committer.durableTs
  }

  /** Newest catalog, applied commits included. For native work that re-checks inside a transaction. */
  get catalog(): Catalog {
    return this.#catalogs.latest
  }

  /** The catalog as of `ts`. */
  catalogAt(ts: Ts): Catalog {
    return this.#catalogs.at(ts)
  }

  /**
   * Ends the use of snapshots older than `bound`, before what only they need is pruned. Returns the oldest catalog that
   * is still needed.
   */
  forgetSnapshots(bound: Ts): Catalog {
    if (bound > this.#oldestTs) this.#oldestTs = bound
    this.#catalogs.forget(bound)
    return this.#catalogs.oldest
  }

  /** The log up to here is no longer needed to know how many documents each table has. */
  get countsCheckpointTs(): Ts {
    return this.#counts.checkpointTs
  }

  /** Calls `listener` when durable commits have changed tables, indexes or schemas. Returns what ends it. */
  onCatalogChanged(listener: () => void): () => void {
    this.#catalogListeners.add(listener)
    return () => this.#catalogListeners.delete(listener)
  }

  /** Resolves when storage has failed: everything that is not durable is gone, open the database again. */
  get failed(): Promise<Error> {
    return this.committer.failed
  }

  async close(): Promise<void> {
    await this.#vectorSearches.close()
    await this.#checkpoint
    try {
      await this.committer.whenDurable(this.committer.appliedTs)
      await this.#counts.saveCheckpoint(this.committer.durableTs)
    } catch (error) {
      this.#log.warn({ err: error }, 'The table counts were not saved at close; they are replayed at open.')
    }
    await this.committer.close()
  }

  async #countDocuments(table: TableEntry, at: Ts): Promise<number> {
    const known = this.#counts.countAt(table.tablet, at)
    if (known !== undefined) return known
    let count = 0
    for await (const _ of allDocuments(this.committer.snapshot(at), table.tablet)) count += 1
    return count
  }

  #tellCatalogListeners(): void {
    const catalog = this.#catalogs.at(this.committer.durableTs)
    if (catalog === this.#durableCatalog) return
    this.#durableCatalog = catalog
    for (const listener of this.#catalogListeners) listener()
  }

  #checkpointIfDue(): void {
    if (!this.#counts.isCheckpointDue || this.#checkpoint !== undefined) return
    this.#checkpoint = this.#counts
      .saveCheckpoint(this.committer.durableTs)
      .catch((error: unknown) =>
        this.#log.warn({ err: error }, 'Saving the table counts failed; they are replayed at open.'),
      )
      .finally(() => {
        this.#checkpoint = undefined
      })
  }

  /** Exponential, with full jitter. */
  #backoffMs(attempt: number): number {
    const { minNativeBackoffMs, maxNativeBackoffMs } = databaseLimits
    const ceiling = Math.min(maxNativeBackoffMs, minNativeBackoffMs * 2 ** attempt)
    const [byte = 0] = this.#random.bytes(1)
    return (ceiling * (byte + 1)) / 256
  }
}

function toInternalId(words: readonly number[]): Uint8Array {
  const id = Buffer.alloc(16)
  for (const [word, value] of words.entries()) id.writeUInt32BE(value, word * 4)
  return new Uint8Array(id)
}

function defaultSleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** By table, of all namespaces. */
function findCountedIndexes(catalog: Catalog): ReadonlyMap<Tablet, IndexId> {
  const found = new Map<Tablet, IndexId>()
  for (const { isSystem, state, name, tablet, indexes } of catalog.tables()) {
    const countedIndex = isSystem && state === 'active' ? countedIndexes.get(name) : undefined
    const entry = countedIndex === undefined ? undefined : indexes.find(({ descriptor }) => descriptor === countedIndex)
    if (entry !== undefined) found.set(tablet, entry.index)
  }
  return found
}

const countedIndexes: ReadonlyMap<string, string> = new Map(
  systemTables.flatMap(({ name, countedIndex }) => (countedIndex === undefined ? [] : [[name, countedIndex]])),
)
