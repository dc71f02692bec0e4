/** Who may do what on a deployment: reads credentials of requests into identities and checks admin rights. */
import { BadRequest, Forbidden, Unauthenticated } from '@concave/base'
import {
  type AllowedActions,
  anonymous,
  type DeploymentAction,
  type Identity,
  isAllowed,
  type UserAttributes,
} from '@concave/protocol'
import type { AuthToken } from '@concave/sync'
import type { VerifyUserToken } from './auth/user-tokens.ts'

/** What the control plane (or the launcher) says about a presented admin or deploy key. */
export type KeyVerdict =
  | {
      readonly kind: 'ok'
      readonly keyId: string
      /** It may only look: refused wherever something is written, public functions included. */
      readonly isReadOnly: boolean
      readonly allowedActions: AllowedActions
    }
  | { readonly kind: 'unknown' }
  /** A real key, of another deployment. */
  | { readonly kind: 'otherDeployment' }

export interface KeyVerifier {
  /** `presented` is the whole text after the scheme word, with or without its `type:name|` prefix. */
  verify(presented: string): Promise<KeyVerdict>
}

export class Access {
  readonly #deploymentName: string
  readonly #keys: KeyVerifier
  readonly #verifyUserToken: VerifyUserToken

  constructor(deps: {
    readonly deploymentName: string
    readonly keys: KeyVerifier
    readonly verifyUserToken: VerifyUserToken
  }) {
    this.#deploymentName = deps.deploymentName
    this.#keys = deps.keys
    this.#verifyUserToken = deps.verifyUserToken
  }

  /** For the sync protocol. Throws a PlatformError of status 400, 401 or 403. */
  async authenticate(token: AuthToken): Promise<Identity> {
    switch (token.kind) {
      case 'none':
        return anonymous
      case 'user':
        return await this.#verifyUserToken(token.token)
      case 'admin':
        return await this.#admin(token.key, readUserAttributes(token.actingAs))
    }
  }

  /** For function routes: no header is an anonymous caller. */
  async identify(authorization: string | undefined): Promise<Identity> {
    if (authorization === undefined) return anonymous
    const [scheme = '', ...rest] = authorization.trim().split(/\s+/)
    const credential = rest.join(' ')
    switch (scheme.toLowerCase()) {
      case 'convex':
        return await this.#adminFromHeader(credential)
      case 'bearer':
        return await this.#verifyUserToken(credential)
      default:
        throw new BadRequest(
          'InvalidHeaderFailure',
          'The Authorization header must be "Convex <admin key>" or "Bearer <token>".',
        )
    }
  }

  /** For admin routes: throws 401 `BadDeployKey` without a (known) key, 403 for another deployment's. `bodyKey` wins. */
  async requireAdmin(authorization: string | undefined, bodyKey?: string): Promise<AdminIdentity> {
    if (bodyKey !== undefined) return await this.#admin(bodyKey, undefined)
    const scheme = authorization?.trim().split(/\s+/, 1)[0]?.toLowerCase()
    if (authorization === undefined || scheme !== 'convex') throw this.#badDeployKey('unauthenticated')
    return await this.#adminFromHeader(authorization.trim().slice('convex'.length).trim())
  }

  /** `Convex {key}` or `Convex {key}:{base64 of the acting user's attributes}`; the key's own prefix may hold colons. */
  async #adminFromHeader(credential: string): Promise<AdminIdentity> {
    const bar = credential.indexOf('|')
    const colon = credential.indexOf(':', bar + 1)
    // Without a bar the text may be a bare secret, which has no colon of its own.
    if (colon === -1) return await this.#admin(credential, undefined)
    return await this.#admin(credential.slice(0, colon), decodeActingUser(credential.slice(colon + 1)))
  }

  async #admin(key: string, actingAs: UserAttributes | undefined): Promise<AdminIdentity> {
    const verdict = await this.#keys.verify(key)
    switch (verdict.kind) {
      case 'ok':
        if (actingAs !== undefined) requireAction(verdict, 'deployment:functions:actAsUser')
        return {
          kind: 'admin',
          keyId: verdict.keyId,
          isReadOnly: verdict.isReadOnly,
          allowedActions: verdict.allowedActions,
          actingAs,
        }
      case 'unknown':
        throw this.#badDeployKey('unauthenticated')
      case 'otherDeployment':
        throw this.#badDeployKey('forbidden')
    }
  }

  #badDeployKey(kind: 'unauthenticated' | 'forbidden'): Unauthenticated | Forbidden {
    const message =
      `The provided deploy key was invalid for deployment '${this.#deploymentName}'. ` +
      'Double check that the environment this key was generated for matches the desired deployment.'
    return kind === 'forbidden' ? new Forbidden('BadDeployKey', message) : new Unauthenticated('BadDeployKey', message)
  }
}

export type AdminIdentity = Extract<Identity, { kind: 'admin' }>

/** Refuses a read-only key where a function writes. `ReadOnlyAdminKey`, with its text, is of the Admin API page. */
export function requireWrite(identity: AdminIdentity, code: 'OperationNotPermitted' | 'ReadOnlyAdminKey'): void {
  if (!identity.isReadOnly) return
  if (code === 'OperationNotPermitted') throw notPermitted('deployment:data:write')
  throw new Forbidden(code, 'You do not have permission to perform this operation.')
}

/** Throws 403 `OperationNotPermitted`, naming the action. */
export function requireAction(key: { readonly allowedActions: AllowedActions }, action: DeploymentAction): void {
  if (!isAllowed(key.allowedActions, action)) throw notPermitted(action)
}

/** As clients and the CLI know it: they look for this sentence. */
export function notPermitted(action: DeploymentAction): Forbidden {
  return new Forbidden('OperationNotPermitted', `You do not have permission to perform this operation (${action}).`)
}

function decodeActingUser(text: string): UserAttributes | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64')))
  } catch (error) {
    throw new BadRequest('HeaderParseFailure', 'The part of the admin key after ":" must be base64 of a JSON object.', {
      cause: error,
    })
  }
  if (typeof parsed !== 'object' || parsed === null) {
    throw new BadRequest('HeaderParseFailure', 'The identity to act as must be a JSON object.')
  }
  return readUserAttributes(Object.fromEntries(Object.entries(parsed)))
}

/** `tokenIdentifier`, or `issuer` and `subject` to make it from (sync-and-http.md §7.3). */
function readUserAttributes(attributes: Readonly<Record<string, unknown>> | undefined): UserAttributes | undefined {
  if (attributes === undefined) return undefined
  const { tokenIdentifier, issuer, subject } = attributes
  if (typeof tokenIdentifier === 'string') return { ...attributes, tokenIdentifier }
  if (typeof issuer === 'string' && typeof subject === 'string') {
    return { ...attributes, tokenIdentifier: `${issuer}|${subject}` }
  }
  throw new BadRequest(
    'HeaderParseFailure',
    'The identity to act as needs "tokenIdentifier", or "issuer" and "subject".',
  )
}
