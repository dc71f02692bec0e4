import type { IndexId, IndexWrite, Ts } from '@concave/storage'

export type RecentWrite = { readonly ts: Ts; readonly write: IndexWrite }

/** The last writes of the indexes that are followed, so that what was just read can be brought up to date. */
export class RecentWrites {
  readonly #max: number
  /** Followed indexes, with the commit since which their writes are here. */
  readonly #followed = new Map<IndexId, Ts>()
  #writes: RecentWrite[] = []
  #floorTs: Ts
  #appliedTs: Ts

  /** Remembers `max` writes and up to as many more. */
  constructor(options: { readonly startTs: Ts; readonly max: number }) {
    this.#max = options.max
    this.#floorTs = options.startTs
    this.#appliedTs = options.startTs
  }

  /** Remembers the writes of the index from the next commit on. */
  follow(index: IndexId): void {
    if (!this.#followed.has(index)) this.#followed.set(index, this.#appliedTs)
  }

  /** Adds a commit, and returns its writes of followed indexes. */
  add(ts: Ts, indexes: readonly IndexWrite[]): readonly IndexWrite[] {
    this.#appliedTs = ts
    if (this.#followed.size === 0) return []
    const followed = indexes.filter(({ index }) => this.#followed.has(index))
    for (const write of followed) this.#writes.push({ ts, write })
    const excess = this.#writes.length - this.#max
    if (excess > this.#max) {
      this.#floorTs = (this.#writes[excess - 1] as RecentWrite).ts
      this.#writes = this.#writes.slice(excess)
    }
    return followed
  }

  /** Writes of the index behind `at`; undefined if they are not all known. */
  since(index: IndexId, at: Ts): readonly RecentWrite[] | undefined {
    const followedTs = this.#followed.get(index)
    if (followedTs === undefined || at < followedTs || at < this.#floorTs) return undefined
    let first = this.#writes.length
    while (first > 0 && (this.#writes[first - 1] as RecentWrite).ts > at) first -= 1
    return this.#writes.slice(first).filter(({ write }) => write.index === index)
  }
}
