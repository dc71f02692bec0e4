import { describe, expect, test } from 'vitest'
import type { AuthProvider } from './auth-provider.ts'
import { toUserAttributes } from './token-attributes.ts'

const oidc: AuthProvider = { domain: 'https://a.test', applicationID: 'app' }
const custom: AuthProvider = {
  type: 'customJwt',
  issuer: 'https://a.test',
  applicationID: null,
  jwks: 'https://a.test/keys',
  algorithm: 'RS256',
}
const identity = { issuer: 'https://a.test/', subject: 's' }
const always = { tokenIdentifier: 'https://a.test/|s', issuer: 'https://a.test/', subject: 's' }
const aboutTheToken = { iss: 'i', sub: 's', aud: 'app', exp: 2, nbf: 1, iat: 1, jti: 'j', fva: [1, 2] }

describe('attributes of an OIDC token', () => {
  test('are always the identifier, the issuer as written, and the subject', () => {
    expect(toUserAttributes(oidc, aboutTheToken, identity)).toEqual(always)
  })

  test('are standard claims under the names that user code knows', () => {
    const claims = {
      name: 'Ada Lovelace',
      given_name: 'Ada',
      family_name: 'Lovelace',
      nickname: 'ada',
      preferred_username: 'ada',
      profile: 'https://a.test/ada',
      picture: 'https://a.test/ada.png',
      website: 'https://ada.test',
      email: 'ada@a.test',
      email_verified: true,
      gender: 'female',
      birthdate: '1815-12-10',
      zoneinfo: 'Europe/London',
      locale: 'en-GB',
      phone_number: '+44',
      phone_number_verified: 'false',
      address: { formatted: 'London', country: 'GB' },
      updated_at: 1_700_000_000,
    }
    expect(toUserAttributes(oidc, claims, identity)).toEqual({
      ...always,
      name: 'Ada Lovelace',
      givenName: 'Ada',
      familyName: 'Lovelace',
      nickname: 'ada',
      preferredUsername: 'ada',
      profileUrl: 'https://a.test/ada',
      pictureUrl: 'https://a.test/ada.png',
      websiteUrl: 'https://ada.test',
      email: 'ada@a.test',
      emailVerified: true,
      gender: 'female',
      birthday: '1815-12-10',
      timezone: 'Europe/London',
      language: 'en-GB',
      phoneNumber: '+44',
      phoneNumberVerified: false,
      address: 'London',
      updatedAt: '2023-11-14T22:13:20.000Z',
    })
  })

  test('leave out a standard claim of another kind than the standard says', () => {
    const claims = { name: 7, email_verified: 'perhaps', address: { country: 'GB' }, updated_at: 'yesterday' }
    expect(toUserAttributes(oidc, claims, identity)).toEqual(always)
  })

  test('are other claims as they are', () => {
    const claims = { role: 'admin', 'https://a.test/roles': ['x'], org: { id: 1 }, nothing: null }
    expect(toUserAttributes(oidc, claims, identity)).toEqual({ ...always, ...claims })
  })
})

describe('attributes of a custom token', () => {
  test('are its claims under their own names, nested ones with dots', () => {
    const claims = {
      ...aboutTheToken,
      given_name: 'Ada',
      properties: { id: 1, team: { name: 'x' } },
      roles: [{ a: 1 }],
    }
    expect(toUserAttributes(custom, claims, identity)).toEqual({
      ...always,
      given_name: 'Ada',
      'properties.id': 1,
      'properties.team.name': 'x',
      roles: [{ a: 1 }],
    })
  })
})

test('no claim can stand for the identity', () => {
  const claims = { tokenIdentifier: 'https://b.test|root', issuer: 'https://b.test', subject: 'root', givenName: 'Eve' }
  for (const provider of [oidc, custom]) {
    expect(toUserAttributes(provider, claims, identity)).toEqual({ ...always, givenName: 'Eve' })
  }
  expect(toUserAttributes(oidc, { ...claims, given_name: 'Ada' }, identity)).toMatchObject({ givenName: 'Ada' })
  const polluted = toUserAttributes(
    oidc,
    JSON.parse('{"__proto__":{"role":"admin"}}') as Record<string, unknown>,
    identity,
  )
  expect(polluted['role']).toBeUndefined()
})
