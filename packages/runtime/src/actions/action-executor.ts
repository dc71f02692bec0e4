import { type Clock, Internal, type Log, Overloaded, RateLimited, systemClock } from '@concave/base'
import { runtimeLimits } from '../limits.ts'
import type { RunnerPool } from '../runner-pool.ts'
import { systemTimers, type Timers } from '../timers.ts'
import type { ActionHost, ActionOutcome, ActionRequest } from './action.ts'
import { ActionCall } from './action-call.ts'
import { ActionRunner } from './action-runner.ts'
import type { Egress } from './egress.ts'

export type ActionExecutorOptions = {
  /** Of queries and mutations; actions get their own from it (`forActions`). */
  readonly pool: RunnerPool
  readonly egress: Egress
  readonly log: Log
  readonly clock?: Clock
  readonly timers?: Timers
  readonly maxRunners?: number
  readonly maxActionsPerRunner?: number
  readonly timeMs?: number
  readonly sharedTurnMs?: number
  readonly patienceMs?: number
  readonly idleTimeoutMs?: number
}

type Waiting = { readonly call: ActionCall; stopPatience: () => void }

/** How soon to look again for a runner whose actions all wait. */
const retryMs = 20

/**
 * Runs the actions of one deployment. Each gets a process of its own while there are enough; when all are taken, several
 * that wait share one. No process is held before the first action, nor after a while without one.
 */
export class ActionExecutor {
  readonly #pool: RunnerPool
  readonly #egress: Egress
  readonly #log: Log
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #maxRunners: number
  readonly #maxActionsPerRunner: number
  readonly #timeMs: number
  readonly #sharedTurnMs: number
  readonly #patienceMs: number
  readonly #idleTimeoutMs: number
  readonly #queue: Waiting[] = []
  readonly #runners: ActionRunner[] = []
  readonly #starting = new Set<Promise<void>>()
  #running = 0
  #stopRetry: (() => void) | undefined
  #stopIdle: (() => void) | undefined
  #isClosed = false

  constructor(options: ActionExecutorOptions) {
    this.#pool = options.pool
    this.#egress = options.egress
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
    this.#maxRunners = options.maxRunners ?? runtimeLimits.maxActionRunners
    this.#maxActionsPerRunner = options.maxActionsPerRunner ?? runtimeLimits.maxActionsPerRunner
    this.#timeMs = options.timeMs ?? runtimeLimits.actionTimeMs
    this.#sharedTurnMs = options.sharedTurnMs ?? runtimeLimits.sharedTurnMs
    this.#patienceMs = options.patienceMs ?? runtimeLimits.actionPatienceMs
    this.#idleTimeoutMs = options.idleTimeoutMs ?? runtimeLimits.idleTimeoutMs
  }

  /** Actions that run or wait. */
  get size(): number {
    return this.#running
  }

  /**
   * Runs one action to its end, at most once. Rejects with a `PlatformError` of ours, or with what the host threw if user
   * code may not catch it.
   */
  async run(request: ActionRequest, host: ActionHost): Promise<ActionOutcome> {
    if (this.#isClosed) throw closedError()
    if (this.#queue.length >= runtimeLimits.maxQueuedActions) throw this.#tooMany()
    const call = new ActionCall({
      request,
      host,
      egress: this.#egress,
      clock: this.#clock,
      timers: this.#timers,
      timeMs: this.#timeMs,
    })
    this.#running += 1
    this.#stopIdle?.()
    this.#stopIdle = undefined
    this.#enqueue(call)
    try {
      return await call.outcome
    } finally {
      this.#running -= 1
      this.#watchIdle()
    }
  }

  /** Has a runner made ready before the first action needs it; what goes wrong is told by that action. */
  warm(): void {
    this.#pool.forActions().catch((error: unknown) => {
      this.#log.warn({ err: error }, 'Runners for actions could not be made ready.')
    })
  }

