/**
 * What a signed JWT in compact form says (RFC 7515 §3.1). Nothing here is to be believed yet: it only helps to find the
 * key. Stricter than `jose`, which then checks the signature.
 */
import { Unauthenticated } from '@concave/base'
import { parseJson } from '@concave/values'
import { authLimits } from './limits.ts'

export type Claims = Readonly<Record<string, unknown>>

export type DecodedToken = {
  readonly algorithm: string
  readonly keyId: string | undefined
  readonly claims: Claims
}

/** Throws `Unauthenticated` `InvalidAuthHeader`. */
export function decodeToken(token: string): DecodedToken {
  if (token.length > authLimits.maxTokenLength) {
    throw invalid(`it is longer than ${authLimits.maxTokenLength} characters`)
  }
  const parts = token.split('.')
  const [headerText = '', claimsText = ''] = parts
  if (parts.length !== 3 || !parts.every(isBase64Url)) {
    throw invalid('it must be a signed JWT: three base64url parts, separated by dots')
  }
  const header = decodeObject(headerText, 'header')
  const { alg, kid, crit } = header
  if (typeof alg !== 'string') throw invalid('its header names no algorithm')
  if (kid !== undefined && typeof kid !== 'string') throw invalid('the key id in its header is not a string')
  // RFC 7515 §4.1.11: extensions that we do not know must not be ignored, and we know none.
  if (crit !== undefined) throw invalid('its header asks for an extension that is not supported')
  return { algorithm: alg, keyId: kid, claims: decodeObject(claimsText, 'payload') }
}

/** The one way to write some bytes (RFC 7515 §2): a token can't be varied without changing what it says. */
function isBase64Url(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part
}

function decodeObject(part: string, what: string): Claims {
  let json: unknown
  try {
    json = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url')))
  } catch (error) {
    throw invalid(`its ${what} is not JSON`, error)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(`its ${what} is not an object`)
  return json as Claims
}

function invalid(why: string, cause?: unknown): Unauthenticated {
  return new Unauthenticated('InvalidAuthHeader', `Could not read the token: ${why}.`, { cause })
}
