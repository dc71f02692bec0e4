/**
 * Runs the rows of one queue as they become due, oldest first, as many at a time as there are slots. It holds nothing but the
 * ids of those that run and of one page: it looks at the index again when it has worked that off. With nothing due it
 * sleeps until the next row is, or until a commit touches what it looked at (a subscription, as for any live query).
 */
import { type Clock, createDeferred, type Deferred, type Log, Overloaded } from '@concave/base'
import type { Database } from '@concave/database'
import type { Alarm } from './alarm.ts'
import { type DueQueue, readDueRows } from './due-rows.ts'
import type { RunSlots } from './run-slots.ts'
import { schedulerLimits } from './scheduler-limits.ts'
import { toMs } from './scheduled-jobs.ts'

export type DueWorkerDependencies = {
  readonly queue: DueQueue
  /** Shared with the same queue of other components. */
  readonly slots: RunSlots
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
  /** Ends the wait for a slot. */
  #interrupt: Deferred<void> = createDeferred()
  #isStopped = false
  #isPaused = false
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
    this.#interruptWork()
    await this.#done
  }

  /** Starts nothing until `resume`. What runs goes on. */
  pause(): void {
    this.#isPaused = true
    this.#interruptWork()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#bell.resolve()
  }

  /** Resolves when nothing runs any more. To be called after `stop`. */
  async drained(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  get #mustPause(): boolean {
    return this.#isStopped || this.#isPaused || this.#heldUntilMs > this.#deps.clock.monotonicMs()
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
    const { clock, database, queue, slots } = this.#deps
    if (this.#isPaused) return await this.#sleepIdle(undefined)
    const heldMs = this.#heldUntilMs - clock.monotonicMs()
    if (heldMs > 0) return await this.#sleep(heldMs)
    const rows = await readDueRows(database, queue, {
      nowNs: clock.nowNs(),
      isTaken: (id) => this.#running.has(id),
    })
    for (const id of rows.due) {
      this.#interrupt = createDeferred()
      if (this.#mustPause || !(await slots.take(this.#interrupt.promise))) return
      if (this.#mustPause) return slots.release()
      this.#start(id)
    }
    if (rows.due.length > 0) return
    const subscription = database.subscribe(rows.reads, rows.ts, () => this.#bell.resolve())
    try {
      await this.#sleepIdle(rows.nextTs === undefined ? undefined : toMs(rows.nextTs) - clock.nowMs())
    } finally {
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
        this.#deps.slots.release()
        // Its row may be due again already, and was not looked at while it ran.
        this.#bell.resolve()
      })
    this.#running.set(id, run)
  }

  #interruptWork(): void {
    this.#bell.resolve()
    this.#interrupt.resolve()
  }

  /** As `#sleep`, with nothing due. */
  async #sleepIdle(delayMs: number | undefined): Promise<void> {
    this.#isAsleep = true
    try {
      await this.#sleep(delayMs)
    } finally {
      this.#isAsleep = false
    }
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
    this.#interruptWork()
  }
}
