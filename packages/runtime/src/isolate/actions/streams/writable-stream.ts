/** `WritableStream` with its writer and controller (WHATWG Streams §5). */
import { carryMethods } from '../../async-context.ts'
import { AbortController, type AbortSignal } from '../../web/abort.ts'
import {
  createSettable,
  quiet,
  type Settable,
  SizedQueue,
  type SizeOf,
  type Strategy,
  toHighWaterMark,
  toSizeOf,
} from './queue.ts'

type Sink = {
  readonly start?: (controller: WritableStreamDefaultController) => unknown
  readonly write?: (chunk: unknown, controller: WritableStreamDefaultController) => unknown
  readonly close?: () => unknown
  readonly abort?: (reason: unknown) => unknown
  readonly type?: unknown
}
/** `erroring`: it has failed, but the write under way has to end first. */
type State = 'writable' | 'erroring' | 'closed' | 'errored'
type Job =
  | { readonly kind: 'write'; readonly chunk: unknown; readonly done: Settable<undefined> }
  | { readonly kind: 'close' }

const token = Symbol('streams')

class WritableState {
  state: State = 'writable'
  error: unknown
  readonly closed = quiet(createSettable<undefined>())
  ready: Settable<undefined>
  writer: WritableStreamDefaultWriter | undefined
  readonly queue = new SizedQueue<Job>()
  readonly abortion = new AbortController()
  readonly sizeOf: SizeOf
  readonly highWaterMark: number
  #sink: Sink
  #controller: WritableStreamDefaultController | undefined
  #isStarted = false
  #isBusy = false
  #closing: Settable<undefined> | undefined
  #aborting: { readonly reason: unknown; readonly done: Settable<undefined>; readonly wasErroring: boolean } | undefined
  #isReady = true

  constructor(sink: Sink, strategy: Strategy | undefined) {
    this.#sink = sink
    this.sizeOf = toSizeOf(strategy)
    this.highWaterMark = toHighWaterMark(strategy, 1)
    this.ready = quiet(createSettable<undefined>())
    this.ready.resolve(undefined)
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller
    this.#updateReady()
    const started = this.#sink.start?.call(this.#sink, controller)
    Promise.resolve(started).then(
      () => {
        this.#isStarted = true
        this.#advance()
      },
      (error: unknown) => {
        this.#isStarted = true
        this.fail(error)
        this.#advance()
      },
    )
  }

  get desiredSize(): number | null {
    if (this.state === 'erroring' || this.state === 'errored') return null
    return this.state === 'closed' ? 0 : this.highWaterMark - this.queue.total
  }

  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  write(chunk: unknown): Promise<undefined> {
    if (this.state === 'errored' || this.state === 'erroring') return Promise.reject(this.error)
    if (this.state === 'closed' || this.isClosing)
      return Promise.reject(new TypeError('The stream is closing or closed'))
    const done = createSettable<undefined>()
    try {
      this.queue.add({ kind: 'write', chunk, done }, this.sizeOf(chunk))
    } catch (error) {
      this.fail(error)
      return Promise.reject(error)
    }
    this.#updateReady()
    this.#advance()
    return done.promise
  }

  close(): Promise<undefined> {
    if (this.state === 'erroring') return Promise.reject(this.error)
    if (this.state === 'closed' || this.state === 'errored' || this.isClosing) {
      return Promise.reject(new TypeError('The stream is already closing or closed'))
    }
    this.#closing = createSettable<undefined>()
    this.queue.add({ kind: 'close' }, 0)
    this.#setReady(true)
    this.#advance()
    return this.#closing.promise
  }

  async abort(reason: unknown): Promise<undefined> {
    if (this.state === 'closed' || this.state === 'errored') return undefined
    if (this.#aborting !== undefined) return await this.#aborting.done.promise
    const wasErroring = this.state === 'erroring'
    this.#aborting = { reason, done: createSettable<undefined>(), wasErroring }
    const { promise } = this.#aborting.done
    this.abortion.abort(reason)
    if (!wasErroring) this.fail(reason)
    this.#advance()
    return await promise
  }

  fail(error: unknown): void {
    if (this.state !== 'writable') return
    this.state = 'erroring'
    this.error = error
    this.#setReady(false)
    this.ready.reject(error)
    this.#advance()
  }

  #setReady(isReady: boolean): void {
    if (isReady === this.#isReady) return
    this.#isReady = isReady
    if (isReady) this.ready.resolve(undefined)
    else this.ready = quiet(createSettable<undefined>())
  }

  #updateReady(): void {
    if (this.state === 'writable' && !this.isClosing) this.#setReady((this.desiredSize ?? 0) > 0)
  }

