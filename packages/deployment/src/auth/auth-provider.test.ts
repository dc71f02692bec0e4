import { describe, expect, test } from 'vitest'
import { isSameIssuer, parseAuthConfig } from './auth-provider.ts'

const parse = (...providers: unknown[]) => parseAuthConfig(JSON.stringify({ providers }))
const custom = { type: 'customJwt', issuer: 'https://a.test', jwks: 'https://a.test/keys', algorithm: 'RS256' }

describe('auth.config', () => {
  test('is no provider at all when there is none', () => {
    expect(parseAuthConfig(undefined)).toEqual([])
    expect(parse()).toEqual([])
  })

  test('is read in order, issuers with a scheme, other members dropped', () => {
    expect(
      parse(
        { domain: 'a.auth0.test', applicationID: 'x', comment: 'mine' },
        { domain: 'http://127.0.0.1:3000', applicationID: 'convex' },
        { ...custom, issuer: 'a.test', applicationID: 'y' },
        { ...custom, jwks: 'data:application/json,{}', algorithm: 'ES256' },
      ),
    ).toEqual([
      { domain: 'https://a.auth0.test', applicationID: 'x' },
      { domain: 'http://127.0.0.1:3000', applicationID: 'convex' },
      { ...custom, applicationID: 'y' },
      { ...custom, jwks: 'data:application/json,{}', algorithm: 'ES256', applicationID: null },
    ])
  })

  test.each([
    ['nothing', 'null', 'InvalidConfig', ''],
    ['no providers', '{}', 'InvalidConfig', '"providers"'],
    ['no list of providers', '{"providers":{}}', 'InvalidConfig', '"providers"'],
    ['too many providers', JSON.stringify({ providers: Array(101).fill(custom) }), 'InvalidConfig', 'more than 100'],
  ])('with %s is refused', (_what, text, code, says) => {
    expect(() => parseAuthConfig(text)).toThrow(expect.objectContaining({ status: 400, code }))
    expect(() => parseAuthConfig(text)).toThrow(says)
  })

  test.each([
    ['without an application', { domain: 'https://a.test' }, 'InvalidConfig', 'providers[0].applicationID'],
    ['without a domain', { applicationID: 'x' }, 'InvalidConfig', 'providers[0].domain'],
    ['of an unknown type', { ...custom, type: 'saml' }, 'InvalidConfig', 'providers[0].type'],
    ['with an algorithm by secret', { ...custom, algorithm: 'HS256' }, 'InvalidConfig', 'providers[0].algorithm'],
    ['with the algorithm "none"', { ...custom, algorithm: 'none' }, 'InvalidConfig', 'providers[0].algorithm'],
    ['with keys in a file', { ...custom, jwks: 'file:///keys' }, 'InvalidConfig', 'providers[0].jwks'],
    ['with keys nowhere', { ...custom, jwks: 'keys' }, 'InvalidConfig', 'providers[0].jwks'],
    ['on another scheme', { domain: 'ftp://a.test', applicationID: 'x' }, 'InvalidProviderDomainUrl', 'ftp://a.test'],
    ['that is no URL', { domain: 'a b', applicationID: 'x' }, 'InvalidProviderDomainUrl', 'a b'],
    ['with an empty domain', { domain: '', applicationID: 'x' }, 'InvalidProviderDomainUrl', ''],
    ['with a password', { domain: 'https://u:p@a.test', applicationID: 'x' }, 'InvalidProviderDomainUrl', ''],
    ['with a query', { ...custom, issuer: 'https://a.test?x' }, 'InvalidProviderDomainUrl', 'providers[0].issuer'],
  ])('with a provider %s is refused', (_what, provider, code, says) => {
    expect(() => parse(provider)).toThrow(expect.objectContaining({ status: 400, code }))
    expect(() => parse(provider)).toThrow(says)
  })
})

test('issuers are the same but for one slash at the end and an unsaid https', () => {
  expect(isSameIssuer('https://a.test/', 'https://a.test')).toBe(true)
  expect(isSameIssuer('a.test', 'https://a.test/')).toBe(true)
  expect(isSameIssuer('https://a.test/x', 'https://a.test/x/')).toBe(true)
  for (const other of [
    'http://a.test',
    'https://a.test//',
    'https://a.test/x',
    'https://A.test',
    'https://a.test.',
    '',
  ]) {
    expect(isSameIssuer(other, 'https://a.test')).toBe(false)
  }
})
