/** What user code learns of a token: the fields of `ctx.auth.getUserIdentity()` (sync-and-http.md §7.3). */
import type { UserAttributes } from '@concave/protocol'
import { type AuthProvider, isCustomJwt } from './auth-provider.ts'
import type { Claims } from './json-web-token.ts'
import type { CheckedClaims } from './token-claims.ts'

type Read = (value: unknown) => unknown

const text: Read = (value) => (typeof value === 'string' ? value : undefined)
const flag: Read = (value) => (value === 'true' || value === 'false' ? value === 'true' : readBoolean(value))

/** Claims of OpenID Connect Core §5.1, under the names that user code knows. */
const standardClaims: ReadonlyMap<string, readonly [field: string, read: Read]> = new Map([
  ['name', ['name', text]],
  ['given_name', ['givenName', text]],
  ['family_name', ['familyName', text]],
  ['nickname', ['nickname', text]],
  ['preferred_username', ['preferredUsername', text]],
  ['profile', ['profileUrl', text]],
  ['picture', ['pictureUrl', text]],
  ['website', ['websiteUrl', text]],
  ['email', ['email', text]],
  ['email_verified', ['emailVerified', flag]],
  ['gender', ['gender', text]],
  ['birthdate', ['birthday', text]],
  ['zoneinfo', ['timezone', text]],
  ['locale', ['language', text]],
  ['phone_number', ['phoneNumber', text]],
  ['phone_number_verified', ['phoneNumberVerified', flag]],
  ['address', ['address', readAddress]],
  ['updated_at', ['updatedAt', readTime]],
])

/** About the token rather than the user. `fva` is Clerk's age of the session's factors: it would differ every minute. */
const tokenClaims: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'fva'])

export function toUserAttributes(
  provider: AuthProvider,
  claims: Claims,
  { issuer, subject }: Pick<CheckedClaims, 'issuer' | 'subject'>,
): UserAttributes {
  const kept = Object.entries(claims).filter(([name]) => !tokenClaims.has(name))
  const fields = isCustomJwt(provider) ? kept.flatMap(([name, value]) => flatten(name, value)) : renameStandard(kept)
  // Last: no claim may speak for the identity itself.
  return Object.fromEntries([
    ...fields,
    ['tokenIdentifier', `${issuer}|${subject}`],
    ['issuer', issuer],
    ['subject', subject],
  ]) as UserAttributes
}

type Field = readonly [name: string, value: unknown]

/** Others keep their name. A standard claim wins over another that has its new name. */
function renameStandard(claims: readonly Field[]): readonly Field[] {
  const others = claims.filter(([name]) => !standardClaims.has(name))
  const standard = claims.flatMap(([name, value]): readonly Field[] => {
    const known = standardClaims.get(name)
    const read = known?.[1](value)
    return known === undefined || read === undefined ? [] : [[known[0], read]]
  })
  return [...others, ...standard]
}

/** `{a: {b: 1}}` becomes `a.b`: 1. */
function flatten(name: string, value: unknown): readonly Field[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[name, value]]
  return Object.entries(value).flatMap(([inner, member]) => flatten(`${name}.${inner}`, member))
}

function readBoolean(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}

/** OpenID Connect Core §5.1.1: an object, whose `formatted` is for people. */
function readAddress(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const isObject = typeof value === 'object' && value !== null && 'formatted' in value
  return isObject && typeof value.formatted === 'string' ? value.formatted : undefined
}

/** Seconds since 1970, or a text as some providers send it; RFC 3339 for user code. */
function readTime(value: unknown): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined
  const date = new Date(typeof value === 'number' ? value * 1000 : value)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}
