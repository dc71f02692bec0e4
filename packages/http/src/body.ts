/** Reading request bodies: bounded in size before and after decompression, JSON parsed with the platform's error code. */
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { BadRequest, PlatformError } from '@concave/base'

const decoders = {
  br: promisify(brotliDecompress),
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
} as const

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The whole body, decoded by its Content-Encoding. Throws 413 above `maxBytes`, measured on the wire and when decoded. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const received = await receive(request, maxBytes)
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '' || received.length === 0) return received
  if (!isKnownEncoding(encoding)) {
    throw new PlatformError(415, 'UnsupportedContentEncoding', `Content-Encoding ${encoding} is not supported.`)
  }
  try {
    return await decoders[encoding](received, { maxOutputLength: maxBytes })
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(maxBytes, error)
    throw new BadRequest('BadRequestBody', `The request body is not valid ${encoding} data.`, { cause: error })
  }
}

/** The body as it arrives, not decoded. Whoever leaves early has the rest thrown away, so that an answer gets through. */
export async function* streamBody(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array
  } catch (error) {
    throw clientDisconnected(error)
  } finally {
    request.resume()
  }
}

/** Parses a JSON body; throws 400 `BadJsonBody` for a wrong or missing Content-Type and for text that is not JSON. */
export function parseJsonBody(contentType: string | undefined, body: Uint8Array): unknown {
  const mediaType = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') {
    throw new BadRequest('BadJsonBody', 'Expected a request with `Content-Type: application/json`.')
  }
  let text: string
  try {
    text = utf8.decode(body)
  } catch (error) {
    throw new BadRequest('BadJsonBody', 'The request body is not valid UTF-8.', { cause: error })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new BadRequest('BadJsonBody', `Failed to parse the request body as JSON: ${reason}`, { cause: error })
  }
}

/** By events: an async iterator costs several times as much, and nearly every body is one chunk. */
async function receive(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  if (request.destroyed && !request.readableEnded) throw clientDisconnected(request.errored)
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  const onData = (chunk: Uint8Array): void => {
    sizeBytes += chunk.length
    chunks.push(chunk)
    if (sizeBytes > maxBytes) reject(tooLarge(maxBytes))
  }
  const onEnd = (): void => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
  const onError = (error: Error): void => reject(clientDisconnected(error))
  const onClose = (): void => reject(clientDisconnected(request.errored))
  request.on('data', onData).once('end', onEnd).once('error', onError).once('close', onClose)
  try {
    return await promise
  } finally {
    request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    // What is left of a body that is too large stays unread: its socket still has to carry the answer.
    if (sizeBytes > maxBytes) request.pause()
  }
}

function clientDisconnected(cause: unknown): PlatformError {
  return new PlatformError(408, 'ClientDisconnected', 'The request ended before its body was complete.', { cause })
}

function tooLarge(maxBytes: number, cause?: unknown): PlatformError {
  return new PlatformError(413, 'RequestTooLarge', `The request body is larger than ${maxBytes} bytes.`, { cause })
}

function isKnownEncoding(encoding: string): encoding is keyof typeof decoders {
  return Object.hasOwn(decoders, encoding)
}
