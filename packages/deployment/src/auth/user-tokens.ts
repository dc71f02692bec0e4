/** Checks the tokens that users bring: from the text of a JWT to an identity, or to a refusal that says why. */
import type { Clock } from '@concave/base'
import type { Identity } from '@concave/protocol'
import { compactVerify, errors } from 'jose'
import type { AuthProvider } from './auth-provider.ts'
import type { CryptoKey, SignatureAlgorithm } from './json-web-keys.ts'
import { decodeToken } from './json-web-token.ts'
import type { ProviderKeys } from './provider-keys.ts'
import { toUserAttributes } from './token-attributes.ts'
import { algorithmsOf, checkClaims, chooseProvider, refuse } from './token-claims.ts'

/**
 * Throws 401 `InvalidAuthHeader`, `NoAuthProvider`, `TokenExpired` or `Unauthenticated`; `AuthProviderDiscoveryFailed`
 * when the provider's keys can't be had (sync-and-http.md §7.2).
 */
export type VerifyUserToken = (token: string) => Promise<Identity>

export function openUserTokens(deps: {
  /** Those that are live now. */
  readonly providers: () => Promise<readonly AuthProvider[]>
  readonly keys: ProviderKeys
  readonly clock: Clock
}): VerifyUserToken {
  return async (text) => {
    const token = decodeToken(text)
    const { algorithm, claims } = token
    const provider = chooseProvider(await deps.providers(), claims)
    const allowed = algorithmsOf(provider)
    if (!allowed.some((name) => name === algorithm)) {
      throw refuse(
        `it is signed with the algorithm "${algorithm.slice(0, 20)}", and its provider's is ${allowed.join(' or ')}`,
      )
    }
    const key = await deps.keys.find(provider, token)
    if (key === undefined) throw refuse('its provider has no key with the id (kid) in its header')
    await checkSignature(text, key, allowed)
    const checked = checkClaims(provider, claims, deps.clock.nowMs())
    const attributes = toUserAttributes(provider, claims, checked)
    return { kind: 'user', attributes, expiresAtMs: checked.expiresAtMs, token: text }
  }
}

async function checkSignature(token: string, key: CryptoKey, algorithms: readonly SignatureAlgorithm[]): Promise<void> {
  try {
    await compactVerify(token, key, { algorithms: [...algorithms] })
  } catch (error) {
    if (error instanceof errors.JOSEError) throw refuse('its signature is not valid')
    throw error
  }
}
