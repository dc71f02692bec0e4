import { describe, expect, test } from 'vitest'
import { anonymous, type Identity, identityKey, userAttributesOf } from './identity.ts'

const attributes = { tokenIdentifier: 'https://issuer.test|1', issuer: 'https://issuer.test', subject: '1' }
const admin = {
  kind: 'admin',
  keyId: 'k',
  isReadOnly: false,
  allowedActions: 'all',
  actingAs: undefined,
} as const satisfies Identity

function user(claims: Record<string, unknown> = {}, expiresAtMs?: number): Identity {
  return { kind: 'user', attributes: { ...attributes, ...claims }, expiresAtMs }
}

describe('an identity', () => {
  test('is shown to user code by its attributes', () => {
    expect(userAttributesOf(anonymous)).toBeNull()
    expect(userAttributesOf(admin)).toBeNull()
    expect(userAttributesOf({ ...admin, actingAs: attributes })).toEqual(attributes)
    expect(userAttributesOf(user())).toEqual(attributes)
  })

  test('has the same key as another that user code cannot tell from it', () => {
    const { tokenIdentifier, issuer, subject } = attributes
    const reordered: Identity = { kind: 'user', attributes: { subject, issuer, tokenIdentifier }, expiresAtMs: 5 }
    expect(identityKey(reordered)).toBe(identityKey(user()))
    expect(identityKey({ ...admin, actingAs: attributes })).toBe(identityKey(user()))
    expect(identityKey(admin)).toBe(identityKey(anonymous))
  })

  test('has another key as soon as an attribute differs', () => {
    const keys = [
      anonymous,
      user(),
      user({ email: 'a' }),
      user({ email: 'b' }),
      user({ roles: ['a', 'b'] }),
      user({ roles: ['b', 'a'] }),
    ].map(identityKey)
    expect(new Set(keys).size).toBe(keys.length)
  })
})
