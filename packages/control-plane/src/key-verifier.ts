/** How deployments check the credentials that are presented to them (management-api §3.4). */
import { holdsDeployment } from './access.ts'
import { toPrincipal, type AccessTokens } from './access-tokens.ts'
import { isReadOnlySet } from '@concave/protocol'
import { secretOf } from './secrets.ts'
import type { Store } from './store.ts'

export type KeyVerdict =
  | {
      readonly kind: 'ok'
      readonly keyId: number
      readonly isReadOnly: boolean
      /** Stored as such: `all`, or only these actions (management-api §3.5). */
      readonly allowedActions: 'all' | readonly string[]
      /** Number of the member behind the key. */
      readonly creator: number
    }
  /** Not in the table: never issued, revoked or expired. */
  | { readonly kind: 'unknown' }
  /** Valid, but not for this deployment. */
  | { readonly kind: 'otherDeployment' }
  /** Cannot be one of our keys; it may be one of another kind. */
  | { readonly kind: 'malformed' }

export class KeyVerifier {
  readonly #store: Store
  readonly #accessTokens: AccessTokens

  constructor(deps: { readonly store: Store; readonly accessTokens: AccessTokens }) {
    this.#store = deps.store
    this.#accessTokens = deps.accessTokens
  }

  /** `presentedKey` is a whole key or a bare secret; its printed prefix grants nothing. Team tokens and the like pass too. */
  async verify(deploymentName: string, presentedKey: string): Promise<KeyVerdict> {
    const recognised = await this.#accessTokens.recognise(presentedKey)
    if (recognised.kind === 'malformed') return { kind: 'malformed' }
    if (recognised.kind !== 'known') return { kind: 'unknown' }
    const { token } = recognised
    const principal = toPrincipal(token, secretOf(presentedKey))
    // Keys of one deployment end with it, so that they need no look at the records.
    const holds =
      principal.kind === 'deployment'
        ? principal.deploymentName === deploymentName
        : await this.#store.read(async (tables) => {
            const deployment = await tables.deployments.find('byName', [deploymentName])
            return deployment !== undefined && (await holdsDeployment(tables, principal, deployment))
          })
    if (!holds) return { kind: 'otherDeployment' }
    const { id, memberId, allowedActions } = token
    return { kind: 'ok', keyId: id, isReadOnly: isReadOnlySet(allowedActions), allowedActions, creator: memberId }
  }
}
