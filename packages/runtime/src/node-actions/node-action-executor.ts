import { createHash } from 'node:crypto'
import { type Clock, Internal, type Log, Overloaded, PlatformError, RateLimited, systemClock } from '@concave/base'
import { ActionCall } from '../actions/action-call.ts'
import type { ActionHost, ActionOutcome } from '../actions/action.ts'
import type { Egress } from '../actions/egress.ts'
import { runtimeLimits } from '../limits.ts'
import { systemTimers, type Timers } from '../timers.ts'
import type { NodeActionRequest, NodeProvider } from './node-action.ts'
import type { NodeNetwork } from './node-frames.ts'
import { networkFor } from './node-connections.ts'
import { NodeActionRunner } from './node-action-runner.ts'
import { NodeProcess } from './node-process.ts'
import { NodeWorkspace } from './node-workspace.ts'

export type NodeActionExecutorOptions = {
  readonly provider: NodeProvider
  readonly egress: Egress
  readonly log: Log
  readonly clock?: Clock
  readonly timers?: Timers
  readonly maxProcesses?: number
  readonly timeMs?: number
  readonly patienceMs?: number
  readonly idleTimeoutMs?: number
  /** What the platform and the rule for addresses call for, unless said otherwise. */
  readonly network?: NodeNetwork
  readonly isInside?: (address: string) => boolean
}

type Waiting = {
  readonly call: ActionCall
  readonly request: NodeActionRequest
  readonly key: string
  /** Processes that it was given to and that did not begin it. */
  returns: number
  stopPatience: () => void
}

/**
 * Runs the Node actions of one deployment: several at a time in one process, which knows one version of the code and of
 * the variables and is replaced when either changes or something goes wrong in it. A process that computes without
 * giving way is left alone with its actions; further ones get another. No process is held before the first action, nor
 * after a while without one.
 */
export class NodeActionExecutor {
  readonly #provider: NodeProvider
  readonly #egress: Egress
  readonly #log: Log
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #maxProcesses: number
  readonly #timeMs: number
  readonly #patienceMs: number
  readonly #idleTimeoutMs: number
  readonly #network: NodeNetwork
  readonly #isInside: ((address: string) => boolean) | undefined
  readonly #queue: Waiting[] = []
  readonly #runners = new Set<NodeActionRunner>()
  /** By key: processes on their way. */
  readonly #starting = new Map<string, Promise<void>>()
  #running = 0
  #stopIdle: (() => void) | undefined
  #isClosed = false

