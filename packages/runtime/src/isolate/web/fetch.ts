/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/**
 * `Request` and `Response` with bodies in memory (WHATWG Fetch §5), and `fetch`, which queries and mutations may name
 * but not call.
 */
import { notAllowedError } from '../execution-state.ts'
import { assertMutable } from '../frozen-state.ts'
import { keep } from '../kept-values.ts'
import { type AbortSignal, createIdleSignal } from './abort.ts'
import { Blob, bytesOf } from './blob.ts'
import { FormData } from './form-data.ts'
import { Headers } from './headers.ts'
import { defineFunction, defineInterface, findBytes, toUsvString } from './interface.ts'
import { createByteStream, ReadableStream } from './streams.ts'
import { decodeUtf8, encodeUtf8 } from './text-encoding.ts'
import { URL, URLSearchParams } from './url.ts'

type BodyContent = {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly type: string | undefined
  readonly stream: ReadableStream | undefined
}

function extractBody(body: unknown): BodyContent {
  const content = (bytes: Uint8Array<ArrayBuffer>, type?: string): BodyContent => ({ bytes, type, stream: undefined })
  if (body instanceof ReadableStream) return { bytes: new Uint8Array(0), type: undefined, stream: body }
  if (body instanceof Blob) return content(bytesOf(body), body.type === '' ? undefined : body.type)
  if (body instanceof FormData) throw notAllowedError('formData()')
  if (body instanceof URLSearchParams) {
    return content(encodeUtf8(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8')
  }
  const bytes = findBytes(body)
  if (bytes !== undefined) return content(new Uint8Array(bytes))
  return content(encodeUtf8(toUsvString(body)), 'text/plain;charset=UTF-8')
}

/** What `Request` and `Response` share: headers, and a body that can be read once. */
abstract class Body {
  readonly #headers: Headers
  readonly #content: BodyContent | undefined
  #isUsed = false

  constructor(headers: unknown, body: unknown) {
    this.#headers = keep(new Headers(headers))
    this.#content = body === undefined || body === null ? undefined : extractBody(body)
    keep(this.#content?.stream)
    const type = this.#content?.type
    if (type !== undefined && !this.#headers.has('content-type')) this.#headers.set('content-type', type)
  }

  get headers(): Headers {
    return this.#headers
  }
  get body(): ReadableStream | null {
    if (this.#content === undefined) return null
    return this.#content.stream ?? createByteStream(this.#content.bytes)
  }
  get bodyUsed(): boolean {
    return this.#isUsed
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#take().slice().buffer
  }
  async bytes(): Promise<Uint8Array> {
    return this.#take().slice()
  }
  async text(): Promise<string> {
    return decodeUtf8(this.#take())
  }
  async json(): Promise<unknown> {
    return JSON.parse(decodeUtf8(this.#take()))
  }
  async blob(): Promise<Blob> {
    return new Blob([this.#take()], { type: this.#headers.get('content-type') ?? '' })
  }
  async formData(): Promise<FormData> {
    throw notAllowedError('formData()')
  }

  #take(): Uint8Array<ArrayBuffer> {
    if (this.#isUsed) throw new TypeError('Body is unusable: Body has already been read')
    if (this.#content === undefined) return new Uint8Array(0)
    if (this.#content.stream !== undefined) throw notAllowedError('stream')
    assertMutable(this)
    this.#isUsed = true
    return this.#content.bytes
  }

  /** The body for a clone: bytes in memory are shared, a used body is an error. */
  protected copyBody(): unknown {
    if (this.#isUsed) throw new TypeError('Body has already been consumed')
    if (this.#content?.stream !== undefined) throw notAllowedError('stream')
    return this.#content?.bytes
  }
}

type RequestInit = {
  readonly method?: unknown
  readonly headers?: unknown
  readonly body?: unknown
  readonly signal?: AbortSignal | null
  readonly redirect?: unknown
  readonly cache?: unknown
  readonly credentials?: unknown
  readonly mode?: unknown
  readonly referrer?: unknown
  readonly referrerPolicy?: unknown
  readonly integrity?: unknown
  readonly keepalive?: unknown
}

const methodsInUpperCase = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])

function toMethod(value: unknown): string {
  const method = String(value)
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`)
  const upper = method.toUpperCase()
  if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK') {
    throw new TypeError(`'${method}' HTTP method is unsupported.`)
  }
  return methodsInUpperCase.has(upper) ? upper : method
}

class Request extends Body {
  readonly #url: string
  readonly #method: string
  readonly #signal: AbortSignal
  readonly #settings: Readonly<Record<string, string>>
  readonly #keepalive: boolean

  constructor(input: unknown, init: RequestInit = {}) {
    const base = input instanceof Request ? input : undefined
    const method = toMethod(init.method ?? base?.method ?? 'GET')
    const body = init.body ?? base?.copyBody()
    if (body !== undefined && body !== null && (method === 'GET' || method === 'HEAD')) {
      throw new TypeError('Request with GET/HEAD method cannot have body.')
    }
    super(init.headers ?? base?.headers, body)
    this.#url = base === undefined ? new URL(input).href : base.url
    this.#method = method
    this.#signal = keep(init.signal ?? base?.signal ?? createIdleSignal())
    this.#keepalive = Boolean(init.keepalive ?? base?.keepalive ?? false)
    this.#settings = {
      redirect: String(init.redirect ?? base?.redirect ?? 'follow'),
      cache: String(init.cache ?? base?.cache ?? 'default'),
      credentials: String(init.credentials ?? base?.credentials ?? 'same-origin'),
      mode: String(init.mode ?? base?.mode ?? 'cors'),
      referrer: String(init.referrer ?? base?.referrer ?? 'about:client'),
      referrerPolicy: String(init.referrerPolicy ?? base?.referrerPolicy ?? ''),
      integrity: String(init.integrity ?? base?.integrity ?? ''),
    }
  }

  get url(): string {
    return this.#url
  }
  get method(): string {
    return this.#method
  }
  get signal(): AbortSignal {
    return this.#signal
  }
  get redirect(): string {
    return this.#settings['redirect'] as string
  }
  get cache(): string {
    return this.#settings['cache'] as string
  }
  get credentials(): string {
    return this.#settings['credentials'] as string
  }
  get mode(): string {
    return this.#settings['mode'] as string
  }
  get referrer(): string {
    return this.#settings['referrer'] as string
  }
  get referrerPolicy(): string {
    return this.#settings['referrerPolicy'] as string
  }
  get integrity(): string {
    return this.#settings['integrity'] as string
  }
  get keepalive(): boolean {
    return this.#keepalive
  }
  get destination(): string {
    return ''
  }
  clone(): Request {
    return new Request(this)
  }
}

type ResponseInit = { readonly status?: unknown; readonly statusText?: unknown; readonly headers?: unknown }
type ResponseOrigin = { readonly type: string; readonly status?: number }

const responseOrigin = Symbol('responseOrigin')
const nullBodyStatuses = new Set([101, 204, 205, 304])

class Response extends Body {
  readonly #status: number
  readonly #statusText: string
  readonly #type: string

  constructor(body?: unknown, init: ResponseInit & { readonly [responseOrigin]?: ResponseOrigin } = {}) {
    super(init.headers, body)
    const origin = init[responseOrigin]
    const status = Math.trunc(Number(init.status ?? 200))
    if (origin?.status === undefined && !(status >= 200 && status <= 599)) {
      throw new RangeError(`The status provided (${status}) is outside the range [200, 599].`)
    }
    if (body !== undefined && body !== null && nullBodyStatuses.has(status)) {
      throw new TypeError('Response with null body status cannot have body')
    }
    this.#status = origin?.status ?? status
    this.#statusText = String(init.statusText ?? '')
    this.#type = origin?.type ?? 'default'
  }

  static error(): Response {
    return new Response(null, { [responseOrigin]: { type: 'error', status: 0 } })
  }
  static json(data: unknown, init: ResponseInit = {}): Response {
    const text: string | undefined = JSON.stringify(data)
    if (text === undefined) throw new TypeError('Value is not JSON serializable')
    const headers = new Headers(init.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new Response(text, { ...init, headers })
  }
  static redirect(url: unknown, status: unknown = 302): Response {
    const code = Number(status)
    if (![301, 302, 303, 307, 308].includes(code)) throw new RangeError(`Invalid status code ${code}`)
    return new Response(null, { status: code, headers: { location: new URL(url).href } })
  }

  get status(): number {
    return this.#status
  }
  get statusText(): string {
    return this.#statusText
  }
  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299
  }
  get redirected(): boolean {
    return false
  }
  get type(): string {
    return this.#type
  }
  get url(): string {
    return ''
  }
  clone(): Response {
    const init = { status: this.#status, statusText: this.#statusText, headers: this.headers }
    return new Response(this.copyBody(), init)
  }
}

async function fetch(_input: unknown, _init?: unknown): Promise<never> {
  throw notAllowedError('fetch()')
}

export function installFetch(): void {
  defineInterface('Request', Request)
  defineInterface('Response', Response)
  defineFunction('fetch', fetch)
}
