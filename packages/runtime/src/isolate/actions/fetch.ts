/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** `Request`, `Response` and `fetch` in actions. The host makes the connections; bodies flow as fast as they are read. */
import { notAllowedError, state } from '../execution-state.ts'
import { AbortSignal, createIdleSignal } from '../web/abort.ts'
import { Headers } from '../web/headers.ts'
import { defineFunction, defineInterface } from '../web/interface.ts'
import { URL } from '../web/url.ts'
import { Body, type TakenBody } from './body.ts'
import { openByteSource, sendBody } from './body-transfer.ts'
import { bytesToText } from './byte-text.ts'
import { notify, request as askHost } from './operations.ts'

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
const redirects = new Set(['follow', 'error', 'manual'])

function toMethod(value: unknown): string {
  const method = String(value)
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`)
  const upper = method.toUpperCase()
  if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK') {
    throw new TypeError(`'${method}' HTTP method is unsupported.`)
  }
  return methodsInUpperCase.has(upper) ? upper : method
}

let takeRequestBody: (request: Request) => TakenBody | undefined
/** The body of a response that is to be sent. */
export let takeResponseBody: (response: Response) => TakenBody | undefined

let onSignalRead: (signal: AbortSignal) => void = () => undefined

/** `onRead` hears of each request whose `signal` is looked at: whoever has it may wait for its abort. */
export function watchSignalReads(onRead: (signal: AbortSignal) => void): void {
  onSignalRead = onRead
}

export class Request extends Body {
  readonly #url: string
  readonly #method: string
  readonly #signal: AbortSignal
  readonly #settings: Readonly<Record<string, string>>
  readonly #keepalive: boolean

  static {
    takeRequestBody = (request) => request.takeBody()
  }

  constructor(input: unknown, init: RequestInit = {}) {
    const base = input instanceof Request ? input : undefined
    const method = toMethod(init.method ?? base?.method ?? 'GET')
    const hasOwnBody = init.body !== undefined && init.body !== null
    if ((hasOwnBody || (base?.body ?? null) !== null) && (method === 'GET' || method === 'HEAD')) {
      throw new TypeError('Request with GET/HEAD method cannot have body.')
    }
    super(init.headers ?? base?.headers, hasOwnBody ? init.body : base === undefined ? undefined : moveBody(base))
    this.#url = base === undefined ? parseUrl(input) : base.url
    this.#method = method
    const signal = init.signal === undefined ? base?.signal : (init.signal ?? undefined)
    if (signal !== undefined && !(signal instanceof AbortSignal))
      throw new TypeError('The signal must be an AbortSignal')
    this.#signal = signal ?? createIdleSignal()
    this.#keepalive = Boolean(init.keepalive ?? base?.keepalive ?? false)
    const redirect = String(init.redirect ?? base?.redirect ?? 'follow')
    if (!redirects.has(redirect)) throw new TypeError(`'${redirect}' is not a way to treat redirects`)
    this.#settings = {
      redirect,
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
    onSignalRead(this.#signal)
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
  get duplex(): string {
    return 'half'
  }
  clone(): Request {
    const body = this.copyBody()
    const { method, headers, signal, redirect, cache, credentials, mode, referrer, referrerPolicy, integrity } = this
    const init = { method, headers, signal, redirect, cache, credentials, mode, referrer, referrerPolicy, integrity }
    return new Request(this.#url, { ...init, keepalive: this.#keepalive, ...(body === undefined ? {} : { body }) })
  }
}

/** A request made from another one takes its body. */
function moveBody(base: Request): unknown {
  const taken = takeRequestBody(base)
  return taken?.stream ?? taken?.bytes
}

function parseUrl(input: unknown): string {
  try {
    return new URL(input).href
  } catch (error) {
    throw new TypeError(`Failed to parse URL from ${String(input)}`, { cause: error })
  }
}

type ResponseInit = { readonly status?: unknown; readonly statusText?: unknown; readonly headers?: unknown }
type ResponseOrigin = {
  readonly type: string
  readonly status: number
  readonly url?: string
  readonly isRedirected?: boolean
}

const responseOrigin = Symbol('responseOrigin')
const nullBodyStatuses = new Set([101, 204, 205, 304])

export class Response extends Body {
  readonly #status: number
  readonly #statusText: string
  readonly #origin: ResponseOrigin | undefined

  static {
    takeResponseBody = (response) => response.takeBody()
  }

  constructor(body?: unknown, init: ResponseInit & { readonly [responseOrigin]?: ResponseOrigin } = {}) {
    super(init.headers, body)
    const origin = init[responseOrigin]
    const status = Math.trunc(Number(init.status ?? 200))
    if (origin === undefined && !(status >= 200 && status <= 599)) {
      throw new RangeError(`The status provided (${status}) is outside the range [200, 599].`)
    }
    if (body !== undefined && body !== null && nullBodyStatuses.has(status)) {
      throw new TypeError('Response with null body status cannot have body')
    }
    this.#status = origin?.status ?? status
    this.#statusText = String(init.statusText ?? '')
    this.#origin = origin
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
    return this.#origin?.isRedirected ?? false
  }
  get type(): string {
    return this.#origin?.type ?? 'default'
  }
  get url(): string {
    return this.#origin?.url ?? ''
  }
  clone(): Response {
    const init = { status: this.#status, statusText: this.#statusText, headers: this.headers }
    const origin = this.#origin === undefined ? {} : { [responseOrigin]: this.#origin }
    return new Response(this.copyBody(), { ...init, ...origin })
  }
}

type HostResponse = {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly (readonly [string, string])[]
  readonly url: string
  readonly isRedirected: boolean
  readonly hasBody: boolean
}

let lastFetchId = 0

async function fetch(input: unknown, init?: RequestInit): Promise<Response> {
  if (state.phase !== 'action') throw notAllowedError('fetch()')
  const request = new Request(input, init)
  const { signal } = request
  if (signal.aborted) throw signal.reason
  const fetchId = `fetch ${(lastFetchId += 1)}`
  const body = takeRequestBody(request)
  const args = {
    fetchId,
    url: request.url.replace(/#.*$/, ''),
    method: request.method,
    headers: [...request.headers],
    redirect: request.redirect,
    body: body === undefined ? 'none' : body.bytes === undefined ? 'stream' : 'bytes',
  }
  const bytes = body?.bytes === undefined ? '' : bytesToText(body.bytes)
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  aborted.catch(() => undefined)
  const stream = { fail: (_reason: unknown): void => undefined }
  const onAbort = (): void => {
    notify('fetch/abort', { fetchId })
    stream.fail(signal.reason)
    reject(signal.reason)
  }
  signal.addEventListener('abort', onAbort)
  const asked = askHost('fetch', JSON.stringify(args), bytes)
  // What cannot be sent is told by the answer.
  if (body?.stream !== undefined) void sendBody(fetchId, body.stream).catch(() => undefined)
  asked.catch(() => undefined)
  const { text } = await Promise.race([asked, aborted])
  const head = JSON.parse(text) as HostResponse
  const source = head.hasBody
    ? openByteSource(fetchId, (fail) => {
        stream.fail = fail
      })
    : null
  return new Response(source, {
    status: head.status,
    statusText: head.statusText,
    headers: head.headers,
    [responseOrigin]: {
      type: 'basic',
      status: head.status,
      url: head.url,
      isRedirected: head.isRedirected,
    },
  })
}

export function installFetch(): void {
  defineInterface('Request', Request)
  defineInterface('Response', Response)
  defineFunction('fetch', fetch)
}