  #advance(): void {
    if (!this.#isStarted || this.#isBusy) return
    if (this.state === 'erroring') {
      this.#finishErroring()
      return
    }
    if (this.state !== 'writable' || this.queue.length === 0) return
    const job = this.queue.peek()
    this.#isBusy = true
    if (job.kind === 'write') void this.#runWrite(job)
    else void this.#runClose()
  }

  async #runWrite(job: Extract<Job, { kind: 'write' }>): Promise<void> {
    try {
      await this.#sink.write?.call(this.#sink, job.chunk, this.#controller as WritableStreamDefaultController)
      this.queue.take()
      job.done.resolve(undefined)
    } catch (error) {
      this.queue.take()
      job.done.reject(error)
      this.fail(error)
    }
    this.#isBusy = false
    this.#updateReady()
    this.#advance()
  }

  async #runClose(): Promise<void> {
    this.queue.take()
    try {
      await this.#sink.close?.call(this.#sink)
    } catch (error) {
      this.#isBusy = false
      this.#closing?.reject(error)
      this.#closing = undefined
      this.fail(error)
      this.#advance()
      return
    }
    this.#isBusy = false
    this.state = 'closed'
    this.#aborting?.done.resolve(undefined)
    this.closed.resolve(undefined)
    this.#closing?.resolve(undefined)
  }

  #finishErroring(): void {
    this.state = 'errored'
    const { error } = this
    while (this.queue.length > 0) {
      const job = this.queue.take()
      if (job.kind === 'write') job.done.reject(error)
    }
    this.#closing?.reject(error)
    const aborting = this.#aborting
    this.closed.reject(error)
    if (aborting === undefined) return
    if (aborting.wasErroring) {
      aborting.done.reject(error)
      return
    }
    Promise.resolve()
      .then(() => this.#sink.abort?.call(this.#sink, aborting.reason))
      .then(() => aborting.done.resolve(undefined), aborting.done.reject)
  }
}

let writableInside: (stream: WritableStream) => WritableState

export class WritableStreamDefaultController {
  readonly #stream: WritableState
  constructor(permission: unknown, stream: WritableState) {
    if (permission !== token) throw new TypeError('Illegal constructor')
    this.#stream = stream
  }
  get signal(): AbortSignal {
    return this.#stream.abortion.signal
  }
  error(reason?: unknown): void {
    this.#stream.fail(reason)
  }
}

export class WritableStream {
  readonly #inside: WritableState

  static {
    writableInside = (stream) => stream.#inside
  }

  constructor(sink: Sink | null = {}, strategy?: Strategy) {
    if (sink?.type !== undefined) throw new RangeError('Invalid type of a sink')
    const given: Sink = carryMethods(sink ?? {}, ['start', 'write', 'close', 'abort'])
    this.#inside = new WritableState(given, strategy)
    this.#inside.start(new WritableStreamDefaultController(token, this.#inside))
  }

  get locked(): boolean {
    return this.#inside.writer !== undefined
  }
  async abort(reason?: unknown): Promise<undefined> {
    if (this.locked) throw new TypeError('Cannot abort a stream that already has a writer')
    return await this.#inside.abort(reason)
  }
  async close(): Promise<undefined> {
    if (this.locked) throw new TypeError('Cannot close a stream that already has a writer')
    return await this.#inside.close()
  }
  getWriter(): WritableStreamDefaultWriter {
    return new WritableStreamDefaultWriter(this)
  }
}

export class WritableStreamDefaultWriter {
  #inside: WritableState | undefined
  #released: Promise<undefined> | undefined

  constructor(stream: WritableStream) {
    if (!(stream instanceof WritableStream)) throw new TypeError('A writer needs a WritableStream')
    const inside = writableInside(stream)
    if (inside.writer !== undefined) throw new TypeError('The stream is already locked by another writer')
    inside.writer = this
    this.#inside = inside
  }

  get closed(): Promise<undefined> {
    return this.#inside?.closed.promise ?? (this.#released as Promise<undefined>)
  }
  get ready(): Promise<undefined> {
    return this.#inside?.ready.promise ?? (this.#released as Promise<undefined>)
  }
  get desiredSize(): number | null {
    return this.#use().desiredSize
  }
  async abort(reason?: unknown): Promise<undefined> {
    return await this.#use().abort(reason)
  }
  async close(): Promise<undefined> {
    return await this.#use().close()
  }
  async write(chunk?: unknown): Promise<undefined> {
    return await this.#use().write(chunk)
  }
  releaseLock(): void {
    if (this.#inside === undefined) return
    this.#inside.writer = undefined
    this.#inside = undefined
    this.#released = Promise.reject(new TypeError('This writer has been released'))
    this.#released.catch(() => undefined)
  }

  #use(): WritableState {
    if (this.#inside === undefined) throw new TypeError('This writer has been released')
    return this.#inside
  }
}
