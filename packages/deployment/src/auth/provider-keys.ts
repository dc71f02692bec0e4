/**
 * The public keys of auth providers, fetched when a token needs them and kept. A key id that is not known makes the
 * provider be asked again, but not more often than `minRefreshMs`, whatever tokens come in. A provider that can't be
 * reached any more keeps its last keys for a day.
 */
import { BadRequest, type Clock, type Log, PlatformError } from '@concave/base'
import { z } from 'zod'
import { type AuthProvider, isCustomJwt, isSameIssuer, issuerOf, withoutSlash } from './auth-provider.ts'
import { DocumentUnavailable, type FetchDiscovery, readDataUrl } from './fetch-document.ts'
import { type CryptoKey, findKey, type KeySet, parseKeySet } from './json-web-keys.ts'
import type { DecodedToken } from './json-web-token.ts'
import { authLimits } from './limits.ts'

type KeptKeys = {
  keys: KeySet | undefined
  /** When `keys` came; undefined before the first time. */
  fetchedAtMs: number | undefined
  /** How the last attempt ended, and when. */
  triedAtMs: number | undefined
  failure: PlatformError | undefined
  /** The attempt that is under way; everybody waits for the same one. */
  loading: Promise<void> | undefined
}

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string() })

export class ProviderKeys {
  readonly #fetchDiscovery: FetchDiscovery
  readonly #clock: Clock
  readonly #log: Log
  /** By where the keys come from. In order of first use. */
  readonly #sets = new Map<string, KeptKeys>()

  constructor(deps: { readonly fetchDiscovery: FetchDiscovery; readonly clock: Clock; readonly log: Log }) {
    this.#fetchDiscovery = deps.fetchDiscovery
    this.#clock = deps.clock
    this.#log = deps.log
  }

  /** Undefined: the provider has no such key. Throws `AuthProviderDiscoveryFailed` if its keys can't be had. */
  async find(provider: AuthProvider, token: DecodedToken): Promise<CryptoKey | undefined> {
    const set = this.#setOf(provider)
    if (!this.#isFresh(set) && this.#mayTry(set)) await this.#refresh(provider, set)
    this.#requireKeys(set)
    const known = await findIn(set, token)
    if (known !== undefined || !this.#mayTry(set)) return known
    await this.#refresh(provider, set)
    return await findIn(set, token)
  }

  #setOf(provider: AuthProvider): KeptKeys {
    const source = isCustomJwt(provider) ? `jwks ${provider.jwks}` : `oidc ${provider.domain}`
    const known = this.#sets.get(source)
    if (known !== undefined) return known
    const set = {
      keys: undefined,
      fetchedAtMs: undefined,
      triedAtMs: undefined,
      failure: undefined,
      loading: undefined,
    }
    this.#sets.set(source, set)
    const oldest = this.#sets.keys().next().value
    if (this.#sets.size > authLimits.maxKeptKeySets && oldest !== undefined) this.#sets.delete(oldest)
    return set
  }

  #isFresh({ fetchedAtMs }: KeptKeys): boolean {
    return fetchedAtMs !== undefined && this.#clock.monotonicMs() - fetchedAtMs < authLimits.maxKeyAgeMs
  }

  #mayTry({ triedAtMs, fetchedAtMs, loading }: KeptKeys): boolean {
    if (triedAtMs === undefined || loading !== undefined) return true
    const pauseMs = fetchedAtMs === undefined ? authLimits.retryMs : authLimits.minRefreshMs
    return this.#clock.monotonicMs() - triedAtMs >= pauseMs
  }

