/** `Egress` in a process of its own, which is started by the first request and ended after a while without one. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { createDeferred, type Deferred, type Log } from '@concave/base'
import { runtimeLimits } from '../../limits.ts'
import { loadEgressProgram } from '../../runner-program.ts'
import { systemTimers, type Timers } from '../../timers.ts'
import type { ByteSource } from '../action.ts'
import type { Egress, EgressRequest, EgressResponse } from '../egress.ts'
import { FailedTransfer } from '../failed-transfer.ts'
import {
  type EgressFrame,
  EgressFrameParser,
  type EgressKind,
  egressKinds,
  encodeEgressFrame,
} from './egress-frames.ts'

export type ProcessEgressOptions = {
  readonly allowsPrivate: boolean
  readonly log: Log
  /** Environment of the process: where certificates are, for one. Nothing else of ours goes there. */
  readonly env?: Readonly<Record<string, string>>
  readonly timers?: Timers
  readonly idleTimeoutMs?: number
}

const lostMessage = 'fetch failed: the connection was lost'

export class ProcessEgress implements Egress, AsyncDisposable {
  readonly allowsPrivate: boolean
  readonly #options: ProcessEgressOptions
  readonly #timers: Timers
  #running: Promise<EgressProcess> | undefined
  #open = 0
  #stopIdle: (() => void) | undefined
  #isClosed = false

  constructor(options: ProcessEgressOptions) {
    this.allowsPrivate = options.allowsPrivate
    this.#options = options
    this.#timers = options.timers ?? systemTimers
  }

