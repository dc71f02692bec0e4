import { type Clock, createDeferred, Internal } from '@concave/base'
import { outOfMemoryMessage, systemTimeout } from '../call.ts'
import { CatchableError } from '../execution.ts'
import { runtimeLimits } from '../limits.ts'
import { type RawLogLine, renderError, renderTraces } from '../source-frames.ts'
import type { Timers } from '../timers.ts'
import type { ActionAnswer, ActionHost, ActionOutcome, ActionRequest } from './action.ts'
import type { ActionEnd } from './action-frames.ts'
import { ActionStreams } from './action-streams.ts'
import type { Egress } from './egress.ts'
import { FailedTransfer } from './failed-transfer.ts'
import { FetchCalls } from './fetch-calls.ts'
import { SystemTime } from './system-time.ts'

/** The way to the action in its runner. Every call but `end` leads to one more turn there. */
export interface ActionPort {
  deliver(callId: string, isOk: boolean, text: string, body: Uint8Array | undefined): void
  wake(): void
  abortRequest(): void
  end(): void
}

/** What developers read when their action has used up its memory or its time. */
export type LimitTexts = { readonly outOfMemory: string; readonly timedOut: (limitMs: number) => string }

type Operation = (args: Readonly<Record<string, unknown>>, body: Uint8Array) => Promise<ActionAnswer>

const tooManyOperations =
  'Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.'
/** They run functions, which have limits of their own and may take as long as an action may. */
const functionCalls: ReadonlySet<string> = new Set(['1.0/actions/query', '1.0/actions/mutation', '1.0/actions/action'])
const noBytes = new Uint8Array(0)
const done: ActionAnswer = { text: 'null' }

/**
 * The supervisor's side of one action: answers its operations, keeps its timer and its time limit. `outcome` rejects with
 * what the host threw if that was no `CatchableError`.
 */
export class ActionCall {
  readonly outcome: Promise<ActionOutcome>
  readonly request: ActionRequest
  readonly timeMs: number
  readonly #limitTexts: LimitTexts
  readonly #host: ActionHost
  readonly #timers: Timers
  readonly #deferred = createDeferred<ActionOutcome>()
  readonly #streams = new ActionStreams()
  readonly #systemTime: SystemTime
  readonly #fetches: FetchCalls
  readonly #operations: Readonly<Record<string, Operation>>
  readonly #waitingSyscalls: (() => void)[] = []
  #runningSyscalls = 0
  #openOperations = 0
  #openText = 0
  #port: ActionPort | undefined
  #stopWake: (() => void) | undefined
  #stopLimit: (() => void) | undefined
  #stopSignal: (() => void) | undefined
  #isOver = false

