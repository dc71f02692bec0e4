/** The connection of one HTTP action: node:http on one side, streams of bytes on the other. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type ByteSink,
  type HeaderPairs,
  type HttpActionHead,
  type HttpExchange,
  ReadableSource,
  whenDrained,
} from '@concave/runtime'
import { deploymentLimits } from '../limits.ts'

/** Methods whose requests have no body. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const noBytes = new Uint8Array(0)
/** The connection, and how a body is cut into pieces on it, are ours. */
const ownHeaders: ReadonlySet<string> = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding'])

export class NodeHttpExchange implements HttpExchange {
  readonly requestBody: HttpExchange['requestBody']
  readonly signal: AbortSignal
  readonly responseBody: ByteSink
  readonly #response: ServerResponse
  readonly #isHead: boolean
  #sentBytes = 0
  /** The body went over the limit and was cut off. */
  #isCut = false
  /** The action has failed while it sent the body: nobody has gone away. */
  #isBrokenOff = false

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#response = response
    this.#isHead = request.method === 'HEAD'
    const hasBody = !bodiless.has(request.method ?? 'GET') && declaresBody(request)
    if (!hasBody) request.resume()
    this.requestBody = hasBody ? limited(new ReadableSource(request, { onCancel: () => request.resume() })) : undefined
    const controller = new AbortController()
    this.signal = controller.signal
    response.once('close', () => {
      if (!response.writableFinished && !this.#isBrokenOff) controller.abort()
    })
    this.responseBody = {
      write: (bytes) => this.#write(bytes),
      end: async () => {
        if (!response.writableEnded) response.end()
      },
      abort: () => {
        // Before the head there is still something to answer.
        if (!response.headersSent || response.writableEnded) return
        this.#isBrokenOff = true
        response.destroy()
      },
    }
  }

  get status(): number | undefined {
    return this.#response.headersSent ? this.#response.statusCode : undefined
  }

  get isCut(): boolean {
    return this.#isCut
  }

  respond({ status, headerPairs, contentLength }: HttpActionHead): void {
    const headers = headerPairs.filter(([name]) => !ownHeaders.has(name.toLowerCase())).flat()
    const hasLength = contentLength !== undefined && status !== 204 && status !== 304 && !this.#isHead
    if (hasLength) headers.push('content-length', String(Math.min(contentLength, deploymentLimits.maxHttpBodyBytes)))
    this.#response.writeHead(status, headers)
    // The head goes out now, whenever the first byte of the body comes. With text, node:http would send it as UTF-8.
    if (contentLength === undefined) this.#response.write(noBytes)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const response = this.#response
    if (response.destroyed) throw new Error('The client has gone away.')
    const room = deploymentLimits.maxHttpBodyBytes - this.#sentBytes
    this.#sentBytes += bytes.length
    if (room <= 0 || this.#isHead) {
      if (room <= 0) this.#isCut = true
      return
    }
    if (bytes.length > room) this.#isCut = true
    if (response.write(bytes.subarray(0, room))) return
    const stalled = setTimeout(() => response.destroy(), deploymentLimits.httpStallMs)
    await whenDrained(response)
    clearTimeout(stalled)
  }
}

function declaresBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

function limited(source: ReadableSource): NonNullable<HttpExchange['requestBody']> {
  let readBytes = 0
  return {
    read: async () => {
      const piece = await source.read()
      readBytes += piece?.length ?? 0
      if (readBytes > deploymentLimits.maxHttpBodyBytes) {
        source.cancel()
        throw new Error('The body of the request is larger than 20 MiB')
      }
      return piece
    },
    cancel: () => source.cancel(),
  }
}

/** The address the client used, as far as a proxy tells, and the path without our own prefix. */
export function publicUrl(request: IncomingMessage, target: string): string {
  const { host = 'localhost' } = request.headers
  return `${publicScheme(request)}://${host}${target}`
}

function publicScheme(request: IncomingMessage): 'http' | 'https' {
  const given =
    singleHeader(request, 'x-forwarded-proto')?.split(',')[0] ??
    /(?:^|[;,\s])proto="?(\w+)/i.exec(singleHeader(request, 'forwarded') ?? '')?.[1]
  return given?.trim().toLowerCase() === 'https' ? 'https' : 'http'
}

function singleHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

export function headerPairsOf(request: IncomingMessage): HeaderPairs {
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    pairs.push([request.rawHeaders[i] as string, request.rawHeaders[i + 1] as string])
  }
  return pairs
}
