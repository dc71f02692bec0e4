/** An OpenID provider on loopback: discovery, keys, and tokens for whoever asks. Keys can be rotated, the door closed. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type SigningKey = {
  readonly kid: string
  readonly alg: 'RS256' | 'ES256'
  readonly privateKey: KeyObject
  readonly jwk: object
}

export type OidcIssuer = AsyncDisposable & {
  readonly url: string
  /** Of the OIDC provider. Defaults: audience `shop`, five minutes. */
  token(claims: Readonly<Record<string, unknown>>): string
  /** Of the custom provider `{url}/custom`. */
  customToken(claims: Readonly<Record<string, unknown>>): string
  /** New keys; the old ones are not published any more. */
  rotate(): void
  /** Paths that were asked for, in order. */
  readonly requests: string[]
  /** Answered to everything when set. */
  failure: number | undefined
}

export async function startOidcIssuer(): Promise<OidcIssuer> {
  let generation = 0
  let keys = makeKeys(generation)
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    const document = documents()[request.url ?? '']
    response.statusCode = issuer.failure ?? (document === undefined ? 404 : 200)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(document ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const documents = (): Readonly<Record<string, unknown>> => ({
    '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/keys` },
    '/keys': { keys: [keys.rsa.jwk, keys.elliptic.jwk] },
  })
  const issuer: OidcIssuer = {
    url,
    requests,
    failure: undefined,
    token: (claims) => signToken(keys.rsa, { iss: url, ...claims }),
    customToken: (claims) => signToken(keys.elliptic, { iss: `${url}/custom`, ...claims }),
    rotate: () => {
      generation += 1
      keys = makeKeys(generation)
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return issuer
}

function makeKeys(generation: number): { readonly rsa: SigningKey; readonly elliptic: SigningKey } {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    rsa: toSigningKey(`rsa-${generation}`, 'RS256', rsa),
    elliptic: toSigningKey(`ec-${generation}`, 'ES256', elliptic),
  }
}

function toSigningKey(
  kid: string,
  alg: 'RS256' | 'ES256',
  pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
): SigningKey {
  return {
    kid,
    alg,
    privateKey: pair.privateKey,
    jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
  }
}

function signToken({ kid, alg, privateKey }: SigningKey, claims: Readonly<Record<string, unknown>>): string {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const payload = { aud: 'shop', iat: nowSeconds, exp: nowSeconds + 300, ...claims }
  const signed = `${encode({ alg, kid, typ: 'JWT' })}.${encode(payload)}`
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

function encode(json: unknown): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}
