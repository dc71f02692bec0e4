import { systemClock, type Clock, type Log } from '@concave/base'
import type { ExecuteOutcome, ExecuteRequest, ExecutionHost } from './execution.ts'
import type { FunctionName } from './guesses.ts'
import { Lane, type SentCall } from './lane.ts'
import { runtimeLimits } from './limits.ts'
import type { RunnerPool } from './runner-pool.ts'
import { systemTimers, type Timers } from './timers.ts'

export type ExecutorOptions = {
  readonly pool: RunnerPool
  readonly log: Log
  readonly clock?: Clock
  readonly timers?: Timers
  readonly maxRunnersPerLane?: number
  readonly maxQueuedPerLane?: number
  /** After so long without calls the runners are given up. */
  readonly idleTimeoutMs?: number
}

/**
 * Runs the queries and mutations of one deployment, in lanes of their own. No runner is held before the first call, nor
 * after a while without one.
 */
export class Executor {
  readonly #lanes: { readonly query: Lane; readonly mutation: Lane }
  readonly #timers: Timers
  readonly #idleTimeoutMs: number
  #stopIdleWatch: (() => void) | undefined

  constructor(options: ExecutorOptions) {
    const clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
    this.#idleTimeoutMs = options.idleTimeoutMs ?? runtimeLimits.idleTimeoutMs
    const statefulGraphs = new Set<string>()
    const createLane = (name: 'queries' | 'mutations'): Lane =>
      new Lane({
        name,
        pool: options.pool,
        clock,
        timers: this.#timers,
        log: options.log,
        maxRunners: options.maxRunnersPerLane ?? runtimeLimits.maxRunnersPerLane,
        maxQueued: options.maxQueuedPerLane ?? runtimeLimits.maxQueuedPerLane,
        statefulGraphs,
      })
    this.#lanes = { query: createLane('queries'), mutation: createLane('mutations') }
  }

  /**
   * Runs one function to completion against `host`. Resolves to its outcome, be it success or the developer's error;
   * rejects with a `PlatformError` of ours or with what the host threw if user code may not catch it.
   */
  async execute(request: ExecuteRequest, host: ExecutionHost, sent?: SentCall): Promise<ExecuteOutcome> {
    this.#watchIdle()
    return await this.#lanes[request.udfType].execute(request, host, sent)
  }

  /** Sends a mutation to the runner before its turn, see `Lane.sendAhead`. */
  sendAhead(name: FunctionName, build: () => ExecuteRequest): SentCall | undefined {
    return this.#lanes.mutation.sendAhead(name, build)
  }

  /** Takes the runners before the first calls need them. */
  async warm(): Promise<void> {
    await Promise.all([this.#lanes.query.warm(), this.#lanes.mutation.warm()])
    this.#watchIdle()
  }

  async close(): Promise<void> {
    this.#stopIdleWatch?.()
    await Promise.all([this.#lanes.query.close(), this.#lanes.mutation.close()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #watchIdle(): void {
    if (this.#stopIdleWatch !== undefined) return
    this.#stopIdleWatch = this.#timers.after(this.#idleTimeoutMs, () => {
      this.#stopIdleWatch = undefined
      const idleMs = Math.min(this.#lanes.query.idleMs(), this.#lanes.mutation.idleMs())
      if (idleMs < this.#idleTimeoutMs) {
        this.#watchIdle()
        return
      }
      this.#lanes.query.releaseRunners()
      this.#lanes.mutation.releaseRunners()
    })
  }
}
