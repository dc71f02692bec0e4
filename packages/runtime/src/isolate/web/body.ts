/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** Bodies of requests and responses (WHATWG Fetch §5.3): bytes in memory, or a stream that is read once. */
import { notAllowedError, state } from '../execution-state.ts'
import { assertMutable } from '../frozen-state.ts'
import { keep } from '../kept-values.ts'
import { Blob, bytesOf } from './blob.ts'
import { FormData } from './form-data.ts'
import { Headers } from './headers.ts'
import { findBytes, toUsvString } from './interface.ts'
import { decodeMultipart, encodeMultipart } from './multipart.ts'
import { createByteStream, isDisturbed, readAll, ReadableStream } from './streams.ts'
import { decodeUtf8, encodeUtf8 } from './text-encoding.ts'
import { URLSearchParams } from './url.ts'

/** A body that was taken to be sent. */
export type TakenBody =
  | { readonly bytes: Uint8Array; readonly stream?: never }
  | { readonly stream: ReadableStream; readonly bytes?: never }

type Content = { bytes: Uint8Array<ArrayBuffer> | undefined; stream: ReadableStream | undefined }

function extractBody(body: unknown): Readonly<Content> & { readonly type: string | undefined } {
  const inMemory = (bytes: Uint8Array<ArrayBuffer>, type?: string) => ({ bytes, type, stream: undefined })
  if (body instanceof ReadableStream) {
    if (body.locked || isDisturbed(body)) throw new TypeError('The stream of a body must be unused and unlocked')
    return { bytes: undefined, type: undefined, stream: body }
  }
  if (body instanceof Blob) return inMemory(bytesOf(body), body.type === '' ? undefined : body.type)
  if (body instanceof FormData) {
    if (state.phase !== 'action') throw notAllowedError('formData()')
    const { bytes, type } = encodeMultipart(body)
    return inMemory(bytes, type)
  }
  if (body instanceof URLSearchParams) {
    return inMemory(encodeUtf8(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8')
  }
  const bytes = findBytes(body)
  if (bytes !== undefined) return inMemory(new Uint8Array(bytes))
  if (isAsyncIterable(body)) return { bytes: undefined, type: undefined, stream: ReadableStream.from(body) }
  return inMemory(encodeUtf8(toUsvString(body)), 'text/plain;charset=UTF-8')
}

function isAsyncIterable(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

/** What `Request` and `Response` share. */
export abstract class Body {
  readonly #headers: Headers
  #content: Content | undefined
  #isUsed = false

  constructor(headers: unknown, body: unknown) {
    this.#headers = keep(new Headers(headers))
    if (body === undefined || body === null) return
    const { bytes, stream, type } = extractBody(body)
    this.#content = { bytes, stream: keep(stream) }
    if (type !== undefined && !this.#headers.has('content-type')) this.#headers.set('content-type', type)
  }

  get headers(): Headers {
    return this.#headers
  }
  get body(): ReadableStream | null {
    const content = this.#content
    if (content === undefined) return null
    if (content.stream === undefined) {
      assertMutable(this)
      content.stream = createByteStream(content.bytes ?? new Uint8Array(0))
      // From here on the stream says whether it was read.
      content.bytes = undefined
    }
    return content.stream
  }
  get bodyUsed(): boolean {
    const stream = this.#content?.stream
    return this.#isUsed || (stream !== undefined && isDisturbed(stream))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.#consume()).buffer
  }
  async bytes(): Promise<Uint8Array> {
    return await this.#consume()
  }
  async text(): Promise<string> {
    return decodeUtf8(await this.#consume())
  }
  async json(): Promise<unknown> {
    return JSON.parse(decodeUtf8(await this.#consume()))
  }
  async blob(): Promise<Blob> {
    return new Blob([await this.#consume()], { type: this.#headers.get('content-type') ?? '' })
  }
  async formData(): Promise<FormData> {
    if (state.phase !== 'action') throw notAllowedError('formData()')
    const type = this.#headers.get('content-type') ?? ''
    const bytes = await this.#consume()
    if (/^multipart\/form-data/i.test(type)) return decodeMultipart(bytes, type)
    if (!/^application\/x-www-form-urlencoded/i.test(type)) {
      throw new TypeError('The body is neither multipart/form-data nor application/x-www-form-urlencoded')
    }
    const form = new FormData()
    for (const [name, value] of new URLSearchParams(decodeUtf8(bytes))) form.append(name, value)
    return form
  }

  /** The body as it is to be sent; it counts as read then. */
  protected takeBody(): TakenBody | undefined {
    if (this.bodyUsed) throw unusable()
    const content = this.#content
    if (content === undefined) return undefined
    if (content.stream?.locked === true) throw unusable()
    assertMutable(this)
    this.#isUsed = true
    return content.stream === undefined ? { bytes: content.bytes ?? new Uint8Array(0) } : { stream: content.stream }
  }

  /** The body for a clone; a stream is split in two. */
  protected copyBody(): unknown {
    if (this.bodyUsed || this.#content?.stream?.locked === true) throw unusable()
    const content = this.#content
    if (content?.stream === undefined) return content?.bytes
    assertMutable(this)
    const [own, other] = content.stream.tee()
    content.stream = own
    return other
  }

  async #consume(): Promise<Uint8Array<ArrayBuffer>> {
    const taken = this.takeBody()
    if (taken === undefined) return new Uint8Array(0)
    if (taken.stream !== undefined) return await readAll(taken.stream)
    return new Uint8Array(taken.bytes)
  }
}

function unusable(): TypeError {
  return new TypeError('Body is unusable: Body has already been read')
}