  /** Refuses what waits and kills the runners, which ends the actions that run. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopRetry?.()
    this.#stopIdle?.()
    for (const waiting of this.#queue.splice(0)) {
      waiting.stopPatience()
      waiting.call.fail(closedError())
    }
    await Promise.all(this.#runners.splice(0).map((runner) => runner.close(closedError())))
    await Promise.all(this.#starting)
  }

  #enqueue(call: ActionCall): void {
    const waiting: Waiting = { call, stopPatience: () => undefined }
    this.#queue.push(waiting)
    this.#limitPatience(waiting)
    this.#pump()
  }

  /** Nobody is refused while a runner is on its way. */
  #limitPatience(waiting: Waiting): void {
    waiting.stopPatience = this.#timers.after(this.#patienceMs, () => {
      const index = this.#queue.indexOf(waiting)
      if (index < 0) return
      if (this.#starting.size > 0) {
        this.#limitPatience(waiting)
        return
      }
      this.#queue.splice(index, 1)
      waiting.call.fail(this.#tooMany())
    })
  }

  #pump(): void {
    for (;;) {
      const first = this.#queue[0]
      if (first === undefined) return
      const runner = this.#findRunner()
      if (runner === undefined) break
      this.#queue.shift()
      first.stopPatience()
      runner.start(first.call)
    }
    const wanted = Math.min(this.#queue.length, this.#maxRunners - this.#runners.length) - this.#starting.size
    for (let i = 0; i < wanted; i++) this.#addRunner()
    if (this.#runners.length + this.#starting.size >= this.#maxRunners) this.#retrySoon()
  }

  /** An empty one, or, when there may be no more of them, the emptiest of those whose actions all wait. */
  #findRunner(): ActionRunner | undefined {
    const alive = this.#runners.filter((runner) => runner.isAlive)
    const empty = alive.find((runner) => runner.size === 0)
    if (empty !== undefined) return empty
    if (alive.length < this.#maxRunners) return undefined
    const open = alive.filter((runner) => runner.size < this.#maxActionsPerRunner && runner.turnMs() === 0)
    return open.sort((a, b) => a.size - b.size)[0]
  }

  /** Runners that compute give way at a moment that nobody announces. */
  #retrySoon(): void {
    this.#stopRetry ??= this.#timers.after(retryMs, () => {
      this.#stopRetry = undefined
      this.#pump()
    })
  }

  #addRunner(): void {
    const starting = this.#startRunner().finally(() => {
      this.#starting.delete(starting)
      if (!this.#isClosed) this.#pump()
    })
    this.#starting.add(starting)
  }

  async #startRunner(): Promise<void> {
    try {
      const process = await (await this.#pool.forActions()).take()
      if (this.#isClosed) {
        await process.close()
        return
      }
      const runner = new ActionRunner({
        runner: process,
        clock: this.#clock,
        timers: this.#timers,
        sharedTurnMs: this.#sharedTurnMs,
      })
      runner.onChange = () => this.#changed(runner)
      this.#runners.push(runner)
    } catch (error) {
      this.#log.error({ err: error }, 'No runner for actions could be had.')
      if (this.#runners.length > 0) return
      for (const waiting of this.#queue.splice(0)) {
        waiting.stopPatience()
        waiting.call.fail(new Internal(error))
      }
    }
  }

  #changed(runner: ActionRunner): void {
    if (!runner.isAlive) {
      const index = this.#runners.indexOf(runner)
      if (index >= 0) this.#runners.splice(index, 1)
    }
    if (!this.#isClosed) this.#pump()
  }

  #watchIdle(): void {
    if (this.#running > 0 || this.#isClosed) return
    this.#stopIdle ??= this.#timers.after(this.#idleTimeoutMs, () => {
      this.#stopIdle = undefined
      for (const runner of this.#runners.splice(0)) runner.kill()
    })
  }

  #tooMany(): RateLimited {
    const limit = this.#maxRunners * this.#maxActionsPerRunner
    return new RateLimited(
      'TooManyConcurrentRequests',
      `Too many concurrent requests. Your backend is limited to ${limit} concurrent actions.`,
      1_000,
    )
  }
}

function closedError(): Overloaded {
  return new Overloaded('ExecutorClosed', 'This deployment is stopping. Try again.', 1_000)
}
