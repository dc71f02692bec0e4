/** What a handler answers, and the only place where answers and errors become bytes on a socket. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Readable } from 'node:stream'
import { Internal, Overloaded, PlatformError, RateLimited, type Log } from '@concave/base'

export type ReplyBody =
  | { readonly kind: 'empty' }
  | { readonly kind: 'json'; readonly value: unknown }
  /** `contentType` is sent as it is. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array | string; readonly contentType: string }
  | { readonly kind: 'stream'; readonly stream: Readable; readonly contentType: string }

export type HttpReply = {
  readonly status: number
  readonly headers?: OutgoingHttpHeaders
  readonly body: ReplyBody
}

export function jsonReply(value: unknown, options: { status?: number; headers?: OutgoingHttpHeaders } = {}): HttpReply {
  return { status: options.status ?? 200, headers: options.headers ?? {}, body: { kind: 'json', value } }
}

/** Success without content: an empty body, `Content-Length: 0` unless the status forbids it (204). */
export function emptyReply(status = 200, headers: OutgoingHttpHeaders = {}): HttpReply {
  return { status, headers, body: { kind: 'empty' } }
}

export function textReply(text: string, options: { status?: number; contentType?: string } = {}): HttpReply {
  const contentType = options.contentType ?? 'text/plain; charset=utf-8'
  return { status: options.status ?? 200, body: { kind: 'bytes', bytes: text, contentType } }
}

export async function sendReply(response: ServerResponse, reply: HttpReply): Promise<void> {
  response.statusCode = reply.status
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    if (value !== undefined) response.setHeader(name, value)
  }
  switch (reply.body.kind) {
    case 'empty':
      // The answer to a HEAD request says how long the content would be.
      if (reply.status !== 204 && reply.status !== 304 && !response.hasHeader('Content-Length')) {
        response.setHeader('Content-Length', 0)
      }
      response.end()
      return
    case 'json': {
      const text = JSON.stringify(reply.body.value)
      response.setHeader('Content-Type', 'application/json')
      response.setHeader('Content-Length', Buffer.byteLength(text))
      response.end(text)
      return
    }
    case 'bytes':
      response.setHeader('Content-Type', reply.body.contentType)
      response.setHeader('Content-Length', Buffer.byteLength(reply.body.bytes))
      response.end(reply.body.bytes)
      return
    case 'stream':
      response.setHeader('Content-Type', reply.body.contentType)
      await pipeline(reply.body.stream, response)
  }
}

/**
 * The answer for anything thrown: `{code, message}` with the status of a `PlatformError`, else a neutral 500. Logs what
 * a person must know, under the request id that the caller also sees in `X-Request-Id`.
 */
export function errorReply(error: unknown, context: { readonly log: Log; readonly requestId: string }): HttpReply {
  const known = error instanceof PlatformError ? error : new Internal(error)
  if (known.status >= 500) {
    const fields = { requestId: context.requestId, code: known.code, err: known.cause ?? known }
    if (known.status === 503) context.log.warn(fields, 'Request refused: the server is busy.')
    else context.log.error(fields, 'Request failed.')
  }
  const headers: OutgoingHttpHeaders = {}
  if (known instanceof RateLimited || known instanceof Overloaded) {
    headers['Retry-After'] = Math.max(1, Math.ceil(known.retryAfterMs / 1000))
  }
  // A body that was refused unread must not be taken for the next request.
  if (known.status === 413 || known.status === 408) headers['Connection'] = 'close'
  return jsonReply({ code: known.code, message: known.message }, { status: known.status, headers })
}
