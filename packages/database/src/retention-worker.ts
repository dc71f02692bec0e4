import type { Clock, Log } from '@concave/base'
import type { IndexId, Tablet, Ts } from '@concave/storage'

import type { Catalog } from './catalog.ts'
import type { Database } from './database.ts'
import { dropIndex, removeTableRow } from './table-definitions.ts'
import { databaseLimits } from './transaction-limits.ts'

const metaKey = 'database/prunedObjects'
const maxRowsPerCall = 2000
const defaultIntervalMs = 60_000
/** How long the log of commits is kept for streaming export (database.md §9). */
const logRetentionNs = 14n * 86_400n * 1_000_000_000n

export type RetentionWorkerDependencies = {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly intervalMs?: number
}

/**
 * Forgets what nobody can read any more: superseded revisions, old log records, rows of dropped indexes and tables. In
 * small steps between other work; what it misses today it finds tomorrow.
 */
export class RetentionWorker {
  readonly #database: Database
  readonly #clock: Clock
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  #isStopped = false
  #running: Promise<void> | undefined

  static start(deps: RetentionWorkerDependencies): RetentionWorker {
    return new RetentionWorker(deps)
  }

  private constructor(deps: RetentionWorkerDependencies) {
    this.#database = deps.database
    this.#clock = deps.clock
    this.#log = deps.log.child({ room: 'database:retention-worker' })
    this.#timer = setInterval(() => this.#tick(), deps.intervalMs ?? defaultIntervalMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#running
  }

  #tick(): void {
    this.#running ??= this.runOnce()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'Pruning was interrupted; it is tried again.'))
      .finally(() => {
        this.#running = undefined
      })
  }

  /** One round over everything. */
  async runOnce(): Promise<void> {
    const nowNs = this.#clock.nowNs()
    const database = this.#database
    const catalog = database.forgetSnapshots(nowNs - databaseLimits.snapshotRetentionNs)
    await this.#removeDeletedTables(catalog)
    const pruned = await this.#loadPruned()
    const tablets = missing(
      catalog.counters.nextTablet,
      new Set(Array.from(catalog.tables(), ({ tablet }) => tablet)),
      pruned.tablets,
    )
    const present = new Set(Array.from(catalog.tables()).flatMap(({ indexes }) => indexes.map(({ index }) => index)))
    const indexes = missing(catalog.counters.nextIndex, present, pruned.indexes)
    const bounds = {
      history: earlier(nowNs - databaseLimits.snapshotRetentionNs, database.latestTs()),
      log: earlier(nowNs - logRetentionNs, database.countsCheckpointTs),
      tablets,
      indexes,
    }
    for (let done = false; !done && !this.#isStopped;) {
      ;({ done } = await database.committer.prune(bounds, maxRowsPerCall))
      await new Promise(setImmediate)
    }
    if (this.#isStopped || (tablets.length === 0 && indexes.length === 0)) return
    await this.#savePruned({
      tablets: [...pruned.tablets, ...tablets],
      indexes: [...pruned.indexes, ...indexes],
      version: pruned.version,
    })
  }

  /** A deleted table's rows go once no snapshot sees it; then its number is free and its tablet is one of the missing. */
  async #removeDeletedTables(catalog: Catalog): Promise<void> {
    for (const { tablet, state } of catalog.tables()) {
      if (state !== 'deleting') continue
      await this.#database.mutate('system:tableDeletion', async (tx) => {
        const table = tx.catalog.findTablet(tablet)
        if (table?.state !== 'deleting') return
        for (const entry of table.indexes) await dropIndex(tx, table, entry)
        await removeTableRow(tx, table)
      })
    }
  }

  async #loadPruned(): Promise<Pruned> {
    const record = await this.#database.storage.meta.get(metaKey)
    if (record === undefined) return { tablets: [], indexes: [], version: 0 }
    return { ...(JSON.parse(record.value) as Omit<Pruned, 'version'>), version: record.version }
  }

  async #savePruned({ version, ...pruned }: Pruned): Promise<void> {
    await this.#database.storage.meta.set(metaKey, JSON.stringify(pruned), version)
  }
}

type Pruned = { readonly tablets: readonly Tablet[]; readonly indexes: readonly IndexId[]; readonly version: number }

/** Numbers that were given out, belong to nothing any more and have not been pruned yet. */
function missing(next: number, present: ReadonlySet<number>, pruned: readonly number[]): readonly number[] {
  const done = new Set(pruned)
  const numbers: number[] = []
  for (let number = 1; number < next; number += 1) {
    if (!present.has(number) && !done.has(number)) numbers.push(number)
  }
  return numbers
}

function earlier(a: Ts, b: Ts): Ts {
  return a < b ? a : b
}