  #requireKeys({ fetchedAtMs, failure }: KeptKeys): void {
    const isUsable = fetchedAtMs !== undefined && this.#clock.monotonicMs() - fetchedAtMs < authLimits.maxStaleKeyAgeMs
    if (!isUsable && failure !== undefined) throw failure
  }

  async #refresh(provider: AuthProvider, set: KeptKeys): Promise<void> {
    set.loading ??= this.#load(provider, set).finally(() => {
      set.loading = undefined
    })
    await set.loading
  }

  async #load(provider: AuthProvider, set: KeptKeys): Promise<void> {
    try {
      set.keys = await this.#fetchKeys(provider)
      set.fetchedAtMs = this.#clock.monotonicMs()
      set.failure = undefined
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error
      set.failure = error
      this.#log.warn({ err: error, issuer: issuerOf(provider) }, 'The keys of an auth provider could not be read.')
    } finally {
      set.triedAtMs = this.#clock.monotonicMs()
    }
  }

  async #fetchKeys(provider: AuthProvider): Promise<KeySet> {
    if (!isCustomJwt(provider)) {
      const { text } = await this.#fetch(provider, await this.#discover(provider.domain, provider))
      return readKeys(provider, text)
    }
    if (provider.jwks.startsWith('data:')) return readKeys(provider, await readDataUrl(provider.jwks))
    const { contentType, text } = await this.#fetch(provider, provider.jwks)
    if (!isKeySetType(contentType)) {
      throw failed(
        provider,
        `the answer of ${provider.jwks} has the Content-Type "${contentType}", not application/json`,
      )
    }
    return readKeys(provider, text)
  }

  /** OpenID Connect Discovery 1.0 §4. Answers the URL of the keys. */
  async #discover(domain: string, provider: AuthProvider): Promise<string> {
    const url = `${withoutSlash(domain)}/.well-known/openid-configuration`
    const { text } = await this.#fetch(provider, url)
    const parsed = discoverySchema.safeParse(parseDocument(text))
    if (!parsed.success) throw failed(provider, `${url} is not a discovery document with "issuer" and "jwks_uri"`)
    const { issuer, jwks_uri: keysUrl } = parsed.data
    if (!isSameIssuer(issuer, domain)) {
      throw failed(provider, `the discovery document is that of the issuer "${issuer}", not of the configured domain`)
    }
    if (!isFetchable(keysUrl, domain)) throw failed(provider, `its jwks_uri "${keysUrl}" is not an https URL`)
    return keysUrl
  }

  async #fetch(provider: AuthProvider, url: string): Promise<{ readonly contentType: string; readonly text: string }> {
    try {
      const { status, contentType, text } = await this.#fetchDiscovery(url)
      if (status === 200) return { contentType, text }
      throw failed(provider, `${url} answered with status ${status}`, statusFor(status))
    } catch (error) {
      if (!(error instanceof DocumentUnavailable)) throw error
      throw failed(provider, `${url} could not be read: ${error.message}`, 400, error)
    }
  }
}

async function findIn({ keys }: KeptKeys, token: DecodedToken): Promise<CryptoKey | undefined> {
  return keys === undefined ? undefined : await findKey(keys, token)
}

function readKeys(provider: AuthProvider, text: string | undefined): KeySet {
  const keys = parseKeySet(parseDocument(text))
  if (keys === undefined) throw failed(provider, 'its keys are not a JSON Web Key Set')
  return keys
}

/** Undefined for a text that is no JSON; no document that we look for is. */
function parseDocument(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

function isKeySetType(contentType: string): boolean {
  return /^application\/(json|jwk-set\+json)\s*(;\s*charset="?utf-8"?\s*)?$/i.test(contentType.trim())
}

/** A provider on https does not send us to keys that anybody on the way could change. */
function isFetchable(url: string, domain: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && domain.startsWith('http:'))
}

/** A provider in trouble makes us unavailable rather than wrong: clients then try again without logging people out. */
function statusFor(status: number): number {
  if (status >= 500) return 503
  return status >= 400 ? status : 400
}

function failed(provider: AuthProvider, why: string, status = 400, cause?: unknown): PlatformError {
  const message = `Auth provider discovery of ${issuerOf(provider)} failed: ${why}.`
  if (status === 400) return new BadRequest('AuthProviderDiscoveryFailed', message, { cause })
  return new PlatformError(status, 'AuthProviderDiscoveryFailed', message, { cause })
}
