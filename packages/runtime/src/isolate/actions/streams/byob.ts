/** Reads into buffers that the reader brings along (WHATWG Streams §4.5, §4.8). */

type ViewClass = new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView

/** A view that is being filled. Its buffer belongs to the stream until it is handed back. */
export class FillingView {
  readonly #buffer: ArrayBuffer
  readonly #offset: number
  readonly #byteLength: number
  readonly #elementBytes: number
  readonly #minBytes: number
  readonly #View: ViewClass
  #filled = 0

  /** Takes the view's buffer away from who has given it. `min`: elements that a read waits for. */
  constructor(view: ArrayBufferView, min = 1) {
    this.#offset = view.byteOffset
    this.#byteLength = view.byteLength
    this.#View = view.constructor as ViewClass
    this.#elementBytes = view instanceof DataView ? 1 : (view as Uint8Array).BYTES_PER_ELEMENT
    this.#minBytes = min * this.#elementBytes
    this.#buffer = takeBuffer(view)
  }

  get isAligned(): boolean {
    return this.#filled % this.#elementBytes === 0
  }
  get isEnough(): boolean {
    return this.#filled >= this.#minBytes
  }
  /** Where the next bytes go. */
  room(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, this.#offset + this.#filled, this.#byteLength - this.#filled)
  }
  /** `count` bytes were written to the room. */
  advance(count: number): void {
    this.#filled += count
  }
  /** How many of `available` bytes the view takes: whole elements, once there are enough. */
  wanted(available: number): number {
    const most = this.#filled + Math.min(available, this.#byteLength - this.#filled)
    const aligned = most - (most % this.#elementBytes)
    return (aligned >= this.#minBytes ? aligned : most) - this.#filled
  }
  /** Bytes behind the last whole element. */
  rest(): Uint8Array<ArrayBuffer> {
    const restBytes = this.#filled % this.#elementBytes
    const end = this.#offset + this.#filled
    return new Uint8Array(this.#buffer.slice(end - restBytes, end))
  }
  /** Everything that was written. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer.slice(this.#offset, this.#offset + this.#filled))
  }
  /** What the read gives: a view of the kind that was brought, over what was filled. */
  finish(): ArrayBufferView {
    return new this.#View(this.#buffer, this.#offset, Math.floor(this.#filled / this.#elementBytes))
  }
}

/** The buffer behind a view, which nobody else can change from here on. */
export function takeBuffer(view: ArrayBufferView): ArrayBuffer {
  if (!(view.buffer instanceof ArrayBuffer)) throw new TypeError('The buffer of the view cannot be transferred')
  return view.buffer.transfer()
}

const token = Symbol('byob')

/** Its view goes back to the reader. */
export let invalidateRequest: (request: ReadableStreamBYOBRequest) => void

/** What a source fills; it has no effect any more once the view was handed back. */
export class ReadableStreamBYOBRequest {
  readonly #onRespond: (byteLength: number) => void
  #filling: FillingView | undefined

  constructor(permission: unknown, filling: FillingView, onRespond: (byteLength: number) => void) {
    if (permission !== token) throw new TypeError('Illegal constructor')
    this.#filling = filling
    this.#onRespond = onRespond
  }

  static {
    invalidateRequest = (request) => (request.#filling = undefined)
  }

  get view(): Uint8Array | null {
    return this.#filling?.room() ?? null
  }

  respond(byteLength: unknown): void {
    if (this.#filling === undefined) throw new TypeError('This BYOB request has been invalidated')
    const count = Number(byteLength)
    if (!(count >= 0)) throw new TypeError('The number of bytes must not be negative')
    this.#onRespond(Math.trunc(count))
  }

  respondWithNewView(view: ArrayBufferView): void {
    const filling = this.#filling
    if (filling === undefined) throw new TypeError('This BYOB request has been invalidated')
    if (!ArrayBuffer.isView(view)) throw new TypeError('A view on a buffer is needed')
    const room = filling.room()
    if (view.byteOffset !== room.byteOffset || view.byteLength > room.byteLength)
      throw new RangeError('The view lies outside of the one that was asked for')
    const { byteOffset, byteLength } = view
    if (view.buffer !== room.buffer) room.set(new Uint8Array(takeBuffer(view), byteOffset, byteLength))
    this.#onRespond(byteLength)
  }
}

export function createByobRequest(
  filling: FillingView,
  onRespond: (byteLength: number) => void,
): ReadableStreamBYOBRequest {
  return new ReadableStreamBYOBRequest(token, filling, onRespond)
}
