/** Public keys of a provider (RFC 7517), and the three signature algorithms that are taken (RFC 7518 §3, RFC 8037 §3.1). */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import { authLimits } from './limits.ts'
import type { DecodedToken } from './json-web-token.ts'

export type SignatureAlgorithm = 'RS256' | 'ES256' | 'EdDSA'

export type VerificationKey = {
  readonly keyId: string | undefined
  readonly algorithm: SignatureAlgorithm
  readonly key: KeyObject
}

const keySetSchema = z.object({ keys: z.array(z.unknown()).max(authLimits.maxKeysPerSet) })
const keySchema = z.object({
  kty: z.string(),
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  crv: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
})
type Jwk = z.infer<typeof keySchema>

/** Keys that are not for signatures, or not of a kind we know, are left out. Undefined: this is no key set at all. */
export function parseKeySet(json: unknown): readonly VerificationKey[] | undefined {
  const parsed = keySetSchema.safeParse(json)
  return parsed.success ? parsed.data.keys.flatMap(parseKey) : undefined
}

/** The key by which a token says that it is signed. Without a key id there must be no choice. */
export function findKey(
  keys: readonly VerificationKey[],
  { algorithm, keyId }: Pick<DecodedToken, 'algorithm' | 'keyId'>,
): VerificationKey | undefined {
  const candidates = keys.filter((key) => key.algorithm === algorithm && (keyId === undefined || key.keyId === keyId))
  return keyId === undefined && candidates.length > 1 ? undefined : candidates[0]
}

/** The algorithm is that of the key; what the token says about it has only helped to find the key. */
export function isSignedBy(token: DecodedToken, { algorithm, key }: VerificationKey): boolean {
  const { signedBytes, signature } = token
  switch (algorithm) {
    case 'RS256':
      return verify('sha256', signedBytes, key, signature)
    case 'ES256':
      return verify('sha256', signedBytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
    case 'EdDSA':
      return verify(null, signedBytes, key, signature)
  }
}

function parseKey(json: unknown): readonly VerificationKey[] {
  const parsed = keySchema.safeParse(json)
  if (!parsed.success) return []
  const jwk = parsed.data
  const algorithm = algorithmOf(jwk)
  const isForSignatures = (jwk.use ?? 'sig') === 'sig' && (jwk.key_ops ?? ['verify']).includes('verify')
  if (algorithm === undefined || !isForSignatures || (jwk.alg ?? algorithm) !== algorithm) return []
  const key = importKey(jwk)
  if (key === undefined || !hasAllowedSize(key)) return []
  return [{ keyId: jwk.kid, algorithm, key }]
}

function algorithmOf({ kty, crv }: Jwk): SignatureAlgorithm | undefined {
  if (kty === 'RSA') return 'RS256'
  if (kty === 'EC' && crv === 'P-256') return 'ES256'
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA'
  return undefined
}

/** Undefined for numbers that are no key: a set with one broken key still serves by its others. */
function importKey({ kty, crv, n, e, x, y }: Jwk): KeyObject | undefined {
  // Public members only: what else a set holds does not matter here.
  const members = { kty, crv, n, e, x, y }
  const key = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JsonWebKey
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch {
    return undefined
  }
}

function hasAllowedSize(key: KeyObject): boolean {
  if (key.asymmetricKeyType !== 'rsa') return true
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  return bits >= authLimits.minRsaBits && bits <= authLimits.maxRsaBits
}
