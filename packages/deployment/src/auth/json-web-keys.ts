/** Public keys of a provider (RFC 7517), for the three signature algorithms that are taken (RFC 7518 §3, RFC 8037 §3.1). */
import { createLocalJWKSet, type CryptoKey, type LocalJWKSet } from 'jose'
import { z } from 'zod'
import type { DecodedToken } from './json-web-token.ts'
import { authLimits } from './limits.ts'

export type SignatureAlgorithm = 'RS256' | 'ES256' | 'EdDSA'

export type { CryptoKey }

export type KeySet = LocalJWKSet

// Members that are no objects are no keys; what else is wrong with one shows when it is asked for.
const keySetSchema = z.object({ keys: z.array(z.unknown()).max(authLimits.maxKeysPerSet) })
const memberSchema = z.looseObject({ kty: z.string() })

/** Undefined: this is no key set at all. */
export function parseKeySet(json: unknown): KeySet | undefined {
  const parsed = keySetSchema.safeParse(json)
  if (!parsed.success) return undefined
  const keys = parsed.data.keys.map((key) => memberSchema.safeParse(key)).flatMap(({ data }) => data ?? [])
  return createLocalJWKSet({ keys })
}

/** The key by which a token says that it is signed, if there is exactly one and it is fit for that. */
export async function findKey(
  keys: KeySet,
  { algorithm, keyId }: Pick<DecodedToken, 'algorithm' | 'keyId'>,
): Promise<CryptoKey | undefined> {
  let key: CryptoKey
  try {
    key = await keys({ alg: algorithm, ...(keyId === undefined ? {} : { kid: keyId }) })
  } catch {
    // None, several, or numbers that are no key: a set with one broken key still serves by its others.
    return undefined
  }
  return hasAllowedSize(key) ? key : undefined
}

function hasAllowedSize({ algorithm }: CryptoKey): boolean {
  if (!('modulusLength' in algorithm)) return true
  const bits = Number(algorithm.modulusLength)
  return bits >= authLimits.minRsaBits && bits <= authLimits.maxRsaBits
}
