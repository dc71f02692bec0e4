import type { Commit, Storage, Tablet, Ts } from '@concave/storage'

const metaKey = 'database/tableCounts'
/** A crash costs the replay of at most this many commits at the next open. */
const checkpointEvery = 2000
const replayPageSize = 500
/** Changes per table that can be undone to count at an older snapshot. */
const maxChanges = 65_536

type Change = { readonly ts: Ts; readonly change: number }
type TabletCount = { count: number; changes: Change[]; floorTs: Ts }

/**
 * How many documents each table has, kept by following commits, so that counting reads no documents. Durable as a
 * checkpoint in storage; opening replays the log since. The log must not be pruned beyond `checkpointTs`.
 */
export class TableCounts {
  readonly #storage: Storage
  readonly #counts = new Map<Tablet, TabletCount>()
  #checkpointTs: Ts
  #metaVersion: number
  #sinceCheckpoint = 0

  private constructor(storage: Storage, checkpointTs: Ts, metaVersion: number) {
    this.#storage = storage
    this.#checkpointTs = checkpointTs
    this.#metaVersion = metaVersion
  }

  /** Loads the counts as of `headTs`. */
  static async load(storage: Storage, headTs: Ts): Promise<TableCounts> {
    const record = await storage.meta.get(metaKey)
    const stored = record === undefined ? { ts: '0', counts: {} } : (JSON.parse(record.value) as Checkpoint)
    const counts = new TableCounts(storage, BigInt(stored.ts), record?.version ?? 0)
    for (const [tablet, count] of Object.entries(stored.counts)) {
      counts.#counts.set(Number(tablet), { count, changes: [], floorTs: headTs })
    }
    await counts.#replay(headTs)
    return counts
  }

  get checkpointTs(): Ts {
    return this.#checkpointTs
  }

  apply(commit: Commit): void {
    for (const { tablet, prevTs, text } of commit.documents) {
      if ((prevTs === null) === (text === null)) continue
      const change = text === null ? -1 : 1
      let entry = this.#counts.get(tablet)
      if (entry === undefined) {
        entry = { count: 0, changes: [], floorTs: 0n }
        this.#counts.set(tablet, entry)
      }
      entry.count += change
      entry.changes.push({ ts: commit.ts, change })
      if (entry.changes.length > maxChanges) forgetHalf(entry)
    }
    this.#sinceCheckpoint += 1
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
