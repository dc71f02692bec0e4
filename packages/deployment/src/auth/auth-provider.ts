/** Who may issue user tokens: the providers of `auth.config` (sync-and-http.md §7.1), as they are kept in `_auth`. */
import { BadRequest } from '@concave/base'
import { z } from 'zod'
import { authLimits } from './limits.ts'

/** Keys are found by OpenID Connect discovery. */
export type OidcProvider = { readonly applicationID: string; readonly domain: string }

export type CustomJwtProvider = {
  readonly type: 'customJwt'
  /** Null: tokens for any audience are taken. */
  readonly applicationID: string | null
  readonly issuer: string
  /** An http(s) or `data:` URL. */
  readonly jwks: string
  readonly algorithm: 'RS256' | 'ES256'
}

export type AuthProvider = OidcProvider | CustomJwtProvider

const oidcSchema = z.object({ domain: z.string(), applicationID: z.string() })
const customJwtSchema = z.object({
  type: z.literal('customJwt'),
  applicationID: z.string().nullish(),
  issuer: z.string(),
  jwks: z.string(),
  algorithm: z.enum(['RS256', 'ES256']),
})
const configSchema = z.object({ providers: z.array(z.looseObject({ type: z.string().optional() })) })

/** `text` is the JSON of what `auth.config` exports. Throws `BadRequest` with the text for the developer. */
export function parseAuthConfig(text: string | undefined): readonly AuthProvider[] {
  if (text === undefined) return []
  const { providers } = check(configSchema, JSON.parse(text), '')
  if (providers.length > authLimits.maxProviders) {
    throw new BadRequest('InvalidConfig', `auth config file names more than ${authLimits.maxProviders} providers.`)
  }
  return providers.map((provider, position) => parseProvider(provider, `providers[${position}]`))
}

function parseProvider(provider: { readonly type?: string | undefined }, where: string): AuthProvider {
  if (provider.type === undefined) {
    const { domain, applicationID } = check(oidcSchema, provider, where)
    return { applicationID, domain: readIssuer(domain, `${where}.domain`) }
  }
  const { type, applicationID, issuer, jwks, algorithm } = check(customJwtSchema, provider, where)
  return {
    type,
    applicationID: applicationID ?? null,
    issuer: readIssuer(issuer, `${where}.issuer`),
    jwks: readKeysUrl(jwks, `${where}.jwks`),
    algorithm,
  }
}

export function isCustomJwt(provider: AuthProvider): provider is CustomJwtProvider {
  return 'type' in provider
}

export function issuerOf(provider: AuthProvider): string {
  return isCustomJwt(provider) ? provider.issuer : provider.domain
}

/** Issuers are compared without a trailing slash, and as https when they name no scheme. */
export function isSameIssuer(a: string, b: string): boolean {
  return withoutSlash(withScheme(a)) === withoutSlash(withScheme(b))
}

/** For people who wonder why a token was not taken. */
export function describeProvider(provider: AuthProvider): string {
  const { applicationID } = provider
  return isCustomJwt(provider)
    ? `CustomJWT(issuer=${provider.issuer}, applicationID=${applicationID ?? 'any'})`
    : `OIDC(domain=${provider.domain}, applicationID=${applicationID})`
}

function withScheme(issuer: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(issuer) ? issuer : `https://${issuer}`
}

export function withoutSlash(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url
}

function readIssuer(issuer: string, where: string): string {
  const url = withScheme(issuer)
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isIssuer = parsed !== undefined && isHttp(parsed) && parsed.search === '' && parsed.hash === ''
  if (isIssuer && parsed.username === '' && parsed.password === '') return url
  throw new BadRequest(
    'InvalidProviderDomainUrl',
    `Invalid provider domain URL "${issuer}" (${where} of the auth config file).`,
  )
}

function readKeysUrl(jwks: string, where: string): string {
  const parsed = URL.canParse(jwks) ? new URL(jwks) : undefined
  if (parsed !== undefined && (isHttp(parsed) || parsed.protocol === 'data:')) return jwks
  throw new BadRequest(
    'InvalidConfig',
    `${where} of the auth config file must be an https or data URL, not "${jwks.slice(0, 200)}".`,
  )
}

function isHttp(url: URL): boolean {
  return url.protocol === 'https:' || url.protocol === 'http:'
}

function check<Schema extends z.ZodType>(schema: Schema, json: unknown, where: string): z.infer<Schema> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const path = [where, ...(issue?.path ?? [])].filter((part) => part !== '').join('.')
  throw new BadRequest(
    'InvalidConfig',
    `auth config file is not as expected at "${path}": ${issue?.message ?? 'invalid'}.`,
  )
}
