/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/**
 * `ReadableStream` with its readers and controller (WHATWG Streams §4). One controller serves both kinds of streams; the
 * chunks of byte streams are `Uint8Array`, and reads may bring the buffer that is to be filled (byob.ts).
 */
import { carryMethods } from '../../async-context.ts'
import { copyBytes } from '../../web/interface.ts'
import {
  createByobRequest,
  FillingView,
  invalidateRequest,
  type ReadableStreamBYOBRequest,
  takeBuffer,
} from './byob.ts'
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
  readonly autoAllocateChunkSize?: unknown
}
type ReadRequest = {
  /** What is to be filled. */
  filling?: FillingView
  /** The reader has brought the view: it gets it back at the end. */
  readonly isByob?: boolean
  readonly onChunk: (chunk: unknown) => void
  readonly onClose: (isCancelled?: boolean) => void
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
  isBytes = false
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
    for (const request of this.reader?.requests.splice(0) ?? []) request.onClose(true)
    await cancelSource(this.controller as ReadableStreamDefaultController, reason)
    return undefined
  }

  close(): void {
    if (this.state !== 'readable') return
    this.state = 'closed'
    const { reader } = this
    if (reader === undefined) return
    reader.closed.resolve(undefined)
    // A source that is filling a view hands it back first, by `respond(0)`.
    for (const request of reader.requests.splice(0)) {
      if (request.isByob === true) reader.requests.push(request)
      else request.onClose()
    }
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
  readonly #allocateBytes: number | undefined
  #source: Source
  #byobRequest: ReadableStreamBYOBRequest | undefined
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
    this.#allocateBytes = toAllocateBytes(source, options.isBytes)
    stream.isBytes = options.isBytes
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
  get byobRequest(): ReadableStreamBYOBRequest | null {
    const filling = this.#stream.reader?.requests[0]?.filling
    if (this.#byobRequest === undefined && filling !== undefined) {
      this.#byobRequest = createByobRequest(filling, (byteLength) => this.#respond(filling, byteLength))
    }
    return this.#byobRequest ?? null
  }

  enqueue(chunk?: unknown): void {
    if (this.#closeRequested || this.#stream.state !== 'readable') {
      throw new TypeError('The stream is not in a state that permits enqueue')
    }
    if (this.#isBytes) {
      const bytes = toByteChunk(chunk)
      this.#endByobRequest()
      this.#queue.add(bytes, bytes.byteLength)
      this.#serve()
    } else {
      const request = this.#stream.reader?.requests.shift()
      if (request !== undefined) request.onChunk(chunk)
      else this.#add(chunk)
    }
    this.#pull()
  }

  #add(chunk: unknown): void {
    try {
      this.#queue.add(chunk, this.#sizeOf(chunk))
    } catch (error) {
      this.error(error)
      throw error
    }
  }

  /** The source has put `byteLength` bytes into the view of `byobRequest`. */
  #respond(filling: FillingView, byteLength: number): void {
    const isClosed = this.#stream.state !== 'readable' || this.#closeRequested
    if (isClosed !== (byteLength === 0))
      throw new TypeError(isClosed ? 'The stream is closed: 0 bytes must be responded' : 'Bytes must be responded')
    if (byteLength > filling.room().length) throw new RangeError('There is no room for so many bytes')
    this.#endByobRequest()
    if (isClosed) {
      for (const request of this.#stream.reader?.requests.splice(0) ?? []) request.onClose()
      return
    }
    filling.advance(byteLength)
    // Its reader may have gone away.
    if (this.#stream.reader?.requests[0]?.filling !== filling) this.#addBytes(filling.bytes())
    else if (filling.isEnough) {
      this.#addBytes(filling.rest())
      this.#stream.reader.requests.shift()?.onChunk(filling.finish())
    }
    this.#serve()
    this.#pull()
  }

  #addBytes(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#queue.add(bytes, bytes.length)
  }

  #endByobRequest(): void {
    if (this.#byobRequest !== undefined) invalidateRequest(this.#byobRequest)
    this.#byobRequest = undefined
  }

  /** Gives the bytes in the queue to reads that wait. */
  #serve(): void {
    const requests = this.#stream.reader?.requests
    while (requests !== undefined && requests.length > 0 && this.#queue.length > 0) {
      const { filling, onChunk, isByob } = requests[0] as ReadRequest
      if (filling === undefined || isByob !== true) {
        requests.shift()
        onChunk(this.#queue.take())
        continue
      }
      this.#fill(filling)
      if (!filling.isEnough) return
      requests.shift()
      onChunk(filling.finish())
    }
  }

  #fill(filling: FillingView): void {
    for (let wanted = filling.wanted(this.#queue.total); wanted > 0;) {
      const first = this.#queue.peek() as Uint8Array
      const count = Math.min(wanted, first.length)
      filling.room().set(first.subarray(0, count))
      filling.advance(count)
      wanted -= count
      if (count === first.length) this.#queue.take()
      else this.#queue.replaceFirst(first.subarray(count), first.length - count)
    }
  }

  close(): void {
    if (this.#closeRequested || this.#stream.state !== 'readable') {
      throw new TypeError('The stream is not in a state that permits close')
    }
    if (this.#stream.reader?.requests[0]?.filling?.isAligned === false) {
      const error = new TypeError('The stream ends within an element of the view that is being filled')
      this.error(error)
      throw error
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
      if (this.#allocateBytes !== undefined) request.filling ??= new FillingView(new Uint8Array(this.#allocateBytes))
      this.#stream.reader?.requests.push(request)
      this.#pull()
      return
    }
    let chunk: unknown
    if (request.filling === undefined) chunk = this.#queue.take()
    else {
      this.#fill(request.filling)
      if (!request.filling.isEnough) {
        if (this.#closeRequested) this.error(new TypeError('The stream ends within an element of the view'))
        if (this.#stream.state === 'errored') request.onError(this.#stream.error)
        else {
          this.#stream.reader?.requests.push(request)
          this.#pull()
        }
        return
      }
      chunk = request.filling.finish()
    }
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
  const { byteOffset, byteLength } = chunk
  return new Uint8Array(takeBuffer(chunk), byteOffset, byteLength)
}

function toAllocateBytes({ autoAllocateChunkSize }: Source, isBytes: boolean): number | undefined {
  if (!isBytes || autoAllocateChunkSize === undefined) return undefined
  const bytes = Math.trunc(Number(autoAllocateChunkSize))
  if (!(bytes > 0)) throw new TypeError('autoAllocateChunkSize must be greater than 0')
  return bytes
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

export class ReadableStreamBYOBReader extends GenericReader {
  constructor(stream: ReadableStream) {
    super(stream)
    if (this.inside?.isBytes === true) return
    this.releaseLock()
    throw new TypeError('Only streams of bytes can be read into buffers')
  }

  async read(view: ArrayBufferView, options: { readonly min?: unknown } = {}): Promise<ReadResult> {
    if (!ArrayBuffer.isView(view)) throw new TypeError('A BYOB read needs a view on a buffer')
    if (view.byteLength === 0) throw new TypeError('A BYOB read needs a view with room in it')
    const min = Math.trunc(Number(options.min ?? 1))
    if (!(min > 0)) throw new TypeError('min must be greater than 0')
    const length = view instanceof DataView ? view.byteLength : (view as Uint8Array).length
    if (min > length) throw new RangeError('min is more than the view has room for')
    const { inside } = this
    if (inside === undefined) throw new TypeError('This reader has been released')
    const filling = new FillingView(view, min)
    return await new Promise((resolve, reject) => {
      inside.read({
        filling,
        isByob: true,
        onChunk: (value) => resolve({ value, done: false }),
        onClose: (isCancelled) => resolve({ value: isCancelled === true ? undefined : filling.finish(), done: true }),
        onError: reject,
      })
    })
  }
}

export class ReadableStream {
  readonly #inside = new ReadableState()

  static {
    insideOf = (stream) => stream.#inside
  }

  constructor(source: Source | null = {}, strategy?: Strategy) {
    const given: Source = carryMethods(source ?? {}, ['start', 'pull', 'cancel', 'type', 'autoAllocateChunkSize'])
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
    const { isBytes } = this.#inside
    const open = (source: Source): ReadableStream =>
      isBytes ? new ReadableStream({ ...source, type: 'bytes' }) : new ReadableStream(source)
    return splitReader(new ReadableStreamDefaultReader(this), open)
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
