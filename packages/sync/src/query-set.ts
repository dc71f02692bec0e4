/**
 * What one connection watches. Changes are collected as they are read and take effect with the next transition, so that
 * a transition under way is not disturbed.
 *
 * Invariant: after `refresh` every query's latest result is right at one timestamp: run at it, or proven unchanged up to it.
 */
import { assert } from '@concave/base'
import { type FunctionPath, type ModifyQuerySetMessage, parseFunctionPath } from '@concave/protocol'
import type { LiveQuery, LiveSubscription } from './backend.ts'
import { queryModificationFor, queryRemoved } from './frames.ts'
import { syncLimits } from './limits.ts'
import { showResult, type ShownResult } from './shown-result.ts'

export type WatchedQuery = {
  readonly queryId: number
  readonly path: FunctionPath
  readonly componentPath: string
  readonly args: unknown
  readonly journal: string | null
}

type Entry = {
  readonly query: WatchedQuery
  journal: string | null
  latest: ShownResult | undefined
  /** Digest of what the client was last told on this connection. */
  told: string | undefined
  subscription: LiveSubscription | undefined
}

type Change =
  | { readonly kind: 'add'; readonly query: WatchedQuery }
  | { readonly kind: 'remove'; readonly queryId: number }

export class QuerySet {
  readonly #onInvalidated: () => void
  readonly #entries = new Map<number, Entry>()
  readonly #changes: Change[] = []
  /** Ids once all changes that were read have taken effect. */
  readonly #ids = new Set<number>()
  /** Removed, and the client has not been told. */
  readonly #removed: number[] = []
  #isClosed = false

  constructor(onInvalidated: () => void) {
    this.#onInvalidated = onInvalidated
  }

  /**
   * Notes changes for the next `applyChanges`. False if they do not fit what is watched. Throws
   * `BadConvexFunctionIdentifier` for a path that is none.
   */
  modify(modifications: ModifyQuerySetMessage['modifications']): boolean {
    for (const change of modifications) {
      const { queryId } = change
      if (change.type === 'Remove') {
        if (!this.#ids.delete(queryId)) return false
        this.#changes.push({ kind: 'remove', queryId })
        continue
      }
      if (this.#ids.has(queryId)) return false
      this.#ids.add(queryId)
      const { componentPath = '', journal = null } = change
      const args = change.args.length === 1 ? change.args[0] : change.args
      this.#changes.push({
        kind: 'add',
        query: { queryId, path: parseFunctionPath(change.udfPath), componentPath, args, journal },
      })
    }
    return true
  }

  applyChanges(): void {
    for (const change of this.#changes.splice(0)) {
      if (change.kind === 'add') this.#add(change.query)
      else this.#remove(change.queryId)
    }
  }

  /** Nothing is proven any more: every query runs again. */
  dropSubscriptions(): void {
    for (const entry of this.#entries.values()) dropSubscription(entry)
  }

  /**
   * Brings every query up to the newest published timestamp; `run` runs one at exactly it. Rejects with the first failure,
   * once nothing runs any more; what has been brought up to date stays so and need not run again.
   */
  async refresh(run: (query: WatchedQuery, journal: string | null) => Promise<LiveQuery>): Promise<void> {
    const stale = [...this.#entries.values()].filter((entry) => entry.subscription?.isValid !== true)
    const queue = stale.values()
    const failures: unknown[] = []
    const work = async (): Promise<void> => {
      for (const entry of queue) {
        if (this.#isClosed || failures.length > 0) return
        try {
          this.#update(entry, await run(entry.query, entry.journal))
        } catch (error) {
          failures.push(error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(syncLimits.parallelQueries, stale.length) }, work))
    if (failures.length > 0) throw failures[0]
  }

  /** What the client does not know yet, by query id. It counts as told. */
  takeModifications(): readonly string[] {
    const modifications = this.#removed.splice(0).map((queryId) => ({ queryId, text: queryRemoved(queryId) }))
    for (const [queryId, entry] of this.#entries) {
      if (entry.latest === undefined || entry.latest.digest === entry.told) continue
      entry.told = entry.latest.digest
      modifications.push({ queryId, text: queryModificationFor(queryId, entry.latest) })
    }
    return modifications.sort((a, b) => a.queryId - b.queryId).map(({ text }) => text)
  }

  /** Ends all subscriptions; a run that is under way starts none. */
  close(): void {
    this.#isClosed = true
    this.dropSubscriptions()
    this.#entries.clear()
  }

  #add(query: WatchedQuery): void {
    assert(!this.#entries.has(query.queryId), 'A query id is watched once.')
    this.#entries.set(query.queryId, {
      query,
      journal: query.journal,
      latest: undefined,
      told: undefined,
      subscription: undefined,
    })
  }

  #remove(queryId: number): void {
    const entry = this.#entries.get(queryId)
    assert(entry !== undefined, 'Only watched queries are removed.')
    dropSubscription(entry)
    this.#entries.delete(queryId)
    this.#removed.push(queryId)
  }

  #update(entry: Entry, live: LiveQuery): void {
    if (this.#isClosed) return
    dropSubscription(entry)
    entry.journal = live.journal
    entry.latest = showResult(live)
    entry.subscription = live.subscribe(this.#onInvalidated)
  }
}

function dropSubscription(entry: Entry): void {
  entry.subscription?.close()
  entry.subscription = undefined
}
