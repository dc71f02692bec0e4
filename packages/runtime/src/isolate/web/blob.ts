/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** `Blob` and `File` (W3C File API) held in memory, immutable; reading works in every kind of function. */
import { observeNow } from '../execution-state.ts'
import { defineInterface, findBytes, toUsvString } from './interface.ts'
import { createByteStream, type ReadableStream } from './streams.ts'
import { decodeUtf8, encodeUtf8 } from './text-encoding.ts'

type BlobOptions = { readonly type?: unknown; readonly endings?: unknown }
type FileOptions = BlobOptions & { readonly lastModified?: unknown }

/** The bytes of a blob, not copied: callers must not change them. */
export let bytesOf: (blob: Blob) => Uint8Array<ArrayBuffer>

export class Blob {
  #bytes: Uint8Array<ArrayBuffer>
  readonly #type: string

  static {
    bytesOf = (blob) => blob.#bytes
  }

  constructor(parts: Iterable<unknown> = [], options: BlobOptions = {}) {
    if (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function') {
      throw new TypeError("Failed to construct 'Blob': The provided value cannot be converted to a sequence.")
    }
    this.#bytes = concatenate([...parts].map((part) => partBytes(part)))
    const endings = String(options.endings ?? 'transparent')
    if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`'${endings}' is not a way to end lines`)
    const type = String(options.type ?? '')
    this.#type = /^[ -~]*$/.test(type) ? type.toLowerCase() : ''
  }

  get size(): number {
    return this.#bytes.length
  }
  get type(): string {
    return this.#type
  }

  slice(start?: number, end?: number, type = ''): Blob {
    const blob = new Blob([], { type })
    blob.#bytes = this.#bytes.slice(start, end)
    return blob
  }

  // The result is an own copy: blobs never change.
  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer
  }
  async bytes(): Promise<Uint8Array> {
    return this.#bytes.slice()
  }
  async text(): Promise<string> {
    return decodeUtf8(this.#bytes)
  }
  stream(): ReadableStream {
    return createByteStream(this.#bytes)
  }
}

function partBytes(part: unknown): Uint8Array {
  if (part instanceof Blob) return bytesOf(part)
  return findBytes(part) ?? encodeUtf8(toUsvString(part))
}

export function concatenate(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

export class File extends Blob {
  readonly #name: string
  readonly #lastModified: number

  constructor(parts: Iterable<unknown>, name: unknown, options: FileOptions = {}) {
    if (arguments.length < 2) throw new TypeError("Failed to construct 'File': 2 arguments required.")
    super(parts, options)
    this.#name = toUsvString(name)
    this.#lastModified = options.lastModified === undefined ? observeNow() : Number(options.lastModified)
  }

  get name(): string {
    return this.#name
  }
  get lastModified(): number {
    return this.#lastModified
  }
  get webkitRelativePath(): string {
    return ''
  }
}

export function installBlob(): void {
  defineInterface('Blob', Blob)
  defineInterface('File', File)
}
