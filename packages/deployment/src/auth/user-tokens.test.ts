import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AuthProvider } from './auth-provider.ts'
import { authLimits } from './limits.ts'
import { ProviderKeys } from './provider-keys.ts'
import {
  encode,
  makeHmacToken,
  makeKey,
  makeToken,
  nowSeconds,
  serveDocuments,
  silentLog,
  TestClock,
  toJwk,
} from './token-fixture.ts'
import { openUserTokens, type VerifyUserToken } from './user-tokens.ts'

const issuer = 'https://issuer.test'
const custom = 'https://custom.test'
const rsa = makeKey('RS256', 'rsa')
const edwards = makeKey('EdDSA', 'ed')
const elliptic = makeKey('ES256', 'ec')
const customRsa = makeKey('RS256', 'rsa')
const weak = makeKey('RS256', 'weak', 1024)
const stranger = makeKey('RS256', 'rsa')

const providers: readonly AuthProvider[] = [
  { domain: issuer, applicationID: 'app' },
  { type: 'customJwt', issuer: custom, applicationID: 'app', jwks: `${custom}/keys`, algorithm: 'ES256' },
  { type: 'customJwt', issuer: `${custom}/any`, applicationID: null, jwks: `${custom}/keys`, algorithm: 'RS256' },
]
const encryption = { ...toJwk(makeKey('RS256', 'enc')), use: 'enc' }
const documents = {
  [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/keys` },
  [`${issuer}/keys`]: {
    keys: [
      toJwk(rsa),
      toJwk(makeKey('RS256', 'next')),
      toJwk(edwards),
      toJwk(elliptic),
      toJwk(weak),
      encryption,
      { kty: 'oct', k: 'AAAA', kid: 'oct' },
    ],
  },
  [`${custom}/keys`]: { keys: [toJwk(elliptic), toJwk(customRsa)] },
}

function open(configured: readonly AuthProvider[] = providers): VerifyUserToken {
  const clock = new TestClock()
  const { fetchDiscovery } = serveDocuments(documents)
  const keys = new ProviderKeys({ fetchDiscovery, clock, log: silentLog })
  return openUserTokens({ providers: async () => configured, keys, clock })
}

const oidcClaims = { iss: issuer, sub: 'ada', aud: 'app' }
const customClaims = { iss: custom, sub: 'ada', aud: 'app' }
const verify = open()

describe('a token is taken', () => {
  test.each([
    ['of an OIDC provider', makeToken(rsa, oidcClaims)],
    ['signed with EdDSA', makeToken(edwards, oidcClaims)],
    ['with a list of one audience', makeToken(rsa, { ...oidcClaims, aud: ['app'] })],
    ['with a slash behind the issuer', makeToken(rsa, { ...oidcClaims, iss: `${issuer}/` })],
    ['with an issuer without a scheme', makeToken(rsa, { ...oidcClaims, iss: 'issuer.test' })],
    ['that an OIDC provider has dated ahead', makeToken(rsa, { ...oidcClaims, nbf: nowSeconds + 60 })],
    ['of a custom provider', makeToken(elliptic, customClaims)],
    ['of a custom provider among several audiences', makeToken(elliptic, { ...customClaims, aud: ['other', 'app'] })],
    ['of a custom provider that names no application', makeToken(customRsa, { ...customClaims, iss: `${custom}/any` })],
    ['within the leeway after its end', makeToken(elliptic, { ...customClaims, exp: nowSeconds - 4 })],
    ['within the leeway before its start', makeToken(elliptic, { ...customClaims, nbf: nowSeconds + 4 })],
    ['without a key id where its provider has one key for it', makeToken(elliptic, customClaims, { kid: undefined })],
  ])('%s', async (_what, token) => {
    expect(await verify(token)).toMatchObject({ kind: 'user', attributes: { subject: 'ada' } })
  })
})

describe('a token is refused', () => {
  const good = makeToken(rsa, oidcClaims)
  const [header = '', payload = '', signature = ''] = good.split('.')
  const ecdsa = makeToken(elliptic, customClaims)

  test.each([
    ['that is empty', '', 'InvalidAuthHeader'],
    ['that is no JWT', 'hello', 'InvalidAuthHeader'],
    ['with two parts', `${header}.${payload}`, 'InvalidAuthHeader'],
    ['with five parts (encrypted)', `${good}.x.y`, 'InvalidAuthHeader'],
    ['in base64 that is not for URLs', `${header}.${payload}=.${signature}`, 'InvalidAuthHeader'],
    ['with a header that is no JSON', `aGVsbG8.${payload}.${signature}`, 'InvalidAuthHeader'],
    ['with a header that is no object', `${encode([])}.${payload}.${signature}`, 'InvalidAuthHeader'],
    ['with claims that are no object', `${header}.${encode('x')}.${signature}`, 'InvalidAuthHeader'],
    [
      'with claims that are no UTF-8',
      `${header}.${Buffer.from([123, 255]).toString('base64url')}.x`,
      'InvalidAuthHeader',
    ],
    ['without an algorithm', makeToken(rsa, oidcClaims, { alg: undefined }), 'InvalidAuthHeader'],
    ['with a key id that is no text', makeToken(rsa, oidcClaims, { kid: 7 }), 'InvalidAuthHeader'],
    ['with an extension', makeToken(rsa, oidcClaims, { crit: ['b64'], b64: false }), 'InvalidAuthHeader'],
    [
      'that is oversized',
      makeToken(rsa, { ...oidcClaims, x: 'x'.repeat(authLimits.maxTokenLength) }),
      'InvalidAuthHeader',
    ],
    ['with the algorithm "none" and no signature', `${encode({ alg: 'none' })}.${payload}.`, 'InvalidAuthHeader'],
    ['with the algorithm "none"', `${encode({ alg: 'none' })}.${payload}.${signature}`, 'Unauthenticated'],
    ['with the algorithm "None"', `${encode({ alg: 'None', kid: 'rsa' })}.${payload}.${signature}`, 'Unauthenticated'],
    ['signed by HMAC with the public key', makeHmacToken(rsa, oidcClaims), 'Unauthenticated'],
    ['with another algorithm of its key', makeToken(rsa, oidcClaims, { alg: 'RS512' }), 'Unauthenticated'],
    ['with an algorithm that OIDC does not take', makeToken(elliptic, oidcClaims), 'Unauthenticated'],
    ['with another algorithm than configured', makeToken(customRsa, customClaims), 'Unauthenticated'],
    ["with another key's algorithm", makeToken(rsa, oidcClaims, { kid: 'ed' }), 'Unauthenticated'],
    ['with an unknown key id', makeToken(rsa, oidcClaims, { kid: 'gone' }), 'Unauthenticated'],
    ['by the id of a key that is for encryption', makeToken(rsa, oidcClaims, { kid: 'enc' }), 'Unauthenticated'],
    ['without a key id where there is a choice', makeToken(rsa, oidcClaims, { kid: undefined }), 'Unauthenticated'],
    ['by a key that is too short', makeToken(weak, oidcClaims), 'Unauthenticated'],
    ['signed by somebody else', makeToken(stranger, oidcClaims), 'Unauthenticated'],
    [
      "with another token's signature",
      `${header}.${payload}.${makeToken(rsa, { ...oidcClaims, x: 1 }).split('.')[2]}`,
      'Unauthenticated',
    ],
    [
      'with changed claims',
      `${header}.${encode({ ...oidcClaims, sub: 'eve', exp: nowSeconds + 60 })}.${signature}`,
      'Unauthenticated',
    ],
    ['with half a signature', `${header}.${payload}.${signature.slice(0, 100)}`, 'Unauthenticated'],
    [
      'with an ECDSA signature of zeros',
      `${ecdsa.slice(0, ecdsa.lastIndexOf('.'))}.${'A'.repeat(86)}`,
      'Unauthenticated',
    ],
    ['that has expired', makeToken(rsa, { ...oidcClaims, exp: nowSeconds }), 'TokenExpired'],
    [
      'of a custom provider that has expired',
      makeToken(elliptic, { ...customClaims, exp: nowSeconds - 5 }),
      'TokenExpired',
    ],
    ['without an end', makeToken(rsa, { ...oidcClaims, exp: undefined }), 'Unauthenticated'],
    ['with an end that is a text', makeToken(rsa, { ...oidcClaims, exp: `${nowSeconds + 60}` }), 'Unauthenticated'],
    ['that is not valid yet', makeToken(elliptic, { ...customClaims, nbf: nowSeconds + 6 }), 'Unauthenticated'],
    ['issued in the future', makeToken(elliptic, { ...customClaims, iat: nowSeconds + 6 }), 'Unauthenticated'],
    ['with a start that is no time', makeToken(elliptic, { ...customClaims, nbf: 'soon' }), 'Unauthenticated'],
    ['without a subject', makeToken(rsa, { ...oidcClaims, sub: undefined }), 'Unauthenticated'],
    ['with an empty subject', makeToken(rsa, { ...oidcClaims, sub: '' }), 'Unauthenticated'],
    ['for several audiences', makeToken(rsa, { ...oidcClaims, aud: ['app', 'other'] }), 'Unauthenticated'],
    ['for another application', makeToken(rsa, { ...oidcClaims, aud: 'other' }), 'NoAuthProvider'],
    ['for nobody', makeToken(rsa, { ...oidcClaims, aud: undefined }), 'NoAuthProvider'],
    [
      'of a custom provider for another application',
      makeToken(elliptic, { ...customClaims, aud: 'other' }),
      'NoAuthProvider',
    ],
    ['of another issuer', makeToken(rsa, { ...oidcClaims, iss: 'https://other.test' }), 'NoAuthProvider'],
    [
      'of an issuer whose name only begins the same',
      makeToken(rsa, { ...oidcClaims, iss: `${issuer}.evil.test` }),
      'NoAuthProvider',
    ],
    [
      'of an issuer that differs in its scheme',
      makeToken(rsa, { ...oidcClaims, iss: 'http://issuer.test' }),
      'NoAuthProvider',
    ],
    ['without an issuer', makeToken(rsa, { ...oidcClaims, iss: undefined }), 'NoAuthProvider'],
    ['with a list of issuers', makeToken(rsa, { ...oidcClaims, iss: [issuer] }), 'NoAuthProvider'],
  ])('%s', async (_what, token, code) => {
    await expect(verify(token)).rejects.toMatchObject({ status: 401, code })
  })

  test('whatever it is made of', async () => {
    const parts = fc.array(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => Buffer.from(json).toString('base64url')),
      ),
      {
        maxLength: 4,
      },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          parts.map((texts) => texts.join('.')),
        ),
        async (token) => {
          await expect(verify(token)).rejects.toMatchObject({ status: 401 })
        },
      ),
    )
  })

  test('wherever one of its characters is changed', async () => {
    const character = fc.constantFrom(
      ...Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.='),
    )
    const tokens = fc.constantFrom(good, ecdsa, makeToken(edwards, oidcClaims))
    await fc.assert(
      fc.asyncProperty(tokens, fc.nat(), character, async (token, place, changed) => {
        const at = place % token.length
        fc.pre(token[at] !== changed)
        const forged = `${token.slice(0, at)}${changed}${token.slice(at + 1)}`
        await expect(verify(forged)).rejects.toMatchObject({ status: 401 })
      }),
      { numRuns: 500 },
    )
  })

  test('with a list of what is configured', async () => {
    const other = makeToken(rsa, { ...oidcClaims, iss: 'https://other.test' })
    const listed =
      'OIDC(domain=https://issuer.test, applicationID=app), CustomJWT(issuer=https://custom.test, applicationID=app), ' +
      'CustomJWT(issuer=https://custom.test/any, applicationID=any).'
    await expect(verify(other)).rejects.toThrow(listed)
    await expect(open([])(other)).rejects.toThrow('This deployment has no auth providers configured')
  })
})

test('a token ends when it says, custom ones with their leeway', async () => {
  expect(await verify(makeToken(rsa, oidcClaims))).toMatchObject({ expiresAtMs: (nowSeconds + 60) * 1000 })
  expect(await verify(makeToken(elliptic, customClaims))).toMatchObject({ expiresAtMs: (nowSeconds + 65) * 1000 })
})

test('the first provider that matches both issuer and application is used', async () => {
  const two: readonly AuthProvider[] = [
    { domain: issuer, applicationID: 'other' },
    { type: 'customJwt', issuer, applicationID: 'app', jwks: `${custom}/keys`, algorithm: 'ES256' },
    { domain: issuer, applicationID: 'app' },
  ]
  const verifyByTwo = open(two)
  expect(await verifyByTwo(makeToken(elliptic, oidcClaims))).toMatchObject({ kind: 'user' })
  await expect(verifyByTwo(makeToken(rsa, oidcClaims))).rejects.toMatchObject({ code: 'Unauthenticated' })
})
