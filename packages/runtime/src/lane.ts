import { createDeferred, Internal, Overloaded, WriteConflict, type Clock, type Deferred, type Log } from '@concave/base'
import { Call, type CallEnd, type Graph, loadVersions } from './call.ts'
import type { ExecuteOutcome, ExecuteRequest, ExecutionHost } from './execution.ts'
import { runtimeLimits } from './limits.ts'
import { Guesses, type FunctionName } from './guesses.ts'
import { Patience } from './patience.ts'
import { frameKinds, type Ahead, type GraphKey } from './protocol.ts'
import type { RunnerPool } from './runner-pool.ts'
import type { RunnerProcess } from './runner-process.ts'
import type { Timers } from './timers.ts'

type Job = {
  readonly request: ExecuteRequest
  readonly host: ExecutionHost
  readonly deferred: Deferred<ExecuteOutcome>
  /** Runs again after its first runner was lost or its graph proved stateful. */
  readonly isSecondTry: boolean
  /** At most so much is not waited for. */
  readonly ahead: Ahead
}

type Worker = {
  readonly runner: RunnerProcess
  /** The call that has its host, until its outcome is known. Undefined while the worker waits for work. */
  call: Call | undefined
  /** Calls that were sent before their turn, in the order of their turns. */
  ahead: SentCall[]
  /** Calls that the runner has not finished, in the order in which it works on them. */
  readonly inRunner: Call[]
  /** Calls sent so far: the number of the latest. */
  sentCount: number
  startedMs: number
  /** Set while it waits to make a context ahead. */
  cancelPrepare: (() => void) | undefined
}

/**
 * A call that was sent to a runner before its turn. Pass it to `execute` when its turn has come, or `cancel` it. Only
 * worth something while calls go on without surprises; otherwise `execute` runs the call as if it had not been sent.
 */
export type SentCall = {
  readonly request: ExecuteRequest
  readonly call: Call
  /** It was neither cancelled nor lost. */
  readonly isUsable: () => boolean
  readonly cancel: () => void
}

const checkIntervalMs = 200

/**
 * Calls of one kind of one deployment, in order of arrival. One runner serves them one after another; while a call runs
 * for long, waiting ones go to a further runner, up to `maxRunners`.
 */
export class Lane {
  readonly #name: 'queries' | 'mutations'
  readonly #pool: RunnerPool
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #log: Log
  readonly #maxRunners: number
  readonly #maxQueued: number
  /** Graphs that were taken for stateless and wrote to frozen state. Shared by the lanes of a deployment. */
  readonly #statefulGraphs: Set<string>
  readonly #guesses = new Guesses()
  readonly #patience = new Patience({ minMs: runtimeLimits.spillAfterMs })
  readonly #queue: Job[] = []
  readonly #workers: Worker[] = []
  #starting = 0
  #stopCheck: (() => void) | undefined
  #stopSpill: (() => void) | undefined
  #isClosed = false
  #lastUsedMs: number

  constructor(options: {
    readonly name: 'queries' | 'mutations'
    readonly pool: RunnerPool
    readonly clock: Clock
    readonly timers: Timers
    readonly log: Log
    readonly maxRunners: number
    readonly maxQueued: number
    readonly statefulGraphs: Set<string>
  }) {
    this.#name = options.name
    this.#pool = options.pool
    this.#clock = options.clock
    this.#timers = options.timers
    this.#log = options.log
    this.#maxRunners = options.maxRunners
    this.#maxQueued = options.maxQueued
    this.#statefulGraphs = options.statefulGraphs
    this.#lastUsedMs = options.clock.monotonicMs()
  }

