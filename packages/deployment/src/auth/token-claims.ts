/** What a token must claim to be taken (sync-and-http.md §7.2). Its signature is a different matter. */
import { Unauthenticated } from '@concave/base'
import { type AuthProvider, describeProvider, isCustomJwt, isSameIssuer, issuerOf } from './auth-provider.ts'
import type { SignatureAlgorithm } from './json-web-keys.ts'
import type { Claims } from './json-web-token.ts'
import { authLimits } from './limits.ts'

/** The first provider with the token's issuer whose application is among its audiences. Throws 401 `NoAuthProvider`. */
export function chooseProvider(providers: readonly AuthProvider[], claims: Claims): AuthProvider {
  const { iss } = claims
  const audiences = audiencesOf(claims)
  const chosen = providers.find((provider) => {
    const isIssuer = typeof iss === 'string' && isSameIssuer(iss, issuerOf(provider))
    return isIssuer && (provider.applicationID === null || audiences.includes(provider.applicationID))
  })
  if (chosen !== undefined) return chosen
  const configured =
    providers.length === 0
      ? 'This deployment has no auth providers configured: add them to convex/auth.config.ts and push.'
      : "Check that the token's issuer (iss) and audience (aud) are those of one of the configured providers: " +
        `${providers.map(describeProvider).join(', ')}.`
  throw new Unauthenticated('NoAuthProvider', `No auth provider found matching the given token. ${configured}`)
}

export function algorithmsOf(provider: AuthProvider): readonly SignatureAlgorithm[] {
  return isCustomJwt(provider) ? [provider.algorithm] : ['RS256', 'EdDSA']
}

export type CheckedClaims = {
  /** As the token writes it. */
  readonly issuer: string
  readonly subject: string
  /** When it is refused, the leeway of custom tokens included. */
  readonly expiresAtMs: number
}

/** Throws 401 `TokenExpired` or `Unauthenticated`. `provider` is the one that `chooseProvider` found. */
export function checkClaims(provider: AuthProvider, claims: Claims, nowMs: number): CheckedClaims {
  const { iss, sub, exp } = claims
  if (typeof iss !== 'string' || !isSameIssuer(iss, issuerOf(provider))) throw refuse('it is from another issuer')
  if (typeof sub !== 'string' || sub === '') throw refuse('it names no subject (sub)')
  const isCustom = isCustomJwt(provider)
  const leewayMs = isCustom ? authLimits.clockLeewayMs : 0
  if (!isTime(exp)) throw refuse('it does not say when it expires (exp)')
  const expiresAtMs = exp * 1000 + leewayMs
  if (nowMs >= expiresAtMs) throw new Unauthenticated('TokenExpired', 'Could not verify the token: it has expired.')
  if (isCustom) {
    for (const claim of ['nbf', 'iat'] as const) {
      const time = claims[claim]
      if (time === undefined) continue
      if (!isTime(time)) throw refuse(`its claim "${claim}" is not a time`)
      if (nowMs + leewayMs < time * 1000) throw refuse(`it is not valid yet (${claim})`)
    }
  } else if (audiencesOf(claims).length !== 1) {
    throw refuse('it must be for exactly one audience (aud)')
  }
  return { issuer: iss, subject: sub, expiresAtMs }
}

/** RFC 7519 §4.1.3: one text, or a list of them. */
function audiencesOf({ aud }: Claims): readonly unknown[] {
  if (Array.isArray(aud)) return aud
  return aud === undefined ? [] : [aud]
}

/** RFC 7519 §2, NumericDate: seconds, possibly with a fraction. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

export function refuse(why: string): Unauthenticated {
  return new Unauthenticated('Unauthenticated', `Could not verify the token: ${why}.`)
}
