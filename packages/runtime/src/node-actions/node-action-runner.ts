import { type Clock, createDeferred, Internal } from '@concave/base'
import type { ActionCall } from '../actions/action-call.ts'
import { runtimeLimits } from '../limits.ts'
import { frameKinds, type Frame } from '../protocol.ts'
import type { Timers } from '../timers.ts'
import type { NodeActionEnd, NodeActionStart } from './node-frames.ts'
import { parseActionEnd, parseLogLines } from './node-messages.ts'
import type { NodeProcess } from './node-process.ts'

/** Programs that actions have started are looked at less often. */
const groupWatchEvery = 4
const diskWatchEvery = 12

type Running = {
  readonly call: ActionCall
  /** Called if it has not begun here, and never will. */
  readonly onReturned: () => void
  hasBegun: boolean
  logLines: number
}

/** One process and the Node actions in it. */
export class NodeActionRunner {
  /** An action of its has ended, or the process has. */
  onChange: () => void = () => undefined
  readonly key: string
  readonly #process: NodeProcess
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #running = new Map<string, Running>()
  readonly #exited = createDeferred<void>()
  #stopWatch: (() => void) | undefined
  #nextId = 1
  #watchCount = 0
  #isRetired = false
  /** When it was asked for a sign of life that it still owes. */
  #askedAtMs: number | undefined

  /** `key`: of the code, the variables and the Node that it runs. */
  constructor(options: {
    readonly key: string
    readonly process: NodeProcess
    readonly clock: Clock
    readonly timers: Timers
  }) {
    this.key = options.key
    this.#process = options.process
    this.#clock = options.clock
    this.#timers = options.timers
    options.process.onFrame = (frame) => this.#receive(frame)
    options.process.onExit = () => this.#lose()
    if (options.process.exit !== undefined) this.#lose()
  }

  get isAlive(): boolean {
    return this.#process.isAlive
  }

  /** Actions in it. */
  get size(): number {
    return this.#running.size
  }

  /** May it be given one more action? Not if it computes without giving way, nor if something went wrong in it. */
  get isOpen(): boolean {
    return this.isAlive && !this.#isRetired && !this.#isStuck()
  }

  /** It begins when the process says that it has it. If that does not come, `onReturned` is called: it has not begun. */
  start(call: ActionCall, onReturned: () => void): void {
    const { request } = call
    if (request.kind !== 'action') throw new Error('An HTTP action does not run in Node.')
    const id = String(this.#nextId++)
    const header: NodeActionStart = { modulePath: request.modulePath, name: request.exportName }
    this.#running.set(id, { call, onReturned, hasBegun: false, logLines: 0 })
    this.#watch()
    this.#process.send(frameKinds.startAction, [id, JSON.stringify(header), request.argsText])
  }

  /** Takes no further actions, and ends with its last. */
  retire(): void {
    this.#isRetired = true
    if (this.#running.size === 0) this.#process.kill()
  }

  kill(): void {
    this.#process.kill()
  }

  #begin(id: string, running: Running): void {
    if (running.hasBegun) return
    running.hasBegun = true
    const { call } = running
    call.begin({
      deliver: (callId, isOk, text, body) =>
        this.#process.send(frameKinds.deliver, [
          id,
          callId,
          isOk ? '1' : '0',
          text,
          Buffer.from(body ?? []).toString('latin1'),
        ]),
      wake: () => undefined,
      abortRequest: () => undefined,
      end: () => this.#drop(id),
    })
    this.#process.send(frameKinds.wake, [id])
    void call.outcome.catch(() => undefined).then(() => this.#drop(id))
  }

  /** Gives back what this process has not begun. */
  #return(): void {
    const returned = [...this.#running].filter(([, running]) => !running.hasBegun)
    for (const [id] of returned) {
      this.#running.delete(id)
      this.#process.send(frameKinds.endAction, [id])
    }
    for (const [, { onReturned }] of returned) onReturned()
  }