  /** Runs one call. Rejects with `Overloaded` if too many wait, and with what the host threw if that was not catchable. */
  async execute(request: ExecuteRequest, host: ExecutionHost, sent?: SentCall): Promise<ExecuteOutcome> {
    if (this.#isClosed) throw closedError()
    const worker = sent === undefined ? undefined : this.#workers.find(({ ahead }) => ahead.includes(sent))
    if (sent?.isUsable() === true && worker !== undefined && worker.call === undefined) {
      return await this.#attach(worker, sent, host)
    }
    sent?.cancel()
    if (this.#queue.length >= this.#maxQueued) {
      throw new Overloaded(
        'TooManyConcurrentRequests',
        `Too many concurrent requests. ${this.#maxQueued} ${this.#name} of this deployment are waiting already.`,
        1_000,
      )
    }
    const deferred = createDeferred<ExecuteOutcome>()
    this.#queue.push({
      request,
      host,
      deferred,
      isSecondTry: false,
      ahead: host.restart === undefined || request.udfType === 'query' ? 'nothing' : 'writesAndReads',
    })
    this.#pump()
    return await deferred.promise
  }

  /**
   * Sends a call to the runner that works on those before it, so that it need not wait for them to become commits: what
   * it reads is confirmed when its turn comes. Undefined if there is no such runner or the function guesses badly; `build`
   * is called only if there is hope.
   */
  sendAhead(name: FunctionName, build: () => ExecuteRequest): SentCall | undefined {
    const [worker, ...others] = this.#workers.filter(isBusy)
    if (this.#isClosed || worker === undefined || others.length > 0 || !worker.runner.isAlive) return undefined
    if (worker.ahead.length >= runtimeLimits.maxSentAhead) return undefined
    if (this.#queue.length > 0 || !this.#guesses.mayGuess(name)) return undefined
    const request = build()
    if (this.#keepsState(request)) return undefined
    const call = this.#startCall(worker, { request, host: undefined, ahead: 'writesAndReads' })
    const sent: SentCall = {
      request,
      call,
      isUsable: () => worker.ahead.includes(sent) && worker.runner.isAlive && !call.isOver,
      cancel: () => cancelSent(worker, [sent]),
    }
    worker.ahead.push(sent)
    return sent
  }

  /** Takes a runner before the first call needs it. */
  async warm(): Promise<void> {
    if (this.#workers.length + this.#starting === 0) await this.#addWorker()
  }

  /** Milliseconds since the lane had anything to do; 0 while it has. */
  idleMs(): number {
    const hasWork = this.#queue.length > 0 || this.#starting > 0 || this.#workers.some(isBusy)
    return hasWork ? 0 : this.#clock.monotonicMs() - this.#lastUsedMs
  }

  /** Gives the runners up; the next call takes new ones. */
  releaseRunners(): void {
    for (const worker of this.#workers.splice(0)) worker.runner.kill()
  }

  /** Refuses what waits and kills the runners, which ends the calls that run. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopCheck?.()
    this.#stopSpill?.()
    for (const job of this.#queue.splice(0)) job.deferred.reject(closedError())
    await Promise.all(this.#workers.splice(0).map((worker) => worker.runner.close()))
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const idle = this.#findIdleWorker()
      if (idle === undefined) break
      const job = this.#queue.shift() as Job
      void this.#run(idle, job)
    }
    if (this.#queue.length === 0) return
    const total = this.#workers.length + this.#starting
    if (total === 0) void this.#addWorker()
    else if (total < this.#maxRunners && this.#starting === 0) this.#watchForSpill()
  }

  #findIdleWorker(): Worker | undefined {
    for (let i = this.#workers.length - 1; i >= 0; i--) {
      if (!(this.#workers[i] as Worker).runner.isAlive) this.#workers.splice(i, 1)
    }
    return this.#workers.find((worker) => worker.call === undefined)
  }

  /** When every runner has been busy with one call for a while, a further one is taken for those that wait. */
  #watchForSpill(): void {
    if (this.#stopSpill !== undefined) return
    const now = this.#clock.monotonicMs()
    const latestStartMs = Math.max(...this.#workers.map((worker) => worker.startedMs))
    this.#stopSpill = this.#timers.after(Math.max(1, latestStartMs + this.#patience.ms - now), () => {
      this.#stopSpill = undefined
      if (this.#isClosed || this.#queue.length === 0) return
      const nowMs = this.#clock.monotonicMs()
      const allSlow = this.#workers.every((worker) => nowMs - worker.startedMs >= this.#patience.ms)
      if (allSlow && this.#workers.length + this.#starting < this.#maxRunners) void this.#addWorker()
      else this.#pump()
    })
  }

  async #addWorker(): Promise<void> {
    this.#starting += 1
    try {
      const runner = await this.#pool.take()
      if (this.#isClosed) await runner.close()
      else this.#workers.push(openWorker(runner))
    } catch (error) {
      this.#log.error({ err: error, lane: this.#name }, 'No runner could be had.')
      if (this.#workers.length === 0) for (const job of this.#queue.splice(0)) job.deferred.reject(new Internal(error))
    } finally {
      this.#starting -= 1
    }
    if (!this.#isClosed) this.#pump()
  }

  async #run(worker: Worker, job: Job): Promise<void> {
    const { request } = job
    const isGuessing = job.ahead === 'writesAndReads' && this.#guesses.mayGuess(request)
    // They would wait for their turns in the runner, in the way of this one.
    cancelSent(worker, worker.ahead)
    const ahead = job.ahead === 'writesAndReads' && !isGuessing ? 'writes' : job.ahead
    await this.#finish(worker, job, this.#startCall(worker, { request, host: job.host, ahead }), isGuessing)
  }

  /** The turn of a call that was sent ahead. Those before it that never came to their turns are given up. */
  async #attach(worker: Worker, sent: SentCall, host: ExecutionHost): Promise<ExecuteOutcome> {
    cancelSent(worker, worker.ahead.slice(0, worker.ahead.indexOf(sent)))
    worker.ahead.shift()
    const deferred = createDeferred<ExecuteOutcome>()
    const job: Job = { request: sent.request, host, deferred, isSecondTry: false, ahead: 'writesAndReads' }
    sent.call.attach(host)
    void this.#finish(worker, job, sent.call, true)
    return await deferred.promise
  }

  #startCall(
    worker: Worker,
    options: { readonly request: ExecuteRequest; readonly host: ExecutionHost | undefined; readonly ahead: Ahead },
  ): Call {
    worker.cancelPrepare?.()
    worker.cancelPrepare = undefined
    worker.sentCount += 1
    const call = new Call({
      ...options,
      number: worker.sentCount,
      runner: worker.runner,
      keepsState: (graph) => this.#statefulGraphs.has(graphText(graph)),
      clock: this.#clock,
    })
    worker.inRunner.push(call)
    if (worker.inRunner.length === 1) call.start()
    this.#watchTime()
    return call
  }

  #keepsState({ code, modulePath }: ExecuteRequest): boolean {
    return this.#statefulGraphs.has(graphText({ codeVersion: code.version, modulePath }))
  }

  async #finish(worker: Worker, job: Job, call: Call, isGuessing: boolean): Promise<void> {
    const { request, deferred } = job
    worker.call = call
    worker.startedMs = this.#clock.monotonicMs()
    try {
      const end = await call.end
      if (end.kind === 'astray') worker.runner.send(frameKinds.forget, [String(call.number)])
      if (isGuessing) this.#guesses.record(request, end.kind !== 'astray' || end.wrong === 'write')
      if (end.kind === 'outcome') deferred.resolve(end.outcome)
      else await this.#runAgain(job, end)
    } catch (error) {
      deferred.reject(error)
    }
    worker.call = undefined
    this.#lastUsedMs = this.#clock.monotonicMs()
    this.#patience.record(this.#lastUsedMs - worker.startedMs)
    if (this.#isClosed) return
    this.#pump()
    // Any other context waits for its next call anyhow; that of a graph known to keep state must be new.
    if (call.usedFreshRealm && worker.inRunner.length === 0 && !this.#keepsState(request)) {
      this.#prepareWhenIdle(worker, request)
    }
  }

  /** Puts the job first in the queue again; the host has to start over if it has been called. */
  async #runAgain(job: Job, end: Exclude<CallEnd, { kind: 'outcome' }>): Promise<void> {
    if (end.kind === 'astray') {
      const { modulePath, exportName } = job.request
      this.#log.debug({ modulePath, exportName, wrong: end.wrong }, 'A call went astray; it runs again.')
    } else if (end.kind === 'notStateless') {
      const { graph } = end
      this.#log.info({ modulePath: graph.modulePath }, 'A module keeps state; its calls get fresh contexts.')
      this.#statefulGraphs.add(graphText(graph))
    } else {
      this.#log.warn({ exit: end.description, lane: this.#name }, 'A runner was lost.')
      if (job.isSecondTry || this.#isClosed) throw this.#isClosed ? closedError() : new Internal(end.description)
    }
    if (end.hostWasCalled) {
      if (job.host.restart === undefined) throw new WriteConflict('The function has to be run again from its start.')
      await job.host.restart()
    }
    const ahead = end.kind !== 'astray' ? job.ahead : end.wrong === 'write' ? 'nothing' : 'writes'
    this.#queue.unshift({ ...job, isSecondTry: end.kind === 'runnerLost' || job.isSecondTry, ahead })
  }

  /** In idle time the runner makes a context for the next call of the same module. */
  #prepareWhenIdle(worker: Worker, request: ExecuteRequest): void {
    worker.cancelPrepare = this.#timers.after(runtimeLimits.prepareAfterIdleMs, () => {
      worker.cancelPrepare = undefined
      if (!worker.runner.isAlive) return
      loadVersions(worker.runner, request)
      const key: GraphKey = {
        codeVersion: request.code.version,
        envVersion: request.env.version,
        modulePath: request.modulePath,
      }
      worker.runner.send(frameKinds.prepare, [JSON.stringify(key)])
    })
  }

  /** One timer for all calls of the lane, armed while any runs. */
  #watchTime(): void {
    if (this.#stopCheck !== undefined) return
    this.#stopCheck = this.#timers.after(checkIntervalMs, () => {
      this.#stopCheck = undefined
      let isAnyRunning = false
      for (const worker of this.#workers) {
        const [first] = worker.inRunner
        if (worker.call === undefined && first === undefined) continue
        isAnyRunning = true
        worker.call?.checkTime()
        if (first !== worker.call) first?.checkTime()
      }
      if (isAnyRunning && !this.#isClosed) this.#watchTime()
    })
  }
}

