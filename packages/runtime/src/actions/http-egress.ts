/** `Egress` over node:http and node:https: redirects, compression, and the rule which addresses are out of bounds. */
import { lookup as dnsLookup } from 'node:dns'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createInflate, createUnzip, createZstdDecompress } from 'node:zlib'
import type { ByteSource, HeaderPairs } from './action.ts'
import { isInsideAddress } from './address-policy.ts'
import type { Egress, EgressRequest, EgressResponse } from './egress.ts'
import { FailedTransfer } from './failed-transfer.ts'
import { whenDrained } from './drained.ts'
import { ReadableSource } from './readable-source.ts'

const maxRedirects = 20
/** A server that says nothing for so long is given up, before its head and within its body. */
const silenceMs = 300_000
const connectMs = 10_000
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const noBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304])
/** The connection is ours to manage, and so is how a body is cut into pieces. */
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** What must not follow a redirect to another origin. */
const secretHeaders: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization'])
const bodyHeaders: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
])

type Hop = {
  readonly url: URL
  readonly method: string
  readonly headers: HeaderPairs
  readonly body: Uint8Array | ByteSource | undefined
}

export class HttpEgress implements Egress, Disposable {
  readonly allowsPrivate: boolean
  readonly #agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent }
  readonly #lookup: LookupFunction

  constructor(options: { readonly allowsPrivate: boolean }) {
    this.allowsPrivate = options.allowsPrivate
    this.#lookup = options.allowsPrivate ? dnsLookup : lookupOutside
    const pooled = { keepAlive: true, timeout: silenceMs }
    this.#agents = { 'http:': new http.Agent(pooled), 'https:': new https.Agent(pooled) }
  }

  async fetch(request: EgressRequest, signal: AbortSignal): Promise<EgressResponse> {
    let hop: Hop = {
      url: parseTarget(request.url),
      method: request.method,
      headers: request.headers,
      body: request.body,
    }
    for (let redirects = 0; ; redirects += 1) {
      const message = await this.#send(hop, signal)
      const status = message.statusCode ?? 0
      const location = redirectStatuses.has(status) ? message.headers.location : undefined
      if (location === undefined || request.redirect === 'manual') {
        return toResponse(message, hop, redirects > 0, signal)
      }
      message.destroy()
      if (request.redirect === 'error') throw new FailedTransfer('fetch attempted redirect')
      if (redirects >= maxRedirects) throw new FailedTransfer('fetch too many redirects')
      hop = nextHop(hop, status, location)
    }
  }

  [Symbol.dispose](): void {
    this.#agents['http:'].destroy()
    this.#agents['https:'].destroy()
  }

  async #send(hop: Hop, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, method } = hop
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!this.allowsPrivate && isIP(host) !== 0 && isInsideAddress(host)) throw refusal(host)
    const protocol = url.protocol as 'http:' | 'https:'
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = (protocol === 'http:' ? http : https).request({
      agent: this.#agents[protocol],
      protocol,
      host,
      port: url.port === '' ? undefined : Number(url.port),
      path: `${url.pathname}${url.search}`,
      method,
      headers: toNodeHeaders(hop),
      setDefaultHeaders: false,
      lookup: this.#lookup,
      signal,
    })
    const connecting = setTimeout(
      () => request.destroy(new FailedTransfer('fetch failed: connecting timed out')),
      connectMs,
    )
    request.once('socket', (socket) => {
      if (!socket.connecting) clearTimeout(connecting)
      else socket.once('connect', () => clearTimeout(connecting))
    })
    request.once('close', () => clearTimeout(connecting))
    request.once('timeout', () => request.destroy(new FailedTransfer('fetch failed: the server is silent')))
    request.once('response', resolve)
    request.once('error', (error) => reject(asFailure(error)))
    const sending = send(request, hop.body)
    // The answer, or the connection's end, says what became of it.
    void sending.catch((error: unknown) => request.destroy(error instanceof Error ? error : undefined))
    return await promise
  }
}

async function send(request: http.ClientRequest, body: Hop['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    request.end(body)
    return
  }
  for (let piece = await body.read(); piece !== undefined; piece = await body.read()) {
    if (request.destroyed) {
      body.cancel()
      return
    }
    if (!request.write(piece)) await whenDrained(request)
  }
  request.end()
}