  /** Ends every action in it with `reason`, and the process. */
  async close(reason: unknown): Promise<void> {
    for (const { call } of this.#running.values()) call.fail(reason)
    await this.#process.close()
    await this.#exited.promise
  }

  /**
   * An action is over for the supervisor, but its code may still run: nothing that it does is heard any more, and the
   * process is given up as soon as the others in it have ended.
   */
  #drop(id: string): void {
    if (!this.#running.delete(id)) return
    this.#process.send(frameKinds.endAction, [id])
    this.retire()
    this.onChange()
  }

  #watch(): void {
    if (this.#stopWatch !== undefined) return
    this.#stopWatch = this.#timers.after(runtimeLimits.nodeWatchMs, () => {
      this.#stopWatch = undefined
      if (this.#running.size === 0) return
      if (this.#askedAtMs === undefined) {
        this.#askedAtMs = this.#clock.monotonicMs()
        this.#process.send(frameKinds.ping, [])
      }
      this.#watchCount += 1
      const withPrograms = this.#watchCount % groupWatchEvery === 0
      const isDiskDue = this.#watchCount % diskWatchEvery === 0
      void Promise.all([this.#process.checkMemory({ withPrograms }), isDiskDue && this.#process.checkDisk()]).then(() =>
        this.#watch(),
      )
      if (!this.#isStuck()) return
      this.#return()
      if (this.#running.size > 1 && this.#silentMs() > runtimeLimits.nodeSharedTurnMs) this.#endStuck()
      this.onChange()
    })
  }

  #isStuck(): boolean {
    return this.#silentMs() > runtimeLimits.nodeStuckMs
  }

  #silentMs(): number {
    return this.#askedAtMs === undefined ? 0 : this.#clock.monotonicMs() - this.#askedAtMs
  }

  /** One of them computes while the others wait, and nobody knows which. */
  #endStuck(): void {
    const limit = `${runtimeLimits.nodeSharedTurnMs / 1000}s`
    for (const { call } of this.#running.values()) {
      call.endWith(
        'Uncaught Error: The Node.js process of this action was ended: one of several actions in it computed for more ' +
          `than ${limit} without giving way.`,
      )
    }
    this.#process.kill()
  }

  #receive(frame: Frame): void {
    if (frame.kind === frameKinds.pong) {
      this.#askedAtMs = undefined
      if (frame.texts[0] === 'broken') this.retire()
      return
    }
    const [id = '', first = '', second = '', third = '', fourth = ''] = frame.texts
    const running = this.#running.get(id)
    if (running === undefined) return
    const { call } = running
    try {
      switch (frame.kind) {
        case frameKinds.actionAccepted:
          this.#begin(id, running)
          return
        case frameKinds.actionOperation:
          if (!call.operate(first, second, third, fourth)) this.#process.kill()
          return
        case frameKinds.actionTurn:
          this.#log(running, second)
          return
        case frameKinds.actionEnded:
          this.#end(id, call, parseActionEnd(first), third)
          return
        default:
          throw new Error(`Unexpected frame kind ${frame.kind} from a process of Node actions.`)
      }
    } catch (error) {
      // No frame of a sound process fails: this one is not to be talked to any more.
      call.fail(new Internal(error))
      this.#process.kill()
    }
  }

  /** The process keeps to the limit of lines; one that does not is no process of ours any more. */
  #log(running: Running, text: string): void {
    const lines = parseLogLines(text)
    running.logLines += lines.length
    if (running.logLines > runtimeLimits.maxNodeLogLines) throw new Error('An action wrote more lines than it may.')
    running.call.turned(-1, JSON.stringify(lines))
  }

  #end(id: string, call: ActionCall, end: NodeActionEnd, resultText: string): void {
    this.#running.delete(id)
    if (end.isBroken) this.#isRetired = true
    call.ended(end, '', resultText)
    if (this.#isRetired) this.retire()
    this.onChange()
  }

  #lose(): void {
    const exit = this.#process.exit
    this.#return()
    const lost = [...this.#running.values()]
    this.#running.clear()
    this.#stopWatch?.()
    for (const { call } of lost) {
      if (exit?.isOutOfMemory === true) call.lost(true, '')
      else
        call.endWith(
          `Uncaught Error: The Node.js process of this action ended unexpectedly (${exit?.description ?? ''}).`,
        )
    }
    this.#exited.resolve()
    this.onChange()
  }
}
