/** `TransformStream` (WHATWG Streams §6) and the text streams of the Encoding standard (§7). */
import { encodeUtf8, TextDecoder } from '../../web/text-encoding.ts'
import { createSettable, type Settable, type Strategy } from './queue.ts'
import { ReadableStream, type ReadableStreamDefaultController, wantsMore } from './readable-stream.ts'
import { WritableStream, type WritableStreamDefaultController } from './writable-stream.ts'

type Transformer = {
  readonly start?: (controller: TransformStreamDefaultController) => unknown
  readonly transform?: (chunk: unknown, controller: TransformStreamDefaultController) => unknown
  readonly flush?: (controller: TransformStreamDefaultController) => unknown
  readonly cancel?: (reason: unknown) => unknown
}

const token = Symbol('streams')

/** Holds the writable side back until somebody reads (WHATWG Streams §6.3, backpressure). */
class Gate {
  #isShut = true
  #change: Settable<undefined> = createSettable<undefined>()

  get isShut(): boolean {
    return this.#isShut
  }
  set(isShut: boolean): void {
    if (isShut === this.#isShut) return
    this.#isShut = isShut
    this.#change.resolve(undefined)
    this.#change = createSettable<undefined>()
  }
  async whenChanged(): Promise<void> {
    await this.#change.promise
  }
}

/** Both sides of one transform stream, once they are there. */
type Sides = {
  readonly gate: Gate
  readable?: ReadableStreamDefaultController
  writable?: WritableStreamDefaultController
}

export class TransformStreamDefaultController {
  readonly #sides: Sides

  constructor(permission: unknown, sides: Sides) {
    if (permission !== token) throw new TypeError('Illegal constructor')
    this.#sides = sides
  }
  get desiredSize(): number | null {
    return this.#sides.readable?.desiredSize ?? null
  }
  enqueue(chunk?: unknown): void {
    const { readable, gate } = this.#sides
    if (readable === undefined) return
    readable.enqueue(chunk)
    if (!wantsMore(readable)) gate.set(true)
  }
  error(reason?: unknown): void {
    this.#sides.readable?.error(reason)
    failWritable(this.#sides, reason)
  }
  terminate(): void {
    closeQuietly(this.#sides.readable)
    failWritable(this.#sides, new TypeError('The transform stream was terminated'))
  }
}

function failWritable({ writable, gate }: Sides, error: unknown): void {
  writable?.error(error)
  gate.set(false)
}

/** It may be closed already: terminated by its transformer, or cancelled by its reader. */
function closeQuietly(controller: ReadableStreamDefaultController | undefined): void {
  try {
    controller?.close()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
}

export class TransformStream {
  readonly #readable: ReadableStream
  readonly #writable: WritableStream

  constructor(transformer: Transformer | null = {}, writableStrategy?: Strategy, readableStrategy?: Strategy) {
    const given: Transformer = transformer ?? {}
    const started = createSettable<unknown>()
    const sides: Sides = { gate: new Gate() }
    const controller = new TransformStreamDefaultController(token, sides)
    this.#readable = new ReadableStream(
      {
        start: (readable) => {
          sides.readable = readable
          return started.promise
        },
        pull: async () => {
          sides.gate.set(false)
          await sides.gate.whenChanged()
        },
        cancel: async (reason) => {
          await given.cancel?.call(given, reason)
          failWritable(sides, reason)
        },
      },
      { highWaterMark: readableStrategy?.highWaterMark ?? 0, size: readableStrategy?.size },
    )
    const guarded = async (run: () => unknown): Promise<void> => {
      try {
        await run()
      } catch (error) {
        sides.readable?.error(error)
        throw error
      }
    }
    this.#writable = new WritableStream(
      {
        start: (writable) => {
          sides.writable = writable
          // A write that waits for a reader must not hold up the end.
          writable.signal.addEventListener('abort', () => sides.gate.set(false))
          return started.promise
        },
        write: async (chunk) => {
          if (sides.gate.isShut) await sides.gate.whenChanged()
          if (sides.writable?.signal.aborted === true) throw sides.writable.signal.reason
          // Without a transform of its own it passes chunks on.
          await guarded(() =>
            given.transform === undefined ? controller.enqueue(chunk) : given.transform.call(given, chunk, controller),
          )
        },
        close: async () => {
          await guarded(() => given.flush?.call(given, controller))
          closeQuietly(sides.readable)
        },
        abort: async (reason) => {
          await given.cancel?.call(given, reason)
          sides.readable?.error(reason)
        },
      },
      writableStrategy,
    )
    started.resolve(given.start?.call(given, controller))
  }

  get readable(): ReadableStream {
    return this.#readable
  }
  get writable(): WritableStream {
    return this.#writable
  }
}

export class TextEncoderStream extends TransformStream {
  constructor() {
    // The first half of a surrogate pair waits for the second.
    let pending = ''
    super({
      transform: (chunk, controller) => {
        const text = pending + String(chunk)
        const isSplit = /[\ud800-\udbff]$/.test(text)
        pending = isSplit ? text.slice(-1) : ''
        const bytes = encodeUtf8(isSplit ? text.slice(0, -1) : text)
        if (bytes.length > 0) controller.enqueue(bytes)
      },
      flush: (controller) => {
        if (pending !== '') controller.enqueue(encodeUtf8(pending))
      },
    })
  }
  get encoding(): string {
    return 'utf-8'
  }
}

export class TextDecoderStream extends TransformStream {
  readonly #decoder: TextDecoder
  constructor(label = 'utf-8', options: { readonly fatal?: boolean; readonly ignoreBOM?: boolean } = {}) {
    const decoder = new TextDecoder(label, options)
    super({
      transform: (chunk, controller) => {
        const text = decoder.decode(chunk as Uint8Array<ArrayBuffer>, { stream: true })
        if (text !== '') controller.enqueue(text)
      },
      flush: (controller) => {
        const text = decoder.decode()
        if (text !== '') controller.enqueue(text)
      },
    })
    this.#decoder = decoder
  }
  get encoding(): string {
    return this.#decoder.encoding
  }
  get fatal(): boolean {
    return this.#decoder.fatal
  }
  get ignoreBOM(): boolean {
    return this.#decoder.ignoreBOM
  }
}
