import { type Clock, createDeferred, Internal } from '@concave/base'
import { loadVersions } from '../call.ts'
import { runtimeLimits } from '../limits.ts'
import { frameKinds, type Frame } from '../protocol.ts'
import type { RunnerProcess } from '../runner-process.ts'
import type { Timers } from '../timers.ts'
import type { ActionCall } from './action-call.ts'
import type { ActionEnd, ActionStart } from './action-frames.ts'

const watchIntervalMs = 1_000

/** One runner process and the actions in it. */
export class ActionRunner {
  /** An action of its has ended, or the process has. */
  onChange: () => void = () => undefined
  readonly #runner: RunnerProcess
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #running = new Map<string, ActionCall>()
  /** Whose turns the process owes us, in their order: it is busy with the first. */
  #turns: string[] = []
  /** The process was killed because of this turn. */
  #overran: string | undefined
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
    this.#running.set(id, call)
    this.#watch()
    const turn = (kind: Parameters<RunnerProcess['send']>[0], texts: readonly string[]): void => {
      this.#turns.push(id)
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

  /** Of a runner without actions. */
  kill(): void {
    this.#runner.kill()
  }

  /** Ends every action in it with `reason`, and the process. */
  async close(reason: unknown): Promise<void> {
    for (const call of this.#running.values()) call.fail(reason)
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
      if (this.#running.size > 1 && this.turnMs() > this.#sharedTurnMs + watchIntervalMs) {
        ;[this.#overran] = this.#turns
        this.#runner.kill()
      } else this.#watch()
    })
  }

  #receive(frame: Frame): void {
    const call = this.#running.get(frame.texts[0] ?? '')
    if (call === undefined) return
    try {
      this.#handle(frame, call)
    } catch (error) {
      // No frame of a sound runner fails: this one is not to be talked to any more.
      call.fail(new Internal(error))
      this.#runner.kill()
    }
  }

  #handle(frame: Frame, call: ActionCall): void {
    const [id = '', first = '', second = '', third = '', fourth = ''] = frame.texts
    switch (frame.kind) {
      case frameKinds.actionOperation:
        if (!call.operate(first, second, third, fourth)) this.#runner.kill()
        return
      case frameKinds.actionTurn:
        this.#turns.splice(this.#turns.indexOf(id), 1)
        this.#noteProgress()
        call.turned(Number(first), second)
        return
      case frameKinds.actionEnded:
        this.#running.delete(id)
        this.#turns = this.#turns.filter((other) => other !== id)
        this.#noteProgress()
        call.ended(JSON.parse(first) as ActionEnd, second, third)
        this.onChange()
        return
      default:
        throw new Error(`Unexpected frame kind ${frame.kind} from a runner of actions.`)
    }
  }

  #noteProgress(): void {
    this.#turnSinceMs = this.#turns.length === 0 ? undefined : this.#clock.monotonicMs()
  }

  /** One action has ended the process; those that shared it fail for no fault of theirs. */
  #lose(crashed: boolean, description: string): void {
    const lost = [...this.#running]
    const [busy] = this.#turns
    this.#running.clear()
    this.#turns = []
    this.#stopWatch?.()
    for (const [id, call] of lost) {
      if (id === this.#overran) call.overran(this.#sharedTurnMs)
      else call.lost(crashed && id === busy, description)
    }
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