function parseTarget(text: string): URL {
  const url = new URL(text)
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  const scheme = url.protocol.slice(0, -1)
  throw new FailedTransfer(`Unsupported URL scheme -- http and https are supported (scheme was ${scheme})`)
}

/** WHATWG Fetch §4.4: POST becomes GET where browsers do that, and another origin learns no secrets. */
function nextHop(hop: Hop, status: number, location: string): Hop {
  const url = parseTarget(URL.canParse(location, hop.url.href) ? new URL(location, hop.url.href).href : location)
  const becomesGet =
    (status === 303 && hop.method !== 'HEAD') || (status !== 307 && status !== 308 && hop.method === 'POST')
  if (!becomesGet && hop.body !== undefined && !(hop.body instanceof Uint8Array)) {
    throw new FailedTransfer('fetch failed: a body that was streamed cannot be sent again after a redirect')
  }
  const isOtherOrigin = url.origin !== hop.url.origin
  const headers = hop.headers.filter(([name]) => {
    const key = name.toLowerCase()
    return !(becomesGet && bodyHeaders.has(key)) && !(isOtherOrigin && secretHeaders.has(key))
  })
  return becomesGet ? { url, method: 'GET', headers, body: undefined } : { ...hop, url, headers }
}

function toNodeHeaders({ url, method, headers, body }: Hop): string[] {
  const sent: string[] = ['host', url.host, 'connection', 'keep-alive']
  const add = (name: string, value: string): void => void sent.push(name, value)
  const names = new Set(headers.map(([name]) => name.toLowerCase()))
  for (const [name, value] of headers) if (!ownHeaders.has(name.toLowerCase())) add(name, value)
  if (!names.has('accept')) add('accept', '*/*')
  if (!names.has('user-agent')) add('user-agent', 'concave')
  if (!names.has('accept-encoding')) add('accept-encoding', 'gzip, deflate, br')
  if (!names.has('authorization') && (url.username !== '' || url.password !== '')) {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    add('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
  }
  if (body instanceof Uint8Array) add('content-length', String(body.length))
  else if (body !== undefined) add('transfer-encoding', 'chunked')
  else if (method === 'POST' || method === 'PUT' || method === 'PATCH') add('content-length', '0')
  return sent
}

function toResponse(message: IncomingMessage, hop: Hop, isRedirected: boolean, signal: AbortSignal): EgressResponse {
  const headers: [string, string][] = []
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2) {
    headers.push([message.rawHeaders[i] as string, message.rawHeaders[i + 1] as string])
  }
  const status = message.statusCode ?? 0
  const hasBody = hop.method !== 'HEAD' && !noBodyStatuses.has(status)
  if (!hasBody) message.resume()
  return {
    status,
    statusText: message.statusMessage ?? '',
    headers,
    url: hop.url.href,
    isRedirected,
    body: hasBody ? new ReadableSource(decode(message), { signal }) : undefined,
  }
}

function decode(message: IncomingMessage): Readable {
  let stream: Readable = message
  const codings = (message.headers['content-encoding'] ?? '').toLowerCase().split(',')
  for (const coding of codings.map((text) => text.trim()).reverse()) {
    const decoder = createDecoder(coding)
    // An error of either ends both; who reads the decoder hears of it.
    if (decoder !== undefined) stream = pipeline(stream, decoder, () => undefined)
  }
  return stream
}

function createDecoder(coding: string): (Readable & NodeJS.ReadWriteStream) | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createUnzip()
    case 'deflate':
      return createInflate()
    case 'br':
      return createBrotliDecompress()
    case 'zstd':
      return createZstdDecompress()
    default:
      return undefined
  }
}

/** Resolves like the system, and refuses names that lead inside: the address that was checked is the one connected to. */
const lookupOutside: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '')
      return
    }
    const [first] = addresses
    const refused = addresses.find(({ address }) => isInsideAddress(address))
    if (refused !== undefined || first === undefined) callback(refusal(hostname), '')
    else if (options.all === true) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}

function refusal(host: string): FailedTransfer {
  return new FailedTransfer(
    `fetch failed: ${host} is a loopback, private or link-local address, which actions of this server may not reach`,
  )
}

/** A short cause that developers can act on; stacks and addresses of ours stay here. */
function asFailure(error: Error & { readonly code?: string }): FailedTransfer {
  if (error instanceof FailedTransfer) return error
  return new FailedTransfer(`fetch failed: ${error.code ?? error.message}`)
}
