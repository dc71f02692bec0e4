/** One action of this process: what it waits for, what it logs, how it ends. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ErrorDescription } from '../../isolate-interface.ts'
import type { LogLevel } from '../../execution.ts'
import { runtimeLimits } from '../../limits.ts'
import { truncateMessages } from '../../isolate/console.ts'
import type { NodeActionEnd } from '../node-frames.ts'
import type { Channel } from './channel.ts'

export type Answer = { readonly text: string; readonly body: string }
type Pending = {
  readonly operation: string
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** Operations that one action may have under way (function-runtime.md §5). */
const maxPending = 1000
/** Of one action (function-runtime.md §3.8). */
const maxLogLines = 256
const maxLogCharacters = 1_048_576

/** One frame holds an operation; bytes take up to twice their size in it. */
const maxOperationBytes = runtimeLimits.maxFrameBytes - 1_048_576
const tooLarge = 'This is too large for one operation of an action. Store large files through an upload URL instead.'

const tooManyOperations =
  'Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.'
const leftoverState =
  'Leftover state detected. This typically happens if there are dangling promises from a previous request. ' +
  'Did you forget to await your promises?'

/** The action on whose behalf the running code runs. */
export const currentCall = new AsyncLocalStorage<NodeCall>()

export class NodeCall {
  /** Also the `requestId` that the library repeats with every operation. */
  readonly id: string
  readonly timers = new Map<string, number>()
  readonly #channel: Channel
  readonly #onEnded: () => void
  readonly #pending = new Map<string, Pending>()
  #nextOperation = 1
  #logLines = 0
  #logCharacters = 0
  #isOver = false

  constructor(options: { readonly id: string; readonly channel: Channel; readonly onEnded: () => void }) {
    this.id = options.id
    this.#channel = options.channel
    this.#onEnded = options.onEnded
  }

  /** Sends an operation to the host. Rejects with what the host says; stays pending if the action ends first. */
  async request(operation: string, argsText: string, body = ''): Promise<Answer> {
    const args = JSON.parse(argsText) as { readonly requestId?: unknown }
    const isForeign = typeof args.requestId === 'string' && args.requestId !== '' && args.requestId !== this.id
    if (this.#isOver || isForeign) throw new Error(leftoverState)
    if (this.#pending.size >= maxPending) throw new Error(tooManyOperations)
    if (argsText.length + Buffer.byteLength(body) > maxOperationBytes) throw new Error(tooLarge)
    const operationId = String(this.#nextOperation++)
    return await new Promise((resolve, reject) => {
      this.#pending.set(operationId, { operation, resolve, reject })
      this.#channel.send('actionOperation', [this.id, operationId, operation, argsText, body])
    })
  }

  deliver(operationId: string, isOk: boolean, text: string, body: string): void {
    const waiting = this.#pending.get(operationId)
    if (waiting === undefined) return
    this.#pending.delete(operationId)
    if (isOk) waiting.resolve({ text, body })
    else waiting.reject(toError(text))
  }

  /** Lines go out as they are written: what follows may never give way. */
  log(level: LogLevel, messages: string[]): void {
    if (this.#isOver || this.#logLines >= maxLogLines || this.#logCharacters >= maxLogCharacters) return
    this.#logLines += 1
    for (const message of messages) this.#logCharacters += message.length
    if (this.#logLines === maxLogLines) return this.#overflow(String(maxLogLines))
    if (this.#logCharacters >= maxLogCharacters) return this.#overflow('1M characters')
    this.#sendLine(level, messages, truncateMessages(messages))
  }

  succeed(resultText: string): void {
    this.#warnOfUnawaited()
    this.#end({ kind: 'success', isBroken: false }, resultText)
  }

  fail(error: ErrorDescription, options: { readonly isBroken?: boolean } = {}): void {
    this.#warnOfUnawaited()
    this.#end({ kind: 'userError', error, isBroken: options.isBroken === true }, '')
  }

  /** Its outcome is known elsewhere. */
  drop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#pending.clear()
    this.#onEnded()
  }

  #end(end: NodeActionEnd, resultText: string): void {
    if (this.#isOver) return
    this.drop()
    this.#channel.send('actionEnded', [this.id, JSON.stringify(end), '', resultText])
  }

  #warnOfUnawaited(): void {
    const names = [...this.#pending.values()].map(({ operation }) => operation.replace(/^1\.0\/(actions\/)?/, ''))
    if (names.length === 0) return
    this.log('WARN', [
      `${names.length} unawaited operation${names.length === 1 ? '' : 's'}: [${names.join(', ')}]. Async operations should be ` +
        'awaited or they might not run. See https://docs.convex.dev/functions/actions#dangling-promises for more information.',
    ])
  }

  #overflow(limit: string): void {
    this.#sendLine('ERROR', [`Log overflow (maximum ${limit}). Remaining log lines omitted.`], false)
  }

  #sendLine(level: LogLevel, messages: readonly string[], isTruncated: boolean): void {
    const line = { messages, level, timestamp: Date.now(), isTruncated }
    this.#channel.send('actionTurn', [this.id, '-1', JSON.stringify([line])])
  }
}

/** `text`: JSON `{message, data?, name?}`. The library makes a ConvexError of `data`. */
function toError(text: string): Error {
  const { message, data, name } = JSON.parse(text) as { message: string; data?: unknown; name?: string }
  const error = name === 'TypeError' ? new TypeError(message) : new Error(message)
  if (data !== undefined && data !== null) Object.defineProperty(error, 'data', { value: data, configurable: true })
  return error
}
