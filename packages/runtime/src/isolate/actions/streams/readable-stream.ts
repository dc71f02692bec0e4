/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/**
 * `ReadableStream` with its readers and controller (WHATWG Streams §4). Byte streams are streams of `Uint8Array` whose
 * chunks a BYOB reader copies into the caller's buffer; `byobRequest` is always null, which the standard allows.
 */
import { copyBytes, findBytes } from '../../web/interface.ts'
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
import { pipe, type PipeOptions } from './pipe.ts'
import { splitReader } from './tee.ts'
import type { WritableStream } from './writable-stream.ts'

export type ReadResult = { value: unknown; done: boolean }
type Source = {
  readonly start?: (controller: ReadableStreamDefaultController) => unknown
  readonly pull?: (controller: ReadableStreamDefaultController) => unknown
  readonly cancel?: (reason: unknown) => unknown
  readonly type?: unknown
}
type ReadRequest = {
  readonly onChunk: (chunk: unknown) => void
  readonly onClose: () => void
  readonly onError: (error: unknown) => void
}
type State = 'readable' | 'closed' | 'errored'
type AnyReader = ReadableStreamDefaultReader | ReadableStreamBYOBReader
const token = Symbol('streams')

/** The inside of a stream: what readers, controllers, pipes and `fetch` work with. */
export class ReadableState {
  state: State = 'readable'
  error: unknown
  isDisturbed = false
  reader: { readonly closed: Settable<undefined>; readonly requests: ReadRequest[] } | undefined
  controller: ReadableStreamDefaultController | undefined

  read(request: ReadRequest): void {
    this.isDisturbed = true
    if (this.state === 'closed') request.onClose()
    else if (this.state === 'errored') request.onError(this.error)
    else pullInto(this.controller as ReadableStreamDefaultController, request)
  }

  async cancel(reason: unknown): Promise<undefined> {
    this.isDisturbed = true
    if (this.state === 'closed') return undefined
    if (this.state === 'errored') throw this.error
    this.close()
    await cancelSource(this.controller as ReadableStreamDefaultController, reason)
    return undefined
  }

  close(): void {
    if (this.state !== 'readable') return
    this.state = 'closed'
    const { reader } = this
    if (reader === undefined) return
    reader.closed.resolve(undefined)
    for (const request of reader.requests.splice(0)) request.onClose()
  }

  fail(error: unknown): void {
    if (this.state !== 'readable') return
    this.state = 'errored'
    this.error = error
    const { reader } = this
    if (reader === undefined) return
    reader.closed.reject(error)
    for (const request of reader.requests.splice(0)) request.onError(error)
  }
}

/** The inside of `stream`. */
export let insideOf: (stream: ReadableStream) => ReadableState
let pullInto: (controller: ReadableStreamDefaultController, request: ReadRequest) => void
/** Whether its source should go on, as far as readers and the queue say. */
export let wantsMore: (controller: ReadableStreamDefaultController) => boolean
let cancelSource: (controller: ReadableStreamDefaultController, reason: unknown) => Promise<void>

export class ReadableStreamDefaultController {
  readonly #stream: ReadableState
  readonly #queue = new SizedQueue<unknown>()
  readonly #highWaterMark: number
  readonly #sizeOf: SizeOf
  readonly #isBytes: boolean
  #source: Source
  #isStarted = false
  #isPulling = false
  #pullAgain = false
  #closeRequested = false

  static {
    pullInto = (controller, request) => controller.#read(request)
    wantsMore = (controller) => controller.#wantsMore()
    cancelSource = (controller, reason) => controller.#cancel(reason)
  }

  constructor(
    permission: unknown,
    stream: ReadableState,
    source: Source,
    options: { readonly highWaterMark: number; readonly sizeOf: SizeOf; readonly isBytes: boolean },
  ) {
    if (permission !== token) throw new TypeError('Illegal constructor')
    this.#stream = stream
    this.#source = source
    this.#highWaterMark = options.highWaterMark
    this.#sizeOf = options.sizeOf
    this.#isBytes = options.isBytes
    stream.controller = this
    const started = source.start?.call(source, this)
    Promise.resolve(started).then(
      () => {
        this.#isStarted = true
        this.#pull()
      },
      (error: unknown) => this.error(error),
    )
  }

