/**
 * Runs the rows of one queue as they become due, at most `maxRunning` at a time, oldest first. It holds nothing but the
 * ids of those that run and of one page: it looks at the index again when it has worked that off. With nothing due it
 * sleeps until the next row is, or until a commit touches what it looked at (a subscription, as for any live query).
 */
import { type Clock, createDeferred, type Deferred, type Log, Overloaded } from '@concave/base'
import type { Database } from '@concave/database'
import type { Alarm } from './alarm.ts'
import { type DueTable, readDueRows } from './due-rows.ts'
import { schedulerLimits } from './scheduler-limits.ts'
import { toMs } from './scheduled-jobs.ts'

export type DueWorkerDependencies = {
  readonly table: DueTable
  /** Ends when the row is not due any more, or cannot be run now. A rejection is our failure: the worker waits a while. */
  readonly run: (id: string) => Promise<void>
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly alarm: Alarm
}

export class DueWorker {
  readonly #deps: DueWorkerDependencies
  readonly #running = new Map<string, Promise<void>>()
  readonly #done: Promise<void>
  /** Ends a sleep. */
  #bell: Deferred<void> = createDeferred()
  /** Ends the wait for one of those that run. */
  #slot: Deferred<void> = createDeferred()
  #isStopped = false
  #isAsleep = false
  #failures = 0
  #heldUntilMs = 0

  static start(deps: DueWorkerDependencies): DueWorker {
    return new DueWorker(deps)
  }

  private constructor(deps: DueWorkerDependencies) {
    this.#deps = deps
    this.#done = this.#work()
  }

  /** False while nothing is due and nothing runs. */
  get isBusy(): boolean {
    return !this.#isAsleep || this.#running.size > 0
  }

  /** Starts nothing any more. What runs goes on; see `drained`. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#ring()
    await this.#done
  }

  /** Resolves when nothing runs any more. To be called after `stop`. */
  async drained(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  get #mustPause(): boolean {
    return this.#isStopped || this.#heldUntilMs > this.#deps.clock.monotonicMs()
  }

  async #work(): Promise<void> {
    while (!this.#isStopped) {
      this.#bell = createDeferred()
      try {
        await this.#workOnce()
      } catch (error) {
        if (!this.#isStopped) this.#hold(error)
      }
    }
  }

  async #workOnce(): Promise<void> {
    const { clock, database, table } = this.#deps
    const heldMs = this.#heldUntilMs - clock.monotonicMs()
    if (heldMs > 0) return await this.#sleep(heldMs)
    const rows = await readDueRows(database, table, {
      nowNs: clock.nowNs(),
      isTaken: (id) => this.#running.has(id),
    })
    for (const id of rows.due) {
      while (this.#running.size >= schedulerLimits.maxRunning && !this.#mustPause) {
        this.#slot = createDeferred()
        await this.#slot.promise
      }
      if (this.#mustPause) return
      this.#start(id)
    }
    if (rows.due.length > 0) return
    const subscription = database.subscribe(rows.reads, rows.ts, () => this.#bell.resolve())
    try {
      this.#isAsleep = true
      await this.#sleep(rows.nextTs === undefined ? undefined : toMs(rows.nextTs) - clock.nowMs())
    } finally {
      this.#isAsleep = false
      subscription.close()
    }
  }

  #start(id: string): void {
    const run = this.#deps
      .run(id)
      .then(
        () => {
          this.#failures = 0
        },
        (error: unknown) => {
          if (!this.#isStopped) this.#hold(error)
        },
      )
      .finally(() => {
        this.#running.delete(id)
        // Its row may be due again already, and was not looked at while it ran.
        this.#ring()
      })
    this.#running.set(id, run)
  }

  #ring(): void {
    this.#bell.resolve()
    this.#slot.resolve()
  }

  /** Until the bell rings, at most `delayMs`. */
  async #sleep(delayMs: number | undefined): Promise<void> {
    if (this.#isStopped) return
    const bell = this.#bell
    const cancel =
      delayMs === undefined
        ? () => {}
        : this.#deps.alarm(Math.min(Math.max(0, delayMs), schedulerLimits.maxTimerMs), () => bell.resolve())
    await bell.promise
    cancel()
  }

  /** Starts nothing for a while: whatever failed would fail again at once. */
  #hold(error: unknown): void {
    const { clock, log } = this.#deps
    const { minFailureBackoffMs, maxConflictBackoffMs } = schedulerLimits
    const delayMs =
      error instanceof Overloaded
        ? error.retryAfterMs
        : Math.min(minFailureBackoffMs * 2 ** this.#failures, maxConflictBackoffMs)
    this.#failures += 1
    this.#heldUntilMs = clock.monotonicMs() + delayMs
    log.warn({ err: error, delayMs }, 'The scheduler could not run what is due; it tries again.')
    this.#ring()
  }
}