function openWorker(runner: RunnerProcess): Worker {
  const worker: Worker = {
    runner,
    call: undefined,
    ahead: [],
    inRunner: [],
    sentCount: 0,
    startedMs: 0,
    cancelPrepare: undefined,
  }
  runner.onFrame = (frame) => {
    const call = worker.inRunner[0]
    if (frame.kind === frameKinds.done) {
      worker.inRunner.shift()
      worker.inRunner[0]?.start()
    }
    call?.receive(frame)
  }
  runner.onExit = (exit) => {
    for (const call of worker.inRunner.splice(0)) call.lose(exit)
  }
  return worker
}

function isBusy({ call, inRunner }: Worker): boolean {
  return call !== undefined || inRunner.length > 0
}

function cancelSent(worker: Worker, calls: readonly SentCall[]): void {
  const cancelled = calls.filter((sent) => worker.ahead.includes(sent))
  if (cancelled.length === 0) return
  worker.ahead = worker.ahead.filter((sent) => !cancelled.includes(sent))
  for (const { call } of cancelled) call.cancel()
  worker.runner.send(frameKinds.forget, [cancelled.map(({ call }) => call.number).join(',')])
}

function graphText({ codeVersion, modulePath }: Graph): string {
  return JSON.stringify([codeVersion, modulePath])
}

function closedError(): Overloaded {
  return new Overloaded('ExecutorClosed', 'This deployment is stopping. Try again.', 1_000)
}
