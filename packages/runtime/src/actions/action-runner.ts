import { type Clock, createDeferred } from '@concave/base'
import { loadVersions } from '../call.ts'
import { runtimeLimits } from '../limits.ts'
import { frameKinds, type Frame } from '../protocol.ts'
import type { RunnerProcess } from '../runner-process.ts'
import type { Timers } from '../timers.ts'
import type { ActionCall } from './action-call.ts'
import type { ActionEnd, ActionStart } from './action-frames.ts'

const watchIntervalMs = 1_000

type Running = { readonly call: ActionCall; openTurns: number }

/** One runner process and the actions in it. */
export class ActionRunner {
  /** An action of its has ended, or the process has. */
  onChange: () => void = () => undefined
  readonly #runner: RunnerProcess
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #running = new Map<string, Running>()
  readonly #sharedTurnMs: number
  #stopWatch: (() => void) | undefined
  #nextId = 1
  /** Since when it owes us the end of a turn. */
  #turnSinceMs: number | undefined
  readonly #exited = createDeferred<void>()

  constructor(options: {
    readonly runner: RunnerProcess
    readonly clock: Clock
    readonly timers: Timers
    readonly sharedTurnMs: number
  }) {
    this.#runner = options.runner
    this.#clock = options.clock
    this.#timers = options.timers
    this.#sharedTurnMs = options.sharedTurnMs
    options.runner.onFrame = (frame) => this.#receive(frame)
    options.runner.onExit = (exit) => this.#lose(exit.crashed, exit.description)
    const { exit } = options.runner
    if (exit !== undefined) this.#lose(exit.crashed, exit.description)
  }

  get isAlive(): boolean {
    return this.#runner.isAlive
  }

  /** Actions in it. */
  get size(): number {
    return this.#running.size
  }

  /** How long it has been computing; 0 while all its actions wait. */
  turnMs(): number {
    return this.#turnSinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#turnSinceMs
  }

  start(call: ActionCall): void {
    const id = String(this.#nextId++)
    const { request } = call
    loadVersions(this.#runner, request)
    const header: ActionStart = {
      codeVersion: request.code.version,
      envVersion: request.env.version,
      modulePath: request.modulePath,
      kind: request.kind,
      name: request.kind === 'http' ? request.path : request.exportName,
      seed: request.seed,
      nowMs: this.#clock.nowMs(),
      timeMs: call.timeMs,
      sharedTurnMs: this.#sharedTurnMs,
    }
    const running = { call, openTurns: 0 }
    this.#running.set(id, running)
    this.#watch()
    const turn = (kind: Parameters<RunnerProcess['send']>[0], texts: readonly string[]): void => {
      running.openTurns += 1
      this.#turnSinceMs ??= this.#clock.monotonicMs()
      this.#runner.send(kind, [id, ...texts])
    }
    turn(frameKinds.startAction, [
      JSON.stringify(header),
      request.kind === 'http' ? headText(request) : request.argsText,
    ])
    call.begin({
      deliver: (callId, isOk, text, body) =>
        turn(frameKinds.deliver, [callId, isOk ? '1' : '0', text, Buffer.from(body ?? []).toString('latin1')]),
      wake: () => turn(frameKinds.wake, []),
      abortRequest: () => turn(frameKinds.abortRequest, []),
      end: () => this.#end(id),
    })
    void call.outcome.catch(() => undefined).then(() => this.#end(id))
  }

  /** Ends every action in it. */
  kill(): void {
    this.#runner.kill()
  }

  async close(): Promise<void> {
    await this.#runner.close()
    await this.#exited.promise
  }

  /** Tells the runner to drop an action whose outcome is known. If it computes nothing but that, it must go. */
  #end(id: string): void {
    if (!this.#running.has(id)) return
    this.#runner.send(frameKinds.endAction, [id])
    this.#timers.after(runtimeLimits.endActionMs, () => {
      if (this.#running.has(id) && this.#running.size === 1) this.#runner.kill()
    })
  }

  /** V8 does not end every turn that takes too long. One that others wait for is ended with the process. */
  #watch(): void {
    if (this.#stopWatch !== undefined) return
    this.#stopWatch = this.#timers.after(watchIntervalMs, () => {
      this.#stopWatch = undefined
      if (this.#running.size === 0) return
      if (this.#running.size > 1 && this.turnMs() > this.#sharedTurnMs + watchIntervalMs) this.#runner.kill()
      else this.#watch()
    })
  }

  #receive(frame: Frame): void {
    const [id = '', first = '', second = '', third = '', fourth = ''] = frame.texts
    const running = this.#running.get(id)
    if (running === undefined) return
    switch (frame.kind) {
      case frameKinds.actionOperation:
        if (!running.call.operate(first, second, third, fourth)) this.#runner.kill()
        return
      case frameKinds.actionTurn:
        running.openTurns -= 1
        this.#noteProgress()
        running.call.turned(Number(first), second)
        return
      case frameKinds.actionEnded:
        this.#running.delete(id)
        this.#noteProgress()
        running.call.ended(JSON.parse(first) as ActionEnd, second, third)
        this.onChange()
        return
      default:
        this.#runner.kill()
    }
  }

  #noteProgress(): void {
    let owed = 0
    for (const { openTurns } of this.#running.values()) owed += openTurns
    this.#turnSinceMs = owed === 0 ? undefined : this.#clock.monotonicMs()
  }

  #lose(crashed: boolean, description: string): void {
    const lost = [...this.#running.values()]
    this.#running.clear()
    this.#stopWatch?.()
    for (const { call } of lost) call.lost(crashed, description)
    this.#exited.resolve()
    this.onChange()
  }
}

function headText(request: Extract<ActionCall['request'], { kind: 'http' }>): string {
  const { requestBody } = request.exchange
  return JSON.stringify({
    ...request.request,
    streamId: requestBody === undefined ? null : 'request',
    signal: 'signal',
  })
}
