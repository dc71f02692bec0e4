import type { IndexWrite, Ts } from '@concave/storage'

/** Brings a value from one timestamp to a later one: what the index writes in between do to it. */
export type Fold<V> = (value: V, writes: readonly IndexWrite[]) => V

type Change = { readonly ts: Ts; readonly write: IndexWrite }

/**
 * Something read from an index at one timestamp, with the writes since: it is known for every timestamp from then on.
 * The newest state that was asked for is kept beside the old one, since it is what is asked for next.
 */
export class FollowedValue<V> {
  readonly #fold: Fold<V>
  #ts: Ts
  #value: V
  #changes: Change[] = []
  #newest: { readonly changes: number; readonly value: V } | undefined

  constructor(ts: Ts, value: V, fold: Fold<V>) {
    this.#ts = ts
    this.#value = value
    this.#fold = fold
  }

  get changeCount(): number {
    return this.#changes.length
  }

  /** A commit changed the index; commits come in order. */
  add(ts: Ts, write: IndexWrite): void {
    this.#changes.push({ ts, write })
  }

  /** The value as of `at`; undefined if `at` is older than what is known. */
  at(at: Ts): { readonly value: V } | undefined {
    if (at < this.#ts) return undefined
    let count = this.#changes.length
    while (count > 0 && (this.#changes[count - 1] as Change).ts > at) count -= 1
    if (count === 0) return { value: this.#value }
    const newest = this.#newest
    if (newest?.changes === count) return newest
    const start = newest !== undefined && newest.changes < count ? newest : { changes: 0, value: this.#value }
    const writes = this.#changes.slice(start.changes, count).map(({ write }) => write)
    this.#newest = { changes: count, value: this.#fold(start.value, writes) }
    return this.#newest
  }

  /** Forgets the older half of the states that it knows. */
  forget(): void {
    const middle = this.#changes[this.#changes.length >> 1]
    const state = middle && this.at(middle.ts)
    if (middle === undefined || state === undefined) return
    this.#value = state.value
    this.#ts = middle.ts
    this.#changes = this.#changes.filter(({ ts }) => ts > middle.ts)
    this.#newest = undefined
  }
}