  get desiredSize(): number | null {
    if (this.#stream.state === 'errored') return null
    return this.#stream.state === 'closed' ? 0 : this.#highWaterMark - this.#queue.total
  }
  get byobRequest(): null {
    return null
  }

  enqueue(chunk?: unknown): void {
    if (this.#closeRequested || this.#stream.state !== 'readable') {
      throw new TypeError('The stream is not in a state that permits enqueue')
    }
    const value = this.#isBytes ? toByteChunk(chunk) : chunk
    const request = this.#stream.reader?.requests.shift()
    if (request !== undefined) request.onChunk(value)
    else {
      try {
        this.#queue.add(value, this.#isBytes ? (value as Uint8Array).byteLength : this.#sizeOf(value))
      } catch (error) {
        this.error(error)
        throw error
      }
    }
    this.#pull()
  }

  close(): void {
    if (this.#closeRequested || this.#stream.state !== 'readable') {
      throw new TypeError('The stream is not in a state that permits close')
    }
    this.#closeRequested = true
    if (this.#queue.length === 0) this.#finish()
  }

  error(reason?: unknown): void {
    if (this.#stream.state !== 'readable') return
    this.#queue.clear()
    this.#source = {}
    this.#stream.fail(reason)
  }

  #finish(): void {
    this.#source = {}
    this.#stream.close()
  }

  #read(request: ReadRequest): void {
    if (this.#queue.length === 0) {
      this.#stream.reader?.requests.push(request)
      this.#pull()
      return
    }
    const chunk = this.#queue.take()
    if (this.#closeRequested && this.#queue.length === 0) this.#finish()
    else this.#pull()
    request.onChunk(chunk)
  }

  async #cancel(reason: unknown): Promise<void> {
    this.#queue.clear()
    const source = this.#source
    this.#source = {}
    await source.cancel?.call(source, reason)
  }

  #wantsMore(): boolean {
    if (!this.#isStarted || this.#closeRequested || this.#stream.state !== 'readable') return false
    return (this.#stream.reader?.requests.length ?? 0) > 0 || (this.desiredSize ?? 0) > 0
  }

  #pull(): void {
    if (!this.#wantsMore()) return
    if (this.#isPulling) {
      this.#pullAgain = true
      return
    }
    const source = this.#source
    if (source.pull === undefined) return
    this.#isPulling = true
    let pulled: unknown
    try {
      pulled = source.pull.call(source, this)
    } catch (error) {
      this.error(error)
      return
    }
    Promise.resolve(pulled).then(
      () => {
        this.#isPulling = false
        if (!this.#pullAgain) return
        this.#pullAgain = false
        this.#pull()
      },
      (error: unknown) => this.error(error),
    )
  }
}

function toByteChunk(chunk: unknown): Uint8Array {
  if (!ArrayBuffer.isView(chunk)) throw new TypeError('Chunks of a byte stream must be views on buffers')
  if (chunk.byteLength === 0) throw new TypeError('Chunks of a byte stream must not be empty')
  return findBytes(chunk) as Uint8Array
}

abstract class GenericReader {
  protected inside: ReadableState | undefined
  protected slot: NonNullable<ReadableState['reader']>

  constructor(stream: ReadableStream) {
    if (!(stream instanceof ReadableStream)) throw new TypeError('A reader needs a ReadableStream')
    const inside = insideOf(stream)
    if (inside.reader !== undefined)
      throw new TypeError('This stream has already been locked for exclusive reading by another reader')
    this.inside = inside
    this.slot = { closed: quiet(createSettable<undefined>()), requests: [] }
    inside.reader = this.slot
    if (inside.state === 'closed') this.slot.closed.resolve(undefined)
    else if (inside.state === 'errored') this.slot.closed.reject(inside.error)
  }

  get closed(): Promise<undefined> {
    return this.slot.closed.promise
  }

  async cancel(reason?: unknown): Promise<undefined> {
    if (this.inside === undefined) throw new TypeError('This reader has been released')
    return await this.inside.cancel(reason)
  }

  releaseLock(): void {
    const { inside } = this
    if (inside === undefined) return
    const error = new TypeError('This reader has been released')
    for (const request of this.slot.requests.splice(0)) request.onError(error)
    if (inside.state === 'readable') this.slot.closed.reject(error)
    else this.slot = { closed: quiet(createSettable<undefined>()), requests: [] }
    if (inside.state !== 'readable') this.slot.closed.reject(error)
    inside.reader = undefined
    this.inside = undefined
  }
}

export class ReadableStreamDefaultReader extends GenericReader {
  read(): Promise<ReadResult> {
    const { inside } = this
    if (inside === undefined) return Promise.reject(new TypeError('This reader has been released'))
    return new Promise((resolve, reject) => {
      inside.read({
        onChunk: (value) => resolve({ value, done: false }),
        onClose: () => resolve({ value: undefined, done: true }),
        onError: reject,
      })
    })
  }
}

/** Bytes that were read but did not fit wait with their stream. */
const leftovers = new WeakMap<ReadableState, Uint8Array>()

export class ReadableStreamBYOBReader extends GenericReader {
  async read(view: ArrayBufferView): Promise<ReadResult> {
    if (!ArrayBuffer.isView(view)) throw new TypeError('A BYOB read needs a view on a buffer')
    if (view.byteLength === 0) throw new TypeError('A BYOB read needs a view with room in it')
    const { inside } = this
    if (inside === undefined) throw new TypeError('This reader has been released')
    const rest = leftovers.get(inside)
    const target = new Uint8Array(view.buffer.slice(0) as ArrayBuffer, view.byteOffset, view.byteLength)
    const chunk =
      rest ??
      (await new Promise<Uint8Array | undefined>((resolve, reject) => {
        inside.read({
          onChunk: (value) => resolve(value as Uint8Array),
          onClose: () => resolve(undefined),
          onError: reject,
        })
      }))
    if (chunk === undefined) return { value: sliceLike(view, target, 0), done: true }
    const count = Math.min(chunk.length, target.length)
    target.set(chunk.subarray(0, count))
    if (count < chunk.length) leftovers.set(inside, chunk.subarray(count))
    else leftovers.delete(inside)
    return { value: sliceLike(view, target, count), done: false }
  }
}

function sliceLike(view: ArrayBufferView, target: Uint8Array, byteLength: number): ArrayBufferView {
  if (view instanceof DataView) return new DataView(target.buffer, target.byteOffset, byteLength)
  const { constructor, BYTES_PER_ELEMENT: unit } = view as Uint8Array
  const View = constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView
  return new View(target.buffer, target.byteOffset, Math.floor(byteLength / unit))
}

export class ReadableStream {
  readonly #inside = new ReadableState()

  static {
    insideOf = (stream) => stream.#inside
  }

  constructor(source: Source | null = {}, strategy?: Strategy) {
    const given: Source = source ?? {}
    const isBytes = given.type !== undefined && String(given.type) === 'bytes'
    if (given.type !== undefined && !isBytes)
      throw new TypeError(`Invalid type of a stream's source: ${String(given.type)}`)
    const highWaterMark = toHighWaterMark(strategy, isBytes ? 0 : 1)
    new ReadableStreamDefaultController(token, this.#inside, given, {
      highWaterMark,
      sizeOf: toSizeOf(strategy),
      isBytes,
    })
  }

  static from(iterable: AsyncIterable<unknown> | Iterable<unknown>): ReadableStream {
    const iterator = openIterator(iterable)
    return new ReadableStream(
      {
        pull: async (controller) => {
          const { value, done } = await iterator.next()
          if (done === true) controller.close()
          else controller.enqueue(await value)
        },
        cancel: async (reason) => {
          await iterator.return?.(reason)
        },
      },
      { highWaterMark: 0 },
    )
  }

  get locked(): boolean {
    return this.#inside.reader !== undefined
  }

  async cancel(reason?: unknown): Promise<undefined> {
    if (this.locked) throw new TypeError('Cannot cancel a stream that already has a reader')
    return await this.#inside.cancel(reason)
  }

  getReader(options?: { readonly mode?: unknown }): AnyReader {
    if (options?.mode === undefined) return new ReadableStreamDefaultReader(this)
    if (String(options.mode) === 'byob') return new ReadableStreamBYOBReader(this)
    throw new TypeError(`Invalid mode of a reader: ${String(options.mode)}`)
  }

  pipeThrough(
    transform: { readonly readable: ReadableStream; readonly writable: WritableStream },
    options?: PipeOptions,
  ): ReadableStream {
    // The readable side fails too, and tells.
    this.pipeTo(transform.writable, options).catch(() => undefined)
    return transform.readable
  }

  pipeTo(destination: WritableStream, options: PipeOptions = {}): Promise<undefined> {
    if (this.locked) return Promise.reject(new TypeError('Cannot pipe a locked stream'))
    if (destination.locked) return Promise.reject(new TypeError('Cannot pipe to a locked stream'))
    return pipe(new ReadableStreamDefaultReader(this), destination.getWriter(), options)
  }

  tee(): [ReadableStream, ReadableStream] {
    return splitReader(new ReadableStreamDefaultReader(this), (source) => new ReadableStream(source))
  }

  async *values(options: { readonly preventCancel?: unknown } = {}): AsyncGenerator<unknown> {
    const reader = new ReadableStreamDefaultReader(this)
    let isDone = false
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        yield value
      }
      isDone = true
    } catch (error) {
      isDone = true
      throw error
    } finally {
      if (!isDone && options.preventCancel !== true) await reader.cancel()
      reader.releaseLock()
    }
  }
  [Symbol.asyncIterator](options?: { readonly preventCancel?: unknown }): AsyncGenerator<unknown> {
    return this.values(options)
  }
}

type AnyIterator = {
  next(): Promise<IteratorResult<unknown>> | IteratorResult<unknown>
  return?(reason?: unknown): unknown
}

function openIterator(iterable: AsyncIterable<unknown> | Iterable<unknown>): AnyIterator {
  const asynchronous = (iterable as AsyncIterable<unknown>)[Symbol.asyncIterator]
  if (typeof asynchronous === 'function') return asynchronous.call(iterable)
  const synchronous = (iterable as Iterable<unknown>)[Symbol.iterator]
  if (typeof synchronous === 'function') return synchronous.call(iterable)
  throw new TypeError('ReadableStream.from needs something iterable')
}

/** A stream over bytes in memory. */
export function createByteStream(bytes: Uint8Array): ReadableStream {
  const copy = copyBytes(bytes, 'The bytes')
  return new ReadableStream({
    type: 'bytes',
    start: (controller) => {
      if (copy.length > 0) controller.enqueue(copy)
      controller.close()
    },
  })
}
