/** Issuers in memory for tests: keys, documents, tokens good and bad. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Clock, Log } from '@concave/base'
import type { FetchDiscovery, FetchedDocument } from './fetch-document.ts'

export const nowSeconds = 1_800_000_000

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
}

/** Stands still until it is moved. */
export class TestClock implements Clock {
  elapsedMs = 0

  nowMs(): number {
    return nowSeconds * 1000 + this.elapsedMs
  }

  nowNs(): bigint {
    return BigInt(this.nowMs()) * 1_000_000n
  }

  monotonicMs(): number {
    return this.elapsedMs
  }
}

export type TestKey = {
  readonly algorithm: 'RS256' | 'ES256' | 'EdDSA'
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function makeKey(algorithm: TestKey['algorithm'], kid: string, rsaBits = 2048): TestKey {
  switch (algorithm) {
    case 'RS256':
      return { algorithm, kid, ...generateKeyPairSync('rsa', { modulusLength: rsaBits }) }
    case 'ES256':
      return { algorithm, kid, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
    case 'EdDSA':
      return { algorithm, kid, ...generateKeyPairSync('ed25519') }
  }
}

export function toJwk({ publicKey, kid }: TestKey, members: object = {}): object {
  return { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', ...members }
}

type Json = Readonly<Record<string, unknown>>

/** `header` and `claims` are laid over what a good token has; a member given as undefined is left out. */
export function makeToken(key: TestKey, claims: Json, header: Json = {}): string {
  const signed = signedPart(key, claims, header)
  const data = Buffer.from(signed)
  const signature = sign(key.algorithm === 'EdDSA' ? null : 'sha256', data, {
    key: key.privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  return `${signed}.${signature.toString('base64url')}`
}

/** The classic confusion: the public key, as everybody can have it, used as the secret of an HMAC. */
export function makeHmacToken(key: TestKey, claims: Json): string {
  const signed = signedPart(key, claims, { alg: 'HS256' })
  const secret = key.publicKey.export({ format: 'pem', type: 'spki' })
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function signedPart(key: TestKey, claims: Json, header: Json): string {
  const times = { iat: nowSeconds - 10, exp: nowSeconds + 60 }
  return `${encode({ alg: key.algorithm, kid: key.kid, typ: 'JWT', ...header })}.${encode({ ...times, ...claims })}`
}

export function encode(json: unknown): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}

/** Documents by URL; `requests` counts who was asked. A function decides anew each time. */
export function serveDocuments(documents: Record<string, unknown>): {
  readonly fetchDiscovery: FetchDiscovery
  readonly requests: string[]
} {
  const requests: string[] = []
  const fetchDiscovery: FetchDiscovery = async (url) => {
    requests.push(url)
    const found = documents[url]
    const document: unknown = typeof found === 'function' ? await (found as () => unknown)() : found
    if (isFetched(document)) return document
    if (document === undefined) return { status: 404, contentType: 'text/plain', text: 'nothing here' }
    return { status: 200, contentType: 'application/json; charset=utf-8', text: JSON.stringify(document) }
  }
  return { fetchDiscovery, requests }
}

function isFetched(document: unknown): document is FetchedDocument {
  return typeof document === 'object' && document !== null && 'status' in document && 'text' in document
}
