import { type CryptoKey, exportJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import type { AuthProvider } from './auth-provider.ts'
import { DocumentUnavailable } from './fetch-document.ts'
import { authLimits } from './limits.ts'
import { decodeToken } from './json-web-token.ts'
import { ProviderKeys } from './provider-keys.ts'
import { makeKey, makeToken, serveDocuments, silentLog, TestClock, toJwk } from './token-fixture.ts'

const issuer = 'https://issuer.test'
const discoveryUrl = `${issuer}/.well-known/openid-configuration`
const keysUrl = `${issuer}/keys`
const oidc: AuthProvider = { domain: issuer, applicationID: 'app' }
const first = makeKey('RS256', '1')
const second = makeKey('RS256', '2')
const third = makeKey('RS256', '3')
/** Which of the three it is: by its numbers, not by what the set calls it. */
const idOf = async (finding: Promise<CryptoKey | undefined> | CryptoKey | undefined) => {
  const found = await finding
  const { n } = found === undefined ? {} : await exportJWK(found)
  return [first, second, third].find(({ publicKey }) => publicKey.export({ format: 'jwk' }).n === n)?.kid
}
const ask = (key: typeof first) => decodeToken(makeToken(key, {}))

function open(documents: Record<string, unknown> = {}) {
  const all: Record<string, unknown> = {
    [discoveryUrl]: { issuer, jwks_uri: keysUrl },
    [keysUrl]: { keys: [toJwk(first)] },
    ...documents,
  }
  const clock = new TestClock()
  const { fetchDiscovery, requests } = serveDocuments(all)
  const keys = new ProviderKeys({ fetchDiscovery, clock, log: silentLog })
  const unavailable = () => {
    throw new DocumentUnavailable('there was no answer')
  }
  return { keys, clock, requests, documents: all, unavailable }
}

describe('keys', () => {
  test('are fetched once, however many ask at the same time', async () => {
    const { keys, requests } = open()
    const found = await Promise.all([1, 2, 3].map(() => keys.find(oidc, ask(first))))
    expect(await Promise.all(found.map(idOf))).toEqual(['1', '1', '1'])
    expect(requests).toEqual([discoveryUrl, keysUrl])
  })

  test('are fetched again for an unknown id, but not at every such token', async () => {
    const { keys, clock, requests, documents } = open()
    await keys.find(oidc, ask(first))
    documents[keysUrl] = { keys: [toJwk(first), toJwk(second)] }
    expect(await keys.find(oidc, ask(second))).toBeUndefined()
    clock.elapsedMs += authLimits.minRefreshMs
    expect(await idOf(keys.find(oidc, ask(second)))).toBe('2')
    requests.length = 0
    for (let i = 0; i < 100; i += 1) expect(await keys.find(oidc, ask(third))).toBeUndefined()
    expect(requests).toEqual([])
  })

  test('are forgotten when their provider has withdrawn them', async () => {
    const { keys, clock, documents } = open()
    await keys.find(oidc, ask(first))
    documents[keysUrl] = { keys: [toJwk(second)] }
    clock.elapsedMs += authLimits.maxKeyAgeMs - 1
    expect(await idOf(keys.find(oidc, ask(first)))).toBe('1')
    clock.elapsedMs += 1
    expect(await keys.find(oidc, ask(first))).toBeUndefined()
  })

  test('stay in use for a day while their provider is down', async () => {
    const { keys, clock, requests, documents, unavailable } = open()
    await keys.find(oidc, ask(first))
    documents[discoveryUrl] = unavailable
    clock.elapsedMs += authLimits.maxKeyAgeMs
    expect(await idOf(keys.find(oidc, ask(first)))).toBe('1')
    requests.length = 0
    expect(await idOf(keys.find(oidc, ask(first)))).toBe('1')
    expect(requests).toEqual([])
    clock.elapsedMs += authLimits.maxStaleKeyAgeMs
    await expect(keys.find(oidc, ask(first))).rejects.toMatchObject({ code: 'AuthProviderDiscoveryFailed' })
  })

  test('that were not to be had are soon asked for again', async () => {
    const { keys, clock, requests, documents, unavailable } = open()
    const document = documents[discoveryUrl]
    documents[discoveryUrl] = unavailable
    await expect(keys.find(oidc, ask(first))).rejects.toMatchObject({ code: 'AuthProviderDiscoveryFailed' })
    await expect(keys.find(oidc, ask(first))).rejects.toMatchObject({ code: 'AuthProviderDiscoveryFailed' })
    expect(requests).toHaveLength(1)
    documents[discoveryUrl] = document
    clock.elapsedMs += authLimits.retryMs
    expect(await idOf(keys.find(oidc, ask(first)))).toBe('1')
  })

  test('can stand in the configuration itself', async () => {
    const { keys, requests } = open()
    const set = JSON.stringify({ keys: [toJwk(first)] })
    for (const jwks of [
      `data:application/json,${encodeURIComponent(set)}`,
      `data:text/plain;charset=utf-8;base64,${Buffer.from(set).toString('base64')}`,
    ]) {
      const provider: AuthProvider = { type: 'customJwt', issuer, applicationID: null, jwks, algorithm: 'RS256' }
      expect(await idOf(keys.find(provider, ask(first)))).toBe('1')
    }
    expect(requests).toEqual([])
  })

  test('of a set with broken ones are used as far as they are whole', async () => {
    const broken = [
      null,
      {},
      { kty: 'RSA', n: '!', e: 'AQAB', kid: 'x' },
      { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
    ]
    const { keys } = open({ [keysUrl]: { keys: [...broken, toJwk(second, { use: 'enc' }), toJwk(first)] } })
    expect(await idOf(keys.find(oidc, ask(first)))).toBe('1')
    expect(await keys.find(oidc, ask(second))).toBeUndefined()
  })
})

describe('discovery fails', () => {
  const custom: AuthProvider = { type: 'customJwt', issuer, applicationID: null, jwks: keysUrl, algorithm: 'RS256' }
  const answer = (status: number, contentType = 'application/json', text = '{"keys":[]}') => ({
    status,
    contentType,
    text,
  })

  test.each<[string, AuthProvider, Record<string, unknown>, number, string]>([
    ['with the status of the provider', oidc, { [discoveryUrl]: answer(404) }, 404, 'answered with status 404'],
    ['for now, when the provider is in trouble', oidc, { [keysUrl]: answer(500) }, 503, 'answered with status 500'],
    ['when the provider has had enough', custom, { [keysUrl]: answer(429) }, 429, 'answered with status 429'],
    ['when it leads elsewhere', oidc, { [discoveryUrl]: answer(302) }, 400, 'answered with status 302'],
    [
      'when the document is none',
      oidc,
      { [discoveryUrl]: answer(200, 'text/html', '<html>') },
      400,
      'is not a discovery document',
    ],
    [
      'when the document is of another issuer',
      oidc,
      { [discoveryUrl]: { issuer: 'https://x.test', jwks_uri: keysUrl } },
      400,
      'issuer "https://x.test"',
    ],
    [
      'when keys would come unprotected',
      oidc,
      { [discoveryUrl]: { issuer, jwks_uri: 'http://issuer.test/keys' } },
      400,
      'is not an https URL',
    ],
    [
      'when keys would come from a file',
      oidc,
      { [discoveryUrl]: { issuer, jwks_uri: 'file:///etc/passwd' } },
      400,
      'is not an https URL',
    ],
    ['when the keys are none', oidc, { [keysUrl]: { key: 1 } }, 400, 'not a JSON Web Key Set'],
    [
      'when there are too many keys',
      oidc,
      { [keysUrl]: { keys: Array(authLimits.maxKeysPerSet + 1).fill({}) } },
      400,
      'not a JSON Web Key Set',
    ],
    ['when keys come as a page', custom, { [keysUrl]: answer(200, 'text/html') }, 400, 'Content-Type "text/html"'],
    [
      'when keys come in another charset',
      custom,
      { [keysUrl]: answer(200, 'application/json; charset=utf-16') },
      400,
      'Content-Type',
    ],
    ['when a data URL holds no keys', { ...custom, jwks: 'data:text/plain,hello' }, {}, 400, 'not a JSON Web Key Set'],
    ['when a data URL is none', { ...custom, jwks: 'data:x' }, {}, 400, 'not a JSON Web Key Set'],
  ])('%s', async (_what, provider, documents, status, says) => {
    const { keys } = open(documents)
    const finding = keys.find(provider, ask(first))
    await expect(finding).rejects.toMatchObject({ status, code: 'AuthProviderDiscoveryFailed' })
    await expect(finding).rejects.toThrow(says)
  })

  test('not when keys of a custom provider come with their own type', async () => {
    const text = JSON.stringify({ keys: [toJwk(first)] })
    for (const type of ['application/jwk-set+json', 'Application/JSON;charset="UTF-8"']) {
      const { keys } = open({ [keysUrl]: answer(200, type, text) })
      expect(await idOf(keys.find(custom, ask(first)))).toBe('1')
    }
  })
})