  /** Of the process, while there is one. */
  async findPid(): Promise<number | undefined> {
    return (await this.#running)?.pid
  }

  async fetch(request: EgressRequest, signal: AbortSignal): Promise<EgressResponse> {
    if (this.#isClosed) throw new FailedTransfer(lostMessage)
    if (request.url.length > runtimeLimits.maxFetchUrlLength)
      throw new FailedTransfer('fetch failed: the URL is too long')
    this.#open += 1
    this.#stopIdle?.()
    this.#stopIdle = undefined
    const over = once(() => {
      this.#open -= 1
      this.#watchIdle()
    })
    try {
      this.#running ??= this.#start()
      return await (await this.#running).fetch(request, signal, over)
    } catch (error) {
      over()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#stopIdle?.()
    await (await this.#running?.catch(() => undefined))?.close()
  }

  #start(): Promise<EgressProcess> {
    const { log, env = {} } = this.#options
    const starting = EgressProcess.start({ allowsPrivate: this.allowsPrivate, env })
    const forget = (): void => {
      if (this.#running === starting) this.#running = undefined
    }
    starting.then(async (started) => {
      const description = await started.exited
      forget()
      if (!started.isEnding)
        log.warn({ exit: description }, 'The egress process ended; the next request starts another.')
    }, forget)
    return starting
  }

  #watchIdle(): void {
    if (this.#open > 0 || this.#isClosed) return
    this.#stopIdle ??= this.#timers.after(this.#options.idleTimeoutMs ?? runtimeLimits.idleTimeoutMs, () => {
      this.#stopIdle = undefined
      const running = this.#running
      this.#running = undefined
      running?.then((idle) => idle.close()).catch(() => undefined)
    })
  }
}

/** One request: its head is awaited, then pieces of its body, one at a time. */
type Exchange = {
  readonly head: Deferred<EgressResponse>
  readonly body: ByteSource | undefined
  /** Called once, when nothing more will come. */
  readonly over: () => void
  piece: Deferred<Uint8Array | undefined> | undefined
  /** Why the body cannot be read to its end. */
  failure: Error | undefined
}

class EgressProcess {
  readonly pid: number
  /** How it ended. */
  readonly exited: Promise<string>
  readonly #child: ChildProcess
  readonly #socket: Socket
  readonly #exchanges = new Map<number, Exchange>()
  #lastId = 0
  #isEnding = false
  #isOver = false

  static async start(options: {
    readonly allowsPrivate: boolean
    readonly env: Readonly<Record<string, string>>
  }): Promise<EgressProcess> {
    const program = await loadEgressProgram()
    const heapMb = `--max-old-space-size=${runtimeLimits.egressHeapMb}`
    const child = spawn(process.execPath, [heapMb, '-', ...(options.allowsPrivate ? ['allow-private'] : [])], {
      cwd: '/',
      env: { ...options.env },
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
      // As with runners: Ctrl-C in the terminal is for the server.
      detached: true,
    })
    child.stdin?.on('error', () => child.kill('SIGKILL'))
    const spawned = createDeferred<void>()
    child.once('spawn', () => spawned.resolve())
    child.once('error', (error) => spawned.reject(error))
    await spawned.promise
    child.stdin?.end(program)
    return new EgressProcess(child, child.pid as number)
  }

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child
    this.pid = pid
    this.#socket = child.stdio[3] as Socket
    const parser = new EgressFrameParser({ maxFrameBytes: runtimeLimits.maxEgressFrameBytes })
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of parser.push(chunk)) this.#receive(frame)
      } catch {
        // No frame of a sound process fails.
        child.kill('SIGKILL')
      }
    })
    this.#socket.on('error', () => child.kill('SIGKILL'))
    let stderrTail = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      stderrTail = (stderrTail + chunk.toString('utf8')).slice(-runtimeLimits.stderrTailBytes)
    })
    const exited = createDeferred<string>()
    this.exited = exited.promise
    child.once('close', (code, signal) => {
      this.#isOver = true
      this.#socket.destroy()
      for (const [id, exchange] of this.#exchanges) this.#fail(id, exchange, new FailedTransfer(lostMessage))
      exited.resolve(`${signal ?? `exit code ${code}`}${stderrTail === '' ? '' : `: ${stderrTail}`}`)
    })
  }

  /** We are ending it ourselves. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  async close(): Promise<void> {
    this.#isEnding = true
    this.#child.kill('SIGKILL')
    await this.exited
  }

  async fetch(request: EgressRequest, signal: AbortSignal, over: () => void): Promise<EgressResponse> {
    if (this.#isOver) throw new FailedTransfer(lostMessage)
    const { body, ...rest } = request
    const isStream = body !== undefined && !(body instanceof Uint8Array)
    const id = (this.#lastId = (this.#lastId + 1) >>> 0)
    const head = createDeferred<EgressResponse>()
    const exchange: Exchange = {
      head,
      body: isStream ? body : undefined,
      over,
      piece: undefined,
      failure: undefined,
    }
    this.#exchanges.set(id, exchange)
    const onAbort = (): void => this.#send(egressKinds.abort, id)
    signal.addEventListener('abort', onAbort, { once: true })
    const text = JSON.stringify({ ...rest, body: body === undefined ? 'none' : isStream ? 'stream' : 'bytes' })
    this.#send(egressKinds.fetch, id, text, isStream ? undefined : body)
    if (signal.aborted) onAbort()
    return await head.promise
  }

  #send(kind: EgressKind, id: number, text?: string, bytes?: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeEgressFrame(kind, id, text, bytes))
  }

  #receive({ kind, id, text, bytes }: EgressFrame): void {
    const exchange = this.#exchanges.get(id)
    if (exchange === undefined) {
      // Its response is complete already: the rest of its own body is not wanted.
      if (kind === egressKinds.wantBody) this.#send(egressKinds.sentFailed, id, 'The response is complete.')
      return
    }
    switch (kind) {
      case egressKinds.head: {
        const { hasBody, ...rest } = JSON.parse(text) as Omit<EgressResponse, 'body'> & { readonly hasBody: boolean }
        if (!hasBody) this.#end(id, exchange)
        exchange.head.resolve({ ...rest, body: hasBody ? this.#openBody(id, exchange) : undefined })
        return
      }
      case egressKinds.failed:
      case egressKinds.broken:
        this.#fail(id, exchange, kind === egressKinds.failed ? new FailedTransfer(text) : new Error(text))
        return
      case egressKinds.piece:
        exchange.piece?.resolve(bytes)
        return
      case egressKinds.end:
        this.#end(id, exchange)
        exchange.piece?.resolve(undefined)
        return
      case egressKinds.wantBody:
        void this.#sendPiece(id, exchange)
        return
      default:
        throw new Error(`Unexpected frame kind ${kind} from the egress process.`)
    }
  }

  #openBody(id: number, exchange: Exchange): ByteSource {
    return {
      read: async () => {
        if (exchange.failure !== undefined) throw exchange.failure
        if (!this.#exchanges.has(id)) return undefined
        const piece = createDeferred<Uint8Array | undefined>()
        exchange.piece = piece
        this.#send(egressKinds.read, id)
        return await piece.promise
      },
      cancel: () => {
        if (!this.#exchanges.has(id)) return
        this.#send(egressKinds.cancel, id)
        exchange.failure = new Error('terminated')
        this.#end(id, exchange)
        exchange.piece?.resolve(undefined)
      },
    }
  }

  async #sendPiece(id: number, { body }: Exchange): Promise<void> {
    try {
      const piece = await body?.read()
      if (piece === undefined) this.#send(egressKinds.sentEnd, id)
      else this.#send(egressKinds.sentPiece, id, '', piece)
    } catch (error) {
      this.#send(egressKinds.sentFailed, id, error instanceof Error ? error.message : 'terminated')
    }
  }

  #fail(id: number, exchange: Exchange, error: Error): void {
    exchange.failure = error
    this.#end(id, exchange)
    // Whichever it is that somebody waits for.
    exchange.head.promise.catch(() => undefined)
    exchange.head.reject(error)
    exchange.piece?.promise.catch(() => undefined)
    exchange.piece?.reject(error)
  }

  #end(id: number, { body, over }: Exchange): void {
    this.#exchanges.delete(id)
    body?.cancel()
    over()
  }
}

function once(run: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    run()
  }
}
