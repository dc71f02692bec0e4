/**
 * The single place where a deployment's transactions become commits: it checks a read set against the write log,
 * assigns the timestamp, applies the effects in memory, makes them durable in groups and publishes them.
 *
 * A commit is *applied* when `commit` returns: later transactions may build on it, conflict checks count it, and nobody
 * else may see it. It is *durable* once storage has answered the append, and *published* in the same turn, strictly in
 * timestamp order: queries, subscriptions and followers see it, and its outcome may be told. `durableTs` is the newest
 * commit of that kind, so queries take their snapshot there and mutations at `appliedTs`.
 *
 * When an append fails, its outcome may be unknown and everything applied behind it was built on it. So the whole
 * suffix that is not durable is discarded, the committer fails for good, and its owner opens the deployment again from
 * storage. An append that another writer overtook is such a failure too: one machine owns a deployment.
 */
import { randomUUID } from 'node:crypto'
import { assert, createDeferred, Overloaded, type Clock, type Deferred, type Log } from '@concave/base'
import type {
  BulkRow,
  Commit,
  DocumentWrite,
  Head,
  IndexKey,
  IndexWrite,
  PruneBounds,
  Storage,
  Ts,
} from '@concave/storage'
import { CommitConflict, CommitterClosed, CommitterFailed, OutOfRetention } from './commit-errors.ts'
import { CachedSnapshot } from './cached-snapshot.ts'
import { commitQueueLimits, readCacheLimits } from './limits.ts'
import { Overlay } from './overlay.ts'
import { ReadCache } from './read-cache.ts'
import type { ReadSet } from './read-set.ts'
import { OverlaidSnapshot, type Snapshot } from './snapshot.ts'
import {
  createInvalidatedSubscription,
  Subscriptions,
  type InvalidatedSubscription,
  type OnInvalidated,
  type Subscription,
} from './subscriptions.ts'
import { WriteLog } from './write-log.ts'

/** What a transaction writes; see `Commit` for what `touched` holds. Owned by the committer once returned. */
export type Effects = {
  readonly documents: readonly DocumentWrite[]
  readonly indexes: readonly IndexWrite[]
  readonly touched: readonly IndexKey[]
}

export type CommitRequest = {
  /** The transaction's snapshot. */
  readonly beginTs: Ts
  readonly reads: ReadSet
  /** What commits (a function path or a system job), for conflict messages; at most 200 characters. */
  readonly source: string
  /** Called once, synchronously, with the commit ts, after the conflict check. If it throws, nothing happens. */
  readonly build: (ts: Ts) => Effects
}

export type Committed = {
  readonly ts: Ts
  /** Resolves when the commit is durable and published; rejects with `CommitterFailed` if that is not known to be so. */
  readonly durable: Promise<void>
}

export type CommitQueueLimits = { readonly [Name in keyof typeof commitQueueLimits]: number }

export type CommitterDependencies = {
  /** Not yet opened; the committer opens and closes it. */
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  /** Names one attempt to append; unique for ever. */
  readonly newBatchId?: () => string
  readonly queueLimits?: CommitQueueLimits
  /** Memory for what snapshots read; 0 for none. */
  readonly readCacheBytes?: number
}

type Pending = { readonly commit: Commit; readonly sizeBytes: number; readonly durable: Deferred<void> }

type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'closing'; readonly closed: Promise<void> }
  | { readonly kind: 'failed'; readonly error: CommitterFailed; readonly closed?: Promise<void> }

export class Committer {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #log: Log
  readonly #newBatchId: () => string
  readonly #limits: CommitQueueLimits
  readonly #overlay: Overlay
  readonly #cache: ReadCache
  readonly #writeLog: WriteLog
  readonly #subscriptions = new Subscriptions()
  readonly #appliedListeners = new Set<(commit: Commit) => void>()
  readonly #publishedListeners = new Set<(commits: readonly Commit[]) => void>()
  readonly #failure = createDeferred<Error>()
  /** Applied and not durable, in ts order; the front may be under way to storage. */
  #pending: Pending[] = []
  #pendingBytes = 0
  #head: Head
  #appliedTs: Ts
  #isBuilding = false
  #draining: Promise<void> | undefined
  #state: State = { kind: 'open' }

