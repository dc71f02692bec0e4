/**
 * Who wants to know that a read set is no longer what it was. Looked up by the keys a commit touched, through an
 * interval map per index, so the cost of a commit does not depend on how many subscriptions it misses.
 */
import type { Commit, IndexId, Ts } from '@concave/storage'
import { IntervalMap } from './interval-map.ts'
import type { Interval, ReadSet } from './read-set.ts'

export interface Subscription {
  /** Ends it: `onInvalidated` is not called any more. Harmless when repeated. */
  close(): void
  /** While true, what was read is proven unchanged through the committer's `durableTs`. Never true again once false. */
  readonly isValid: boolean
}

/** Called once, with the commit that invalidated the subscription. Must not throw. */
export type OnInvalidated = (ts: Ts) => void

export class Subscriptions {
  readonly #byIndex = new Map<IndexId, IntervalMap<Registration>>()
  #size = 0

  /** Subscriptions that are valid and open. */
  get size(): number {
    return this.#size
  }

  /** Watches `reads`, which must not change afterwards, from the next commit on. */
  add(reads: ReadSet, onInvalidated: OnInvalidated): Subscription {
    const registration = new Registration([...reads.intervals()], onInvalidated, (ended) => this.#remove(ended))
    for (const interval of registration.intervals) {
      let map = this.#byIndex.get(interval.index)
      if (map === undefined) {
        map = new IntervalMap()
        this.#byIndex.set(interval.index, map)
      }
      map.add(interval, registration)
    }
    this.#size += 1
    return registration
  }

  /**
   * Ends the validity of all subscriptions that the commit hits. The caller calls `notify` of each once the commit's
   * batch is visible, so that no callback meets a subscription that looks valid and is not.
   */
  invalidate({ ts, touched }: Pick<Commit, 'ts' | 'touched'>): readonly InvalidatedSubscription[] {
    const hits = new Set<Registration>()
    for (const { index, key } of touched) {
      this.#byIndex.get(index)?.forEachContaining(key, (registration) => hits.add(registration))
    }
    for (const registration of hits) registration.invalidate(ts)
    return [...hits]
  }

  #remove(registration: Registration): void {
    for (const interval of registration.intervals) {
      const map = this.#byIndex.get(interval.index)
      map?.remove(interval, registration)
      if (map?.isEmpty) this.#byIndex.delete(interval.index)
    }
    this.#size -= 1
  }
}

export interface InvalidatedSubscription {
  /** Calls `onInvalidated` unless the subscription has been closed meanwhile. */
  notify(): void
}

/** A subscription that was hit before it began. Its callback runs in a microtask of its own. */
export function createInvalidatedSubscription(
  ts: Ts,
  onInvalidated: OnInvalidated,
): Subscription & InvalidatedSubscription {
  const registration = new Registration([], onInvalidated, () => undefined)
  registration.invalidate(ts)
  return registration
}

type State =
  | { readonly kind: 'valid' }
  | { readonly kind: 'invalidated'; readonly ts: Ts }
  | { readonly kind: 'notified' }
  | { readonly kind: 'closed' }

class Registration implements Subscription, InvalidatedSubscription {
  readonly intervals: readonly Interval[]
  readonly #onInvalidated: OnInvalidated
  readonly #remove: (registration: Registration) => void
  #state: State = { kind: 'valid' }

  constructor(
    intervals: readonly Interval[],
    onInvalidated: OnInvalidated,
    remove: (registration: Registration) => void,
  ) {
    this.intervals = intervals
    this.#onInvalidated = onInvalidated
    this.#remove = remove
  }

  get isValid(): boolean {
    return this.#state.kind === 'valid'
  }

  close(): void {
    if (this.#state.kind === 'valid') this.#remove(this)
    this.#state = { kind: 'closed' }
  }

  invalidate(ts: Ts): void {
    if (this.#state.kind !== 'valid') return
    this.#remove(this)
    this.#state = { kind: 'invalidated', ts }
  }

  notify(): void {
    if (this.#state.kind !== 'invalidated') return
    const { ts } = this.#state
    this.#state = { kind: 'notified' }
    this.#onInvalidated(ts)
  }
}
