/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** `Request` and `Response` (WHATWG Fetch §5.4, §5.5). */
import { keep } from '../kept-values.ts'
import { reflectDefineProperty } from '../primordials.ts'
import { AbortSignal, createIdleSignal } from './abort.ts'
import { Body, type TakenBody } from './body.ts'
import { guardHeaders, Headers } from './headers.ts'
import { defineInterface, toUsvString } from './interface.ts'
import { URL } from './url.ts'

export type RequestInit = {
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
const redirects: readonly string[] = ['follow', 'error', 'manual']
const modes: readonly string[] = ['cors', 'no-cors', 'same-origin', 'navigate']
const credentialModes: readonly string[] = ['omit', 'same-origin', 'include']
const caches: readonly string[] = ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached']

/** A WebIDL enumeration. */
function choose(values: readonly string[], given: unknown, what: string): string {
  const value = String(given)
  if (!values.includes(value)) throw new TypeError(`'${value}' is not a value of '${what}'`)
  return value
}

function toMethod(value: unknown): string {
  const method = String(value)
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`)
  const upper = method.toUpperCase()
  if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK') {
    throw new TypeError(`'${method}' HTTP method is unsupported.`)
  }
  return methodsInUpperCase.has(upper) ? upper : method
}

/** The body of a request that is to be sent. */
export let takeRequestBody: (request: Request) => TakenBody | undefined
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
    this.#signal = keep(signal ?? createIdleSignal())
    this.#keepalive = Boolean(init.keepalive ?? base?.keepalive ?? false)
    if (init.mode === 'navigate') throw new TypeError("The mode 'navigate' is not for requests of code")
    this.#settings = {
      redirect: choose(redirects, init.redirect ?? base?.redirect ?? 'follow', 'redirect'),
      cache: choose(caches, init.cache ?? base?.cache ?? 'default', 'cache'),
      credentials: choose(credentialModes, init.credentials ?? base?.credentials ?? 'same-origin', 'credentials'),
      mode: choose(modes, init.mode ?? base?.mode ?? 'cors', 'mode'),
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
    throw new TypeError(`Failed to parse URL from ${toUsvString(input)}`, { cause: error })
  }
}

type ResponseInit = { readonly status?: unknown; readonly statusText?: unknown; readonly headers?: unknown }
type ResponseOrigin = {
  readonly type: string
  readonly status: number
  readonly url?: string
  readonly isRedirected?: boolean
}

/** Key under which the platform says where a response comes from. */
export const responseOrigin = Symbol('responseOrigin')
const nullBodyStatuses = new Set([101, 204, 205, 304])

function toStatusText(value: unknown): string {
  const text = String(value)
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) throw new TypeError(`Invalid status text: ${JSON.stringify(text)}`)
  return text
}

export class Response extends Body {
  readonly #status: number
  readonly #statusText: string
  readonly #origin: ResponseOrigin | undefined

  static {
    takeResponseBody = (response) => response.takeBody()
  }

  constructor(body?: unknown, init: ResponseInit & { readonly [responseOrigin]?: ResponseOrigin } = {}) {
    const status = Math.trunc(Number(init.status ?? 200))
    // Lenient where Fetch §5.5 is strict: apps and components answer 204 and 205 with an empty text.
    const isEmptyText = body === '' && nullBodyStatuses.has(status)
    super(init.headers, isEmptyText ? undefined : body)
    const origin = init[responseOrigin]
    if (origin === undefined && !(status >= 200 && status <= 599)) {
      throw new RangeError(`The status provided (${status}) is outside the range [200, 599].`)
    }
    if (!isEmptyText && body !== undefined && body !== null && nullBodyStatuses.has(status)) {
      throw new TypeError('Response with null body status cannot have body')
    }
    this.#status = origin?.status ?? status
    this.#statusText = toStatusText(init.statusText ?? '')
    this.#origin = origin
    if (origin !== undefined) guardHeaders(this.headers)
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
    const response = new Response(null, { status: code, headers: { location: parseUrl(url) } })
    guardHeaders(response.headers)
    return response
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

export function installMessages(): void {
  reflectDefineProperty(Response, 'length', { value: 0, configurable: true })
  defineInterface('Request', Request)
  defineInterface('Response', Response)
}
