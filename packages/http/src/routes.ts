/** Serves a `Router` on node:http: request id, CORS, body limits, errors to answers. */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { BadRequest, NotFound, PlatformError, type Log } from '@concave/base'
import { parseJsonBody, readBody, streamBody } from './body.ts'
import { applyCors } from './cors.ts'
import { httpLimits } from './limits.ts'
import { errorReply, sendReply, type HttpReply } from './reply.ts'
import type { Router } from './router.ts'

/** One request as a handler sees it. The body is read at most once, when asked for. */
export interface HttpRequest {
  readonly method: string
  /** Raw path, without the query. */
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Of the connection, which may be a proxy's. */
  readonly remoteAddress: string | undefined
  readonly requestId: string
  /** Aborts when the client goes away before the answer is complete. */
  readonly signal: AbortSignal
  /** Decoded bytes; throws 413 above `maxBytes` (default: the limit of these routes). */
  bytes(maxBytes?: number): Promise<Uint8Array>
  /** The body as it arrives, unlimited and not decoded. Throws 408 if it ends before it is complete. */
  stream(): AsyncIterable<Uint8Array>
  /** Throws 400 `BadJsonBody`. With `allowEmpty`, no body at all is `undefined` whatever its Content-Type. */
  json(options?: { readonly maxBytes?: number; readonly allowEmpty?: boolean }): Promise<unknown>
}

export type RouteHandler = (request: HttpRequest) => Promise<HttpReply> | HttpReply

export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void

export type RoutesOptions = {
  readonly router: Router<RouteHandler>
  readonly log: Log
  readonly maxBodyBytes?: number
  /** Sent with every answer, errors included. */
  readonly headers?: Readonly<Record<string, string>>
  /** `undefined` = no CORS headers at all. */
  readonly cors?: { readonly allowCredentials: boolean }
}

/** A handler for `startServer`. It never rejects and answers every request, unless the client is gone. */
export function serveRoutes(options: RoutesOptions): NodeHandler {
  return (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      // Answering itself failed: normally the client went away in the middle of a stream.
      options.log.debug({ err: error }, 'Could not finish an answer.')
      response.destroy()
    })
  }
}

async function handle(options: RoutesOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const requestId = readRequestId(request.headers)
  response.setHeader('X-Request-Id', requestId)
  for (const [name, value] of Object.entries(options.headers ?? {})) response.setHeader(name, value)
  if (options.cors !== undefined && applyCors(request, response, options.cors)) return
  let reply: HttpReply
  try {
    reply = await route(options, request, response, requestId)
  } catch (error) {
    if (response.destroyed) return
    reply = errorReply(error, { log: options.log, requestId })
  }
  await sendReply(response, reply)
}

async function route(
  options: RoutesOptions,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<HttpReply> {
  const method = request.method ?? 'GET'
  const { path, query } = splitTarget(request.url ?? '/')
  const match = options.router.match(method, path)
  switch (match.kind) {
    case 'unknown':
      throw new NotFound('RouteNotFound', `There is nothing at ${method} ${path.slice(0, 200)}.`)
    case 'otherMethod':
      throw new PlatformError(
        405,
        'MethodNotAllowed',
        `${method} is not possible here; use ${match.allowed.join(' or ')}.`,
      )
    case 'found': {
      const maxBodyBytes = options.maxBodyBytes ?? httpLimits.maxBodyBytes
      const { params } = match
      return await match.handler(
        openRequest({ request, response, method, path, query, params, requestId, maxBodyBytes }),
      )
    }
  }
}

function openRequest(parts: {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly params: Readonly<Record<string, string>>
  readonly requestId: string
  readonly maxBodyBytes: number
}): HttpRequest {
  const { request, response, maxBodyBytes } = parts
  const { headers } = request
  let body: Promise<Uint8Array> | undefined
  let abort: AbortController | undefined
  const bytes = (maxBytes = maxBodyBytes): Promise<Uint8Array> => (body ??= readBody(request, maxBytes))
  return {
    method: parts.method,
    path: parts.path,
    params: parts.params,
    query: parts.query,
    headers,
    remoteAddress: request.socket.remoteAddress,
    requestId: parts.requestId,
    get signal() {
      if (abort === undefined) {
        const controller = new AbortController()
        response.once('close', () => {
          if (!response.writableFinished) controller.abort()
        })
        abort = controller
      }
      return abort.signal
    },
    bytes,
    stream: () => streamBody(request),
    json: async ({ maxBytes, allowEmpty } = {}) => {
      const received = await bytes(maxBytes)
      if (received.length === 0 && allowEmpty === true) return undefined
      return parseJsonBody(headers['content-type'], received)
    },
  }
}

/** Splits a request target without letting `//host` be taken for an authority. */
function splitTarget(target: string): { path: string; query: URLSearchParams } {
  if (!target.startsWith('/')) throw new BadRequest('BadPathArgs', 'The request target must be a path.')
  const mark = target.indexOf('?')
  if (mark === -1) return { path: target, query: new URLSearchParams() }
  return { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) }
}

/** A proxy in front may have given the request an id already. */
function readRequestId(headers: IncomingHttpHeaders): string {
  const sent = headers['x-request-id']
  if (typeof sent === 'string' && sent.length <= httpLimits.maxRequestIdLength && /^[\w.:-]+$/.test(sent)) return sent
  return randomUUID()
}
