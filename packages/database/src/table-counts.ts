import { assert } from '@concave/base'
import type { Commit, IndexId, Storage, Tablet, Ts } from '@concave/storage'
import { encodeKey } from '@concave/values'

const metaKey = 'database/tableCounts'
/** A crash costs the replay of at most this many commits at the next open. */
const checkpointEvery = 2000
const replayPageSize = 500
/** Changes per table that can be undone to count at an older snapshot. */
const maxChanges = 65_536

type Change = { readonly ts: Ts; readonly change: number }
type TabletCount = { count: number; changes: Change[]; floorTs: Ts }

/** How the keys of documents begin that do not have an index's first field. */
const absentTag = encodeKey([undefined])[0]

/**
 * How many documents each table has, and of watched indexes how many documents have a value in the first field, kept by following commits, so that counting reads no documents. Durable as a
 * checkpoint in storage; opening replays the log since. The log must not be pruned beyond `checkpointTs`.
 */
export class TableCounts {
  readonly #storage: Storage
  /** Of watched indexes under the negative of their numbers, which no tablet has. */
  readonly #counts = new Map<Tablet, TabletCount>()
  readonly #watched: Map<Tablet, IndexId>
  #checkpointTs: Ts
  #metaVersion: number
  #sinceCheckpoint = 0

  private constructor(storage: Storage, checkpointTs: Ts, metaVersion: number, watched: Map<Tablet, IndexId>) {
    this.#storage = storage
    this.#watched = watched
    this.#checkpointTs = checkpointTs
    this.#metaVersion = metaVersion
  }

  /**
   * Loads the counts as of `headTs`. `watched`: by table, an index of which documents with a value are counted;
   * `countKeys` counts one that an older checkpoint does not know.
   */
  static async load(
    storage: Storage,
    headTs: Ts,
    watched: ReadonlyMap<Tablet, IndexId> = new Map(),
    countKeys: (index: IndexId, from: Uint8Array) => Promise<number> = async () => 0,
  ): Promise<TableCounts> {
    const record = await storage.meta.get(metaKey)
    const stored = record === undefined ? { ts: '0', counts: {} } : (JSON.parse(record.value) as Checkpoint)
    const counts = new TableCounts(storage, BigInt(stored.ts), record?.version ?? 0, new Map(watched))
    for (const [tablet, count] of Object.entries(stored.counts)) {
      counts.#counts.set(Number(tablet), { count, changes: [], floorTs: headTs })
    }
    for (const index of watched.values()) counts.#change(-index, 0n, 0)
    await counts.#replay(headTs)
    for (const [tablet, index] of watched) {
      const isKnown = stored.counts[-index] !== undefined || (stored.counts[tablet] ?? 0) === 0
      if (isKnown) continue
      const count = await countKeys(index, Uint8Array.of((absentTag ?? 0) + 1))
      counts.#counts.set(-index, { count, changes: [], floorTs: headTs })
    }
    return counts
  }

  get checkpointTs(): Ts {
    return this.#checkpointTs
  }

  apply(commit: Commit): void {
    let touched: Set<IndexId> | undefined
    for (const { tablet, prevTs, text } of commit.documents) {
      const watched = this.#watched.get(tablet)
      if (watched !== undefined) touched = (touched ?? new Set()).add(watched)
      if ((prevTs === null) === (text === null)) continue
      this.#change(tablet, commit.ts, text === null ? -1 : 1)
    }
    if (touched !== undefined) this.#applyIndexes(commit, touched)
    this.#sinceCheckpoint += 1
  }

  /** Watches these and no others from now on. What is added must have no documents yet. */
  watch(watched: ReadonlyMap<Tablet, IndexId>): void {
    for (const [tablet, index] of this.#watched) {
      if (watched.has(tablet)) continue
      this.#watched.delete(tablet)
      this.#counts.delete(-index)
    }
    for (const [tablet, index] of watched) {
      if (this.#watched.has(tablet)) continue
      assert((this.#counts.get(tablet)?.count ?? 0) === 0, 'a table is watched before it has documents')
      this.#watched.set(tablet, index)
      this.#change(-index, 0n, 0)
    }
  }

  /** Documents with a value in the first field of watched indexes, all together, as of the newest applied commit. */
  countWithValue(): number {
    let count = 0
    for (const index of this.#watched.values()) count += this.#counts.get(-index)?.count ?? 0
    return count
  }

  #applyIndexes(commit: Commit, touched: ReadonlySet<IndexId>): void {
    for (const { index, key, present } of commit.indexes) {
      if (touched.has(index) && key[0] !== absentTag) this.#change(-index, commit.ts, present ? 1 : -1)
    }
  }

  #change(counted: Tablet, ts: Ts, change: number): void {
    let entry = this.#counts.get(counted)
    if (entry === undefined) {
      entry = { count: 0, changes: [], floorTs: 0n }
      this.#counts.set(counted, entry)
    }
    entry.count += change
    entry.changes.push({ ts, change })
    if (entry.changes.length > maxChanges) forgetHalf(entry)
  }

  /** Documents of the tablet as of `at`; undefined if `at` lies too far back. */
  countAt(tablet: Tablet, at: Ts): number | undefined {
    const entry = this.#counts.get(tablet)
    if (entry === undefined) return 0
    if (at < entry.floorTs) return undefined
    let { count } = entry
    for (let position = entry.changes.length - 1; position >= 0; position -= 1) {
      const { ts, change } = entry.changes[position] as Change
      if (ts <= at) break
      count -= change
    }
    return count
  }

  /** Forgets a dropped tablet. */
  drop(tablet: Tablet): void {
    this.#counts.delete(tablet)
  }

  /** Whether so much has happened that a checkpoint is worth writing. */
  get isCheckpointDue(): boolean {
    return this.#sinceCheckpoint >= checkpointEvery
  }

  /** Saves the counts as of `durableTs`. Not to be called again before it is done. */
  async saveCheckpoint(durableTs: Ts): Promise<void> {
    if (this.#sinceCheckpoint === 0) return
    const counts: Record<string, number> = {}
    for (const tablet of this.#counts.keys()) {
      const count = this.countAt(tablet, durableTs)
      // A table that changed this much since is counted again from an older checkpoint; try later.
      if (count === undefined) return
      counts[tablet] = count
    }
    this.#sinceCheckpoint = 0
    const value = JSON.stringify({ ts: String(durableTs), counts } satisfies Checkpoint)
    if (!(await this.#storage.meta.set(metaKey, value, this.#metaVersion))) return
    this.#metaVersion = (await this.#storage.meta.get(metaKey))?.version ?? this.#metaVersion
    this.#checkpointTs = durableTs
  }

  async #replay(until: Ts): Promise<void> {
    let after = this.#checkpointTs
    while (after < until) {
      const records = await this.#storage.history({ after, until, limit: replayPageSize })
      for (const record of records) this.apply(record)
      const last = records.at(-1)
      if (last === undefined) break
      after = last.ts
    }
    for (const entry of this.#counts.values()) {
      entry.changes = []
      entry.floorTs = until
    }
  }
}

type Checkpoint = { readonly ts: string; readonly counts: Readonly<Record<string, number>> }

function forgetHalf(entry: TabletCount): void {
  const forgotten = entry.changes.splice(0, entry.changes.length / 2)
  entry.floorTs = forgotten.at(-1)?.ts ?? entry.floorTs
}