  constructor(options: NodeActionExecutorOptions) {
    this.#provider = options.provider
    this.#isInside = options.isInside
    this.#network = options.network ?? networkFor(options.egress)
    this.#egress = options.egress
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
    this.#maxProcesses = options.maxProcesses ?? runtimeLimits.maxNodeProcesses
    this.#timeMs = options.timeMs ?? runtimeLimits.nodeActionTimeMs
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
  async run(request: NodeActionRequest, host: ActionHost): Promise<ActionOutcome> {
    if (this.#isClosed) throw closedError()
    if (this.#queue.length >= runtimeLimits.maxQueuedActions) throw this.#tooMany()
    const call = new ActionCall({
      request,
      host,
      egress: this.#egress,
      clock: this.#clock,
      timers: this.#timers,
      timeMs: this.#timeMs,
      limitTexts: {
        outOfMemory: `JavaScript execution ran out of memory (maximum memory usage: ${runtimeLimits.nodeMemoryMb} MB)`,
        timedOut: (limitMs) =>
          `Action \`${request.functionName}\` execution timed out (maximum duration ${limitMs / 1000}s)`,
      },
    })
    this.#running += 1
    this.#stopIdle?.()
    this.#stopIdle = undefined
    this.#enqueue({ call, request, key: keyOf(request), returns: 0, stopPatience: () => undefined })
    try {
      return await call.outcome
    } finally {
      this.#running -= 1
      this.#watchIdle()
    }
  }

  /** Refuses what waits and kills the processes, which ends the actions that run. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopIdle?.()
    for (const waiting of this.#queue.splice(0)) this.#refuse(waiting, closedError())
    await Promise.all(this.#starting.values())
    await Promise.all([...this.#runners].map((runner) => runner.close(closedError())))
  }

  #enqueue(waiting: Waiting): void {
    this.#queue.push(waiting)
    this.#limitPatience(waiting)
    this.#pump()
  }

  #takeBack(waiting: Waiting): void {
    waiting.returns += 1
    if (this.#isClosed) waiting.call.fail(closedError())
    else if (waiting.returns > runtimeLimits.maxNodeReturns) {
      waiting.call.fail(new Internal('Processes of Node actions end before they begin one.'))
    } else this.#enqueue(waiting)
  }

  /** Nobody is refused while a process is on its way. */
  #limitPatience(waiting: Waiting): void {
    waiting.stopPatience = this.#timers.after(this.#patienceMs, () => {
      const index = this.#queue.indexOf(waiting)
      if (index < 0) return
      if (this.#starting.has(waiting.key)) {
        this.#limitPatience(waiting)
        return
      }
      this.#queue.splice(index, 1)
      waiting.call.fail(this.#tooMany())
    })
  }

  #pump(): void {
    const newest = this.#queue.at(-1)?.key
    for (const waiting of this.#queue.splice(0)) {
      const runner = this.#findRunner(waiting.key)
      if (runner === undefined) {
        this.#queue.push(waiting)
        this.#startRunner(waiting)
        continue
      }
      waiting.stopPatience()
      runner.start(waiting.call, () => this.#takeBack(waiting))
    }
    // What runs older code ends with its last action.
    if (newest === undefined) return
    for (const runner of this.#runners) if (runner.key !== newest) runner.retire()
  }

  #findRunner(key: string): NodeActionRunner | undefined {
    const open = [...this.#runners].filter(
      (runner) => runner.key === key && runner.isOpen && runner.size < runtimeLimits.maxActionsPerNodeProcess,
    )
    return open.sort((a, b) => a.size - b.size)[0]
  }

  #startRunner({ request, key }: Waiting): void {
    if (this.#isClosed || this.#starting.has(key)) return
    // Those that run older code are on their way out, and may take their time.
    const alike = [...this.#runners].filter((runner) => runner.key === key).length
    if (alike >= this.#maxProcesses || this.#runners.size >= this.#maxProcesses * 2) return
    const starting = this.#open(request, key).finally(() => {
      this.#starting.delete(key)
      if (!this.#isClosed) this.#pump()
    })
    this.#starting.set(key, starting)
  }

  async #open(request: NodeActionRequest, key: string): Promise<void> {
    try {
      const { nodePath, packagesFolder } = await this.#provider.provide(request.requirements)
      const workspace = await NodeWorkspace.create(request.code, { packagesFolder })
      const process = await NodeProcess.start({
        nodePath,
        workspace,
        variables: request.env.variables,
        network: this.#network,
        ...(this.#isInside === undefined ? {} : { isInside: this.#isInside }),
        log: this.#log,
      })
      if (this.#isClosed) {
        await process.close()
        return
      }
      const runner = new NodeActionRunner({ key, process, clock: this.#clock, timers: this.#timers })
      runner.onChange = () => this.#changed(runner)
      this.#runners.add(runner)
    } catch (error) {
      this.#log.error({ err: error }, 'No process for Node actions could be had.')
      const failure = error instanceof PlatformError ? error : new Internal(error)
      for (const waiting of this.#queue.filter((one) => one.key === key)) {
        this.#queue.splice(this.#queue.indexOf(waiting), 1)
        this.#refuse(waiting, failure)
      }
    }
  }

  #refuse(waiting: Waiting, error: unknown): void {
    waiting.stopPatience()
    waiting.call.fail(error)
  }

  #changed(runner: NodeActionRunner): void {
    if (!runner.isAlive) this.#runners.delete(runner)
    if (!this.#isClosed) this.#pump()
  }

  #watchIdle(): void {
    if (this.#running > 0 || this.#isClosed) return
    this.#stopIdle ??= this.#timers.after(this.#idleTimeoutMs, () => {
      this.#stopIdle = undefined
      for (const runner of this.#runners) runner.kill()
    })
  }

  #tooMany(): RateLimited {
    const limit = this.#maxProcesses * runtimeLimits.maxActionsPerNodeProcess
    return new RateLimited(
      'TooManyConcurrentRequests',
      `Too many concurrent requests. Your backend is limited to ${limit} concurrent Node actions.`,
      1_000,
    )
  }
}

/** A process runs one of these. */
function keyOf({ code, env, requirements }: NodeActionRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([code.version, env.version, requirements.nodeVersion ?? null, requirements.packages]))
    .digest('hex')
}

function closedError(): Overloaded {
  return new Overloaded('ExecutorClosed', 'This deployment is stopping. Try again.', 1_000)
}
