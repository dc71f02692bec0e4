/** Who is calling a deployment (sync-and-http.md §2.3, §7.3). */

import type { AllowedActions } from './deployment-actions.ts'

/** `ctx.auth.getUserIdentity()`'s fields: `tokenIdentifier`, `issuer`, `subject` and whatever else the token carries. JSON values. */
export type UserAttributes = { readonly tokenIdentifier: string; readonly [claim: string]: unknown }

export type Identity =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user'
      readonly attributes: UserAttributes
      readonly expiresAtMs: number | undefined
      /** What the caller presented, for functions that ask for it. Never logged. */
      readonly token?: string
    }
  | {
      readonly kind: 'admin'
      /** Stable id of the key, for logs and re-checks. Never the secret. */
      readonly keyId: string
      readonly isReadOnly: boolean
      /** What the key may do beside calling public functions. */
      readonly allowedActions: AllowedActions
      /** Set when an admin acts as a user (`Convex {key}:{base64 identity}`, `impersonating`). */
      readonly actingAs: UserAttributes | undefined
    }

export const anonymous: Identity = { kind: 'anonymous' }

/** What user code sees as its identity; null for anonymous callers and plain admins. */
export function userAttributesOf(identity: Identity): UserAttributes | null {
  switch (identity.kind) {
    case 'anonymous':
      return null
    case 'user':
      return identity.attributes
    case 'admin':
      return identity.actingAs ?? null
  }
}

/** The token of a user; null for all others. */
export function authTokenOf(identity: Identity): string | null {
  return identity.kind === 'user' ? (identity.token ?? null) : null
}

/** Part of a query's cache key: equal text means that user code cannot tell the callers apart. */
export function identityKey(identity: Identity): string {
  const attributes = userAttributesOf(identity)
  if (attributes === null) return ''
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
}
