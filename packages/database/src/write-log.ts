/**
 * The keys that recent commits touched, in commit order and per index, for conflict checks and for subscriptions that
 * start at an older snapshot. It holds every commit after `startTs`; what no open transaction can be expected to need
 * is forgotten from the front.
 */
import { assert, type Clock } from '@concave/base'
import type { Commit, IndexId, Ts } from '@concave/storage'
import type { Conflict } from './commit-errors.ts'
import { writeLogLimits } from './limits.ts'
import type { ReadSet } from './read-set.ts'

export type WriteLogLimits = { readonly [Name in keyof typeof writeLogLimits]: number }

/** Estimated memory of one remembered key beside its bytes. */
const keyOverheadBytes = 96

type LoggedCommit = {
  readonly ts: Ts
  readonly indexes: readonly IndexId[]
  readonly sizeBytes: number
  readonly addedMs: number
}

export class WriteLog {
  readonly #clock: Clock
  readonly #limits: WriteLogLimits
  readonly #commits = new Queue<LoggedCommit>()
  readonly #byIndex = new Map<IndexId, Queue<Conflict>>()
  #startTs: Ts
  #lastTs: Ts
  #sizeBytes = 0

  /** Knows nothing of commits up to `startTs`. */
  constructor(deps: { readonly clock: Clock; readonly startTs: Ts; readonly limits?: WriteLogLimits }) {
    this.#clock = deps.clock
    this.#limits = deps.limits ?? writeLogLimits
    this.#startTs = deps.startTs
    this.#lastTs = deps.startTs
  }

  /** Every commit after this ts is here. */
  get startTs(): Ts {
    return this.#startTs
  }

  /** Estimated memory held. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append({ ts, touched, source }: Pick<Commit, 'ts' | 'touched' | 'source'>): void {
    assert(ts > this.#lastTs, 'Commits enter the write log in order.')
    let sizeBytes = keyOverheadBytes
    for (const { index, key } of touched) {
      let queue = this.#byIndex.get(index)
      if (queue === undefined) {
        queue = new Queue()
        this.#byIndex.set(index, queue)
      }
      queue.push({ index, key, source, ts })
      sizeBytes += key.length + keyOverheadBytes
    }
    this.#commits.push({
      ts,
      indexes: touched.map(({ index }) => index),
      sizeBytes,
      addedMs: this.#clock.monotonicMs(),
    })
    this.#sizeBytes += sizeBytes
    this.#lastTs = ts
  }

  /**
   * The first commit in (`after`, `until`] that touched a key inside `reads`, if any. `after` must not lie before
   * `startTs`. O(keys touched since in the indexes read · log intervals).
   */
  findConflict(reads: ReadSet, after: Ts, until: Ts): Conflict | undefined {
    assert(after >= this.#startTs, 'The write log does not reach back that far.')
    if (after >= this.#lastTs) return undefined
    let first: Conflict | undefined
    for (const index of reads.indexes()) {
      const queue = this.#byIndex.get(index)
      if (queue === undefined) continue
      for (let position = queue.firstAfter(after); position < queue.length; position += 1) {
        const write = queue.at(position)
        if (write.ts > until || (first !== undefined && write.ts >= first.ts)) break
        if (reads.overlaps(index, write.key)) {
          first = write
          break
        }
      }
    }
    return first
  }

  /** Forgets commits up to `until` as far as the limits ask for it. */
  trim(until: Ts): void {
    const nowMs = this.#clock.monotonicMs()
    while (this.#commits.length > 0) {
      const oldest = this.#commits.at(0)
      if (oldest.ts > until || !this.#mayForget(nowMs - oldest.addedMs)) return
      this.#commits.shift()
      for (const index of oldest.indexes) this.#forgetKey(index)
      this.#sizeBytes -= oldest.sizeBytes
      this.#startTs = oldest.ts
    }
  }

  #mayForget(ageMs: number): boolean {
    if (this.#sizeBytes > this.#limits.maxBytes) return true
    if (ageMs < this.#limits.minRetentionMs) return false
    return ageMs > this.#limits.maxRetentionMs || this.#sizeBytes > this.#limits.softMaxBytes
  }

  /** The queues of all indexes are in commit order, so a commit that leaves owns their oldest keys. */
  #forgetKey(index: IndexId): void {
    const queue = this.#byIndex.get(index)
    assert(queue !== undefined, 'Every touched index has a queue.')
    queue.shift()
    if (queue.length === 0) this.#byIndex.delete(index)
  }
}

/** First in, first out, with positions counted from the oldest. */
class Queue<T extends { readonly ts: Ts }> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  at(position: number): T {
    const item = this.#items[this.#head + position]
    assert(item !== undefined, 'The position lies within the queue.')
    return item
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): void {
    this.#head += 1
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
  }

  /** Position of the first item with a ts above `ts`; `length` if there is none. */
  firstAfter(ts: Ts): number {
    let low = 0
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.at(middle).ts <= ts) low = middle + 1
      else high = middle
    }
    return low
  }
}