  /** Opens the storage and continues after its newest commit. */
  static async open(deps: CommitterDependencies): Promise<Committer> {
    return new Committer(deps, await deps.storage.open())
  }

  private constructor(deps: CommitterDependencies, head: Head) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#log = deps.log.child({ room: 'database:committer' })
    this.#newBatchId = deps.newBatchId ?? randomUUID
    this.#limits = deps.queueLimits ?? commitQueueLimits
    this.#overlay = new Overlay(head.ts, () => deps.storage.heldTs)
    this.#cache = new ReadCache({ maxBytes: deps.readCacheBytes ?? readCacheLimits.maxBytes, startTs: head.ts })
    this.#writeLog = new WriteLog({ clock: deps.clock, startTs: head.ts })
    this.#head = head
    this.#appliedTs = head.ts
  }

  /** Newest applied commit; at open, the newest durable one. Snapshots of mutations are taken here. */
  get appliedTs(): Ts {
    return this.#appliedTs
  }

  /** Newest durable and published commit. Snapshots of everything but mutations are taken here. */
  get durableTs(): Ts {
    return this.#head.ts
  }

  /** Resolves, with the cause, when the committer has failed. Never rejects. */
  get failed(): Promise<Error> {
    return this.#failure.promise
  }

  /**
   * The database as of `at`, which must not be above `appliedTs`. Reads of a snapshot older than the history that storage
   * keeps are refused with code `OutOfRetention`.
   */
  snapshot(at: Ts): Snapshot {
    assert(at <= this.#appliedTs, 'A snapshot lies at or below the newest applied commit.')
    this.#refuseIfFailed()
    const check = (): void => this.#refuseIfFailed()
    const snapshot = new OverlaidSnapshot({ ts: at, storage: this.#storage, overlay: this.#overlay, check })
    return new CachedSnapshot({ snapshot, cache: this.#cache, check })
  }

  /** Adds entries to indexes that no transaction reads yet (backfill); see `Storage.bulk`. */
  async bulk(rows: readonly BulkRow[]): Promise<void> {
    try {
      await this.#storage.bulk(rows)
    } finally {
      this.#cache.forgetIndexes(new Set(rows.map(({ index }) => index)))
    }
  }

  /** See `Storage.prune`. */
  async prune(bounds: PruneBounds, maxRows: number): Promise<{ readonly done: boolean }> {
    this.#overlay.rebase()
    return await this.#storage.prune(bounds, maxRows)
  }

  /**
   * Validates, applies and queues a transaction. Throws `CommitConflict`, `OutOfRetention` (both: run it again),
   * `Overloaded` with code `CommitQueueFull`, `CommitterClosed`, `CommitterFailed`, or what `build` throws.
   */
  commit(request: CommitRequest): Committed {
    this.#refuseIfFailed()
    if (this.#state.kind === 'closing') throw new CommitterClosed()
    this.#refuseIfFull()
    this.#validate(request)
    const pending = this.#build(request)
    this.#apply(pending)
    this.#draining ??= this.#drain()
    return { ts: pending.commit.ts, durable: pending.durable.promise }
  }

  /**
   * Resolves when everything up to `ts` is durable. The outcome of a transaction that wrote nothing waits for it too:
   * it may have read what is not durable yet. Like `Committed.durable`, it may be left unawaited.
   */
  whenDurable(ts: Ts): Promise<void> {
    assert(ts <= this.#appliedTs, 'Only what is applied can become durable.')
    if (ts <= this.durableTs) return Promise.resolve()
    if (this.#state.kind === 'failed') return createFailedPromise(this.#state.error)
    const pending = this.#pending[this.#pendingPosition(ts)]
    assert(pending !== undefined, 'What is applied and not durable is pending.')
    return pending.durable.promise
  }

  /**
   * Watches what a query read at `at`. `onInvalidated` is called once, when a durable commit above `at` touches it: in
   * the turn that publishes the commit, or in a microtask if there is one already or `at` is older than the write log.
   * `reads` must not change afterwards. When the committer fails, nothing is called: everything ends then.
   */
  subscribe(reads: ReadSet, at: Ts, onInvalidated: OnInvalidated): Subscription {
    assert(at <= this.durableTs, 'A subscription starts at a durable snapshot.')
    this.#refuseIfFailed()
    const hitTs =
      at < this.#writeLog.startTs ? this.durableTs : this.#writeLog.findConflict(reads, at, this.durableTs)?.ts
    if (hitTs === undefined) return this.#subscriptions.add(reads, onInvalidated)
    const subscription = createInvalidatedSubscription(hitTs, onInvalidated)
    queueMicrotask(() => this.#failOnThrow(() => subscription.notify()))
    return subscription
  }

  /**
   * Calls `listener` with every commit as it is applied, in order, before `commit` returns. A listener that throws
   * fails the committer, and the commit is not made durable.
   */
  onApplied(listener: (commit: Commit) => void): void {
    this.#appliedListeners.add(listener)
  }

  /** Calls `listener` with commits that have become durable, in order, before subscriptions are told. Must not throw. */
  onPublished(listener: (commits: readonly Commit[]) => void): void {
    this.#publishedListeners.add(listener)
  }

  /** Refuses new commits, waits until those applied are durable, closes the storage. */
  async close(): Promise<void> {
    if (this.#state.kind === 'open') this.#state = { kind: 'closing', closed: this.#drainAndClose() }
    else if (this.#state.kind === 'failed') this.#state = { closed: this.#drainAndClose(), ...this.#state }
    await this.#state.closed
  }

  async #drainAndClose(): Promise<void> {
    await this.#draining
    await this.#storage.close()
  }

  #refuseIfFailed(): void {
    if (this.#state.kind === 'failed') throw this.#state.error
  }

  #refuseIfFull(): void {
    if (this.#pending.length < this.#limits.maxCommits && this.#pendingBytes < this.#limits.maxBytes) return
    throw new Overloaded(
      'CommitQueueFull',
      'Too many concurrent commits in a short period of time. Spread your writes out over time or throttle them to avoid errors.',
      this.#limits.retryAfterMs,
    )
  }

  #validate({ beginTs, reads }: CommitRequest): void {
    assert(beginTs <= this.#appliedTs, 'A transaction begins at an applied commit.')
    if (beginTs < this.#writeLog.startTs) throw new OutOfRetention('The snapshot of this transaction')
    const conflict = this.#writeLog.findConflict(reads, beginTs, this.#appliedTs)
    if (conflict !== undefined) throw new CommitConflict(conflict)
  }

  #build({ build, source }: CommitRequest): Pending {
    assert(!this.#isBuilding, 'A commit does not commit.')
    this.#isBuilding = true
    try {
      const ts = this.#nextTs()
      const commit: Commit = { ts, ...build(ts), source }
      const durable = createDeferred<void>()
      // Nobody has to wait for it: a failure is told to the owner as well.
      durable.promise.catch(() => undefined)
      return { commit, sizeBytes: sizeOfCommit(commit), durable }
    } finally {
      this.#isBuilding = false
    }
  }

  /** Rises although the wall clock may step back, also across a restart: storage's head is the floor. */
  #nextTs(): Ts {
    const now = this.#clock.nowNs()
    return now > this.#appliedTs ? now : this.#appliedTs + 1n
  }

  #apply(pending: Pending): void {
    const { commit } = pending
    this.#overlay.apply(commit)
    this.#cache.apply(commit)
    this.#writeLog.append(commit)
    this.#appliedTs = commit.ts
    this.#pending.push(pending)
    this.#pendingBytes += pending.sizeBytes
    this.#failOnThrow(() => {
      for (const listener of this.#appliedListeners) listener(commit)
    })
    this.#refuseIfFailed()
  }

  /** Appends until nothing is pending. What is applied while one append is under way goes into the next. */
  async #drain(): Promise<void> {
    try {
      // Commits of the same turn share the first append.
      await Promise.resolve()
      while (this.#pending.length > 0) {
        const batch = this.#nextBatch()
        const commits = batch.map(({ commit }) => commit)
        const appended = await this.#storage.append(this.#head, this.#newBatchId(), commits)
        this.#refuseIfFailed()
        assert(appended.ok, 'No one else writes to this deployment.')
        assert(appended.head.ts === commits.at(-1)?.ts, 'The batch is the new head.')
        this.#publish(batch, commits, appended.head)
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#draining = undefined
    }
  }

  #nextBatch(): readonly Pending[] {
    let count = 0
    let sizeBytes = 0
    for (const pending of this.#pending) {
      sizeBytes += pending.sizeBytes
      if (count > 0 && (count >= this.#limits.maxBatchCommits || sizeBytes > this.#limits.maxBatchBytes)) break
      count += 1
    }
    return this.#pending.slice(0, count)
  }

  /** In one turn, so that nobody sees part of it: validity ends first, then time moves on, then everyone is told. */
  #publish(batch: readonly Pending[], commits: readonly Commit[], head: Head): void {
    const invalidated: InvalidatedSubscription[] = []
    for (const commit of commits) invalidated.push(...this.#subscriptions.invalidate(commit))
    this.#head = head
    this.#pending = this.#pending.slice(batch.length)
    for (const { sizeBytes } of batch) this.#pendingBytes -= sizeBytes
    this.#overlay.land(head.ts)
    this.#writeLog.trim(head.ts)
    for (const { durable } of batch) durable.resolve()
    this.#failOnThrow(() => {
      for (const listener of this.#publishedListeners) listener(commits)
      for (const subscription of invalidated) subscription.notify()
    })
  }

  /** Runs listeners. One that throws has lost track of the commits, so going on would be guessing. */
  #failOnThrow(notify: () => void): void {
    try {
      notify()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(cause: unknown): void {
    if (this.#state.kind === 'failed') return
    this.#log.error(
      { err: cause, pendingCommits: this.#pending.length },
      'The committer has failed; what is not durable is discarded.',
    )
    const error = new CommitterFailed(cause)
    this.#state = this.#state.kind === 'closing' ? { ...this.#state, kind: 'failed', error } : { kind: 'failed', error }
    const discarded = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    for (const { durable } of discarded) durable.reject(error)
    this.#failure.resolve(cause instanceof Error ? cause : error)
  }

  /** Position of the first pending commit at or above `ts`. */
  #pendingPosition(ts: Ts): number {
    let low = 0
    let high = this.#pending.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const pending = this.#pending[middle]
      if (pending !== undefined && pending.commit.ts < ts) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A rejection that nobody has to handle. */
function createFailedPromise(error: CommitterFailed): Promise<void> {
  const failed = Promise.reject(error)
  failed.catch(() => undefined)
  return failed
}

/** Estimated memory and log size of a commit. */
function sizeOfCommit({ documents, indexes, touched }: Commit): number {
  let sizeBytes = commitOverheadBytes
  for (const { text } of documents) sizeBytes += (text?.length ?? 0) + commitOverheadBytes
  for (const { key } of indexes) sizeBytes += key.length + commitOverheadBytes
  for (const { key } of touched) sizeBytes += key.length
  return sizeBytes
}

const commitOverheadBytes = 64
