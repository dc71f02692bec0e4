/** Cross-origin access: the origin is mirrored, so any page may call; credentials are bearer tokens, not cookies. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const methods = 'GET, POST, OPTIONS, PATCH, DELETE, PUT'
const maxAgeSeconds = '86400'

/**
 * Sets the CORS headers of an answer. True means that the request was a preflight and has been answered completely.
 * `allowCredentials` is what deployments send (sync-and-http §2.4); the control plane does not.
 */
export function applyCors(
  request: IncomingMessage,
  response: ServerResponse,
  options: { readonly allowCredentials: boolean },
): boolean {
  const { origin } = request.headers
  if (origin === undefined) return false
  response.setHeader('Vary', 'Origin')
  response.setHeader('Access-Control-Allow-Origin', origin)
  if (options.allowCredentials) response.setHeader('Access-Control-Allow-Credentials', 'true')
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) {
    response.setHeader('Access-Control-Expose-Headers', 'X-Request-Id, Retry-After')
    return false
  }
  response.setHeader('Vary', 'Origin, Access-Control-Request-Headers')
  response.setHeader('Access-Control-Allow-Methods', methods)
  const requestedHeaders = request.headers['access-control-request-headers']
  if (requestedHeaders !== undefined) response.setHeader('Access-Control-Allow-Headers', requestedHeaders)
  response.setHeader('Access-Control-Max-Age', maxAgeSeconds)
  response.statusCode = 204
  response.end()
  return true
}
