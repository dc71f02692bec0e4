/**
 * The stream classes' names. Queries and mutations may make streams, since libraries do so in passing, but not use
 * them: a stream needs time to pass.
 */
import { notAllowedError } from '../execution-state.ts'
import { keep } from '../kept-values.ts'
import { defineInterface } from './interface.ts'

function refuse(): never {
  throw notAllowedError('stream')
}

/** Of a body in memory, which may be read as a whole. */
let bytesBehind: (stream: ReadableStream) => Uint8Array<ArrayBuffer> | undefined
let putBytesBehind: (stream: ReadableStream, bytes: Uint8Array<ArrayBuffer>) => void

export class ReadableStream {
  #bytes: Uint8Array<ArrayBuffer> | undefined

  static {
    bytesBehind = (stream) => stream.#bytes
    putBytesBehind = (stream, bytes) => (stream.#bytes = bytes)
  }

  // The arguments are accepted and ignored: nothing is ever pulled.
  constructor(_source?: unknown, _strategy?: unknown) {}
  static from(_source: unknown): ReadableStream {
    return refuse()
  }
  get locked(): boolean {
    return false
  }
  async cancel(_reason?: unknown): Promise<void> {
    refuse()
  }
  getReader(_options?: unknown): never {
    return refuse()
  }
  pipeThrough(_transform: unknown, _options?: unknown): never {
    return refuse()
  }
  async pipeTo(_destination: unknown, _options?: unknown): Promise<void> {
    refuse()
  }
  tee(): [ReadableStream, ReadableStream] {
    const bytes = this.#bytes
    if (bytes === undefined) return refuse()
    return [createByteStream(bytes), createByteStream(bytes)]
  }
  values(_options?: unknown): never {
    return refuse()
  }
  [Symbol.asyncIterator](): never {
    return refuse()
  }
}

class WritableStream {
  constructor(_sink?: unknown, _strategy?: unknown) {}
  get locked(): boolean {
    return false
  }
  async abort(_reason?: unknown): Promise<void> {
    refuse()
  }
  async close(): Promise<void> {
    refuse()
  }
  getWriter(): never {
    return refuse()
  }
}

class TransformStream {
  readonly #readable = keep(new ReadableStream())
  readonly #writable = keep(new WritableStream())
  constructor(_transformer?: unknown, _writableStrategy?: unknown, _readableStrategy?: unknown) {}
  get readable(): ReadableStream {
    return this.#readable
  }
  get writable(): WritableStream {
    return this.#writable
  }
}

class TextEncoderStream extends TransformStream {
  get encoding(): string {
    return 'utf-8'
  }
}

class TextDecoderStream extends TransformStream {
  get encoding(): string {
    return 'utf-8'
  }
}

// A reader or writer is made from a stream and locks it: that is use.
class ReadableStreamDefaultReader {
  constructor(_stream: unknown) {
    refuse()
  }
}
class ReadableStreamBYOBReader {
  constructor(_stream: unknown) {
    refuse()
  }
}
class WritableStreamDefaultWriter {
  constructor(_stream: unknown) {
    refuse()
  }
}

/** A stream over bytes in memory. */
export function createByteStream(bytes: Uint8Array<ArrayBuffer>): ReadableStream {
  const stream = new ReadableStream()
  putBytesBehind(stream, bytes)
  return stream
}

export function isDisturbed(_stream: ReadableStream): boolean {
  return false
}

export async function readAll(stream: ReadableStream): Promise<Uint8Array<ArrayBuffer>> {
  return bytesBehind(stream)?.slice() ?? refuse()
}

export function installStreams(): void {
  const classes = {
    ReadableStream,
    ReadableStreamDefaultReader,
    ReadableStreamBYOBReader,
    WritableStream,
    WritableStreamDefaultWriter,
    TransformStream,
    TextEncoderStream,
    TextDecoderStream,
  }
  for (const [name, constructor] of Object.entries(classes)) defineInterface(name, constructor)
}