  constructor(options: {
    readonly request: ActionRequest
    readonly host: ActionHost
    readonly egress: Egress
    readonly clock: Clock
    readonly timers: Timers
    readonly timeMs: number
    /** Limits as they are told; those of the default runtime unless said otherwise. */
    readonly limitTexts?: LimitTexts
  }) {
    this.#limitTexts = options.limitTexts ?? defaultLimitTexts
    this.request = options.request
    this.timeMs = options.timeMs
    this.#host = options.host
    this.#timers = options.timers
    this.outcome = this.#deferred.promise
    this.#systemTime = new SystemTime({
      clock: options.clock,
      timers: options.timers,
      limitMs: runtimeLimits.actionSystemTimeMs,
      onUsedUp: () => {
        this.fail(systemTimeout())
        this.#port?.end()
      },
    })
    this.#fetches = new FetchCalls({ egress: options.egress, streams: this.#streams })
    this.#operations = {
      fetch: (args, body) => this.#fetches.start(args, body),
      'stream/read': (args) => this.#streams.read(String(args['streamId'])),
      'stream/write': async (args, body) => {
        await this.#streams.sink(String(args['streamId'])).write(body)
        return done
      },
      'stream/end': async (args) => {
        await this.#streams.sink(String(args['streamId'])).end()
        return done
      },
      'http/respond': async (args) => {
        if (this.request.kind !== 'http') throw new CatchableError('Unknown async operation http/respond')
        this.request.exchange.respond(args as never)
        return done
      },
    }
  }

  /** The action is in its runner from here on. */
  begin(port: ActionPort): void {
    this.#port = port
    this.#stopLimit = this.#timers.after(this.timeMs, () => this.#timeOut())
    if (this.request.kind !== 'http') return
    const { exchange } = this.request
    if (exchange.requestBody !== undefined) this.#streams.addSource('request', exchange.requestBody)
    this.#streams.addSink('response', exchange.responseBody)
    const onAbort = (): void => port.abortRequest()
    exchange.signal.addEventListener('abort', onAbort, { once: true })
    this.#stopSignal = () => exchange.signal.removeEventListener('abort', onAbort)
    if (exchange.signal.aborted) onAbort()
  }

  /** A turn is over and the action waits. */
  turned(wakeMs: number, logs: string): void {
    if (this.#isOver) return
    this.#log(logs)
    this.#stopWake?.()
    this.#stopWake = wakeMs < 0 ? undefined : this.#timers.after(Math.ceil(wakeMs), () => this.#port?.wake())
  }

  /** One operation of the action. False if it has more of them under way than its isolate would allow. */
  operate(callId: string, name: string, argsText: string, body: string): boolean {
    if (this.#isOver) return true
    if (callId === '0') {
      this.#notice(name, JSON.parse(argsText) as Record<string, unknown>)
      return true
    }
    this.#openOperations += 1
    const textLength = argsText.length + body.length
    this.#openText += textLength
    const answered = this.#answer(callId, name, argsText, Buffer.from(body, 'latin1'))
    void answered.finally(() => (this.#openText -= textLength))
    return this.#openOperations <= runtimeLimits.maxActionOperations
  }

  ended(end: ActionEnd, logs: string, resultText: string): void {
    if (this.#isOver) return
    this.#log(logs)
    switch (end.kind) {
      case 'success':
        return this.#settle({ kind: 'success', resultText })
      case 'userError': {
        const message = renderError(end.error, this.request.code)
        return this.#settle({ kind: 'userError', message, data: end.error.data })
      }
      case 'outOfMemory':
        return this.#settle(developerLimit(this.#limitTexts.outOfMemory))
      case 'timedOut':
        return this.#settle(developerLimit(this.#limitTexts.timedOut(end.limitMs)))
      case 'ended':
        return this.fail(new Internal('A runner ended an action that nobody ended.'))
    }
  }

  /** The process had to be killed because a turn of this action took longer than `limitMs`. */
  overran(limitMs: number): void {
    this.#settle(developerLimit(this.#limitTexts.timedOut(limitMs)))
  }

  /** The process is gone. `crashed`: by itself, as when memory is gone, while it worked on this action. */
  lost(crashed: boolean, description: string): void {
    if (crashed) this.#settle(developerLimit(this.#limitTexts.outOfMemory))
    else this.fail(new Internal(`A runner of actions was lost: ${description}`))
  }

  /** Ends the action with an error that is the developer's, and that nothing in it could catch. */
  endWith(message: string): void {
    this.#settle(developerLimit(message))
  }

  /** Ends the action with an error that is not its own. */
  fail(error: unknown): void {
    this.#close(() => this.#deferred.reject(error))
  }

  #settle(outcome: ActionOutcome): void {
    this.#close(() => this.#deferred.resolve(outcome))
  }

  #close(settle: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopWake?.()
    this.#stopLimit?.()
    this.#stopSignal?.()
    this.#systemTime.stop()
    this.#fetches.close()
    this.#streams.close()
    settle()
  }

  #timeOut(): void {
    this.#settle(developerLimit(this.#limitTexts.timedOut(this.timeMs)))
    this.#port?.end()
  }

  #notice(name: string, args: Readonly<Record<string, unknown>>): void {
    if (name === 'fetch/abort') this.#fetches.abort(String(args['fetchId']))
    else if (name === 'stream/cancel') this.#streams.cancel(String(args['streamId']))
    else if (name === 'stream/abort') this.#streams.abort(String(args['streamId']), String(args['message']))
  }

  async #answer(callId: string, name: string, argsText: string, body: Uint8Array): Promise<void> {
    try {
      if (this.#openText > runtimeLimits.maxActionOperationText) throw new CatchableError(tooManyOperations)
      const operation = Object.hasOwn(this.#operations, name) ? this.#operations[name] : undefined
      const answer =
        operation === undefined
          ? await this.#syscall(name, argsText, body)
          : await operation(JSON.parse(argsText) as Record<string, unknown>, body)
      this.#reply(callId, true, answer.text, answer.body ?? noBytes)
    } catch (error) {
      if (error instanceof CatchableError) {
        this.#reply(callId, false, JSON.stringify({ message: error.message, data: error.data }), noBytes)
      } else if (error instanceof FailedTransfer) {
        this.#reply(callId, false, JSON.stringify({ message: error.message, name: 'TypeError' }), noBytes)
      } else {
        this.fail(error)
        this.#port?.end()
      }
    }
  }

  /** A few at a time, in order of arrival (function-runtime.md §2.10). */
  async #syscall(name: string, argsText: string, body: Uint8Array): Promise<ActionAnswer> {
    if (this.#runningSyscalls >= runtimeLimits.parallelActionSyscalls) {
      await new Promise<void>((resolve) => this.#waitingSyscalls.push(resolve))
    } else this.#runningSyscalls += 1
    try {
      if (functionCalls.has(name)) return await this.#host.syscall(name, argsText, body)
      return await this.#systemTime.during(() => this.#host.syscall(name, argsText, body))
    } finally {
      const next = this.#waitingSyscalls.shift()
      if (next === undefined) this.#runningSyscalls -= 1
      else next()
    }
  }

  #reply(callId: string, isOk: boolean, text: string, body: Uint8Array): void {
    this.#openOperations -= 1
    if (!this.#isOver) this.#port?.deliver(callId, isOk, text, body)
  }

  #log(logs: string): void {
    if (logs !== '') this.#host.log(renderTraces(JSON.parse(logs) as readonly RawLogLine[], this.request.code))
  }
}

const defaultLimitTexts: LimitTexts = {
  outOfMemory: outOfMemoryMessage,
  timedOut: (limitMs) => `Function execution timed out (maximum duration: ${limitMs / 1000}s)`,
}

/** A limit that the developer's function hit and could not catch. */
function developerLimit(message: string): ActionOutcome {
  return { kind: 'userError', message, data: undefined }
}
