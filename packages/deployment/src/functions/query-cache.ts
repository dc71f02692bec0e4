/**
 * Results of queries, shared by all callers who would get the same one, each with its claim on the future: a subscription
 * to what it read. A result may be served at a later timestamp only while that subscription is valid (database.md §6.3).
 */
import type { Clock } from '@concave/base'
import type { ReadSet, Subscription } from '@concave/database'
import type { CallOutcome, LiveQuery, LiveSubscription } from '@concave/sync'

type OpenSubscription = (reads: ReadSet, at: bigint, onInvalidated: () => void) => Subscription

/**
 * A finished run: its outcome, the timestamp it is right at, and everybody who wants to hear when it no longer is. It
 * watches the database only while somebody (the cache, a session) holds it.
 */
export class SharedResult implements LiveQuery {
  readonly outcome: CallOutcome
  readonly journal: string | null
  readonly ts: bigint
  readonly finishedAtMs: number
  readonly dependsOnTime: boolean
  readonly #reads: ReadSet
  readonly #openSubscription: OpenSubscription
  readonly #listeners = new Set<() => void>()
  #subscription: Subscription | undefined
  #isKept = false

  constructor(options: {
    readonly outcome: CallOutcome
    readonly journal: string | null
    readonly ts: bigint
    readonly reads: ReadSet
    readonly finishedAtMs: number
    readonly dependsOnTime: boolean
    readonly openSubscription: OpenSubscription
  }) {
    this.outcome = options.outcome
    this.journal = options.journal
    this.ts = options.ts
    this.finishedAtMs = options.finishedAtMs
    this.dependsOnTime = options.dependsOnTime
    this.#reads = options.reads
    this.#openSubscription = options.openSubscription
  }

  /** True while watched and no published commit has touched what the run read. */
  get isValid(): boolean {
    return this.#subscription?.isValid ?? false
  }

  subscribe(onInvalidated: () => void): LiveSubscription {
    // A function of its own, so that one callback passed twice counts twice.
    const listener = (): void => onInvalidated()
    this.#listeners.add(listener)
    this.#watch()
    const isValid = (): boolean => this.#listeners.has(listener) && this.isValid
    return {
      get isValid() {
        return isValid()
      },
      close: () => {
        this.#listeners.delete(listener)
        this.#release()
      },
    }
  }

  /** The cache holds the result (true) or has let it go (false). */
  keep(isKept: boolean): void {
    this.#isKept = isKept
    if (isKept) this.#watch()
    else this.#release()
  }

  #watch(): void {
    if (this.#subscription !== undefined) {
      if (!this.#subscription.isValid) queueMicrotask(() => this.#notify())
      return
    }
    this.#subscription = this.#openSubscription(this.#reads, this.ts, () => this.#notify())
  }

  #notify(): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  #release(): void {
    if (this.#isKept || this.#listeners.size > 0) return
    this.#subscription?.close()
    this.#subscription = undefined
  }
}

/** Bounded in bytes, least recently used first out. */
export class QueryCache {
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #timeDependentMs: number
  readonly #results = new Map<string, SharedResult>()
  #bytes = 0

  constructor(options: { readonly clock: Clock; readonly maxBytes: number; readonly timeDependentMs: number }) {
    this.#clock = options.clock
    this.#maxBytes = options.maxBytes
    this.#timeDependentMs = options.timeDependentMs
  }

  /** A result that is right at `at`, which must not be newer than the newest published commit. */
  find(key: string, at: bigint): SharedResult | undefined {
    const result = this.#results.get(key)
    if (result === undefined || result.ts > at) return undefined
    const isStale = result.dependsOnTime && this.#clock.monotonicMs() - result.finishedAtMs > this.#timeDependentMs
    if (isStale || !result.isValid) {
      this.#drop(key, result)
      return undefined
    }
    this.#results.delete(key)
    this.#results.set(key, result)
    return result
  }

  put(key: string, result: SharedResult): void {
    const existing = this.#results.get(key)
    if (existing !== undefined) this.#drop(key, existing)
    result.keep(true)
    this.#results.set(key, result)
    this.#bytes += weigh(key, result)
    for (const [oldKey, old] of this.#results) {
      if (this.#bytes <= this.#maxBytes) return
      this.#drop(oldKey, old)
    }
  }

  clear(): void {
    for (const [key, result] of this.#results) this.#drop(key, result)
  }

  #drop(key: string, result: SharedResult): void {
    this.#results.delete(key)
    this.#bytes -= weigh(key, result)
    result.keep(false)
  }
}

function weigh(key: string, result: SharedResult): number {
  const text = result.outcome.kind === 'success' ? result.outcome.valueText : result.outcome.message
  const overheadBytes = 512
  return overheadBytes + 2 * (key.length + text.length)
}
