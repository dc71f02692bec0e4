/**
 * Keys of one deployment that are not made by name: session keys, minted for the answers of the command line's API, which
 * expire by themselves and end with the token they were minted for; and the operator's admin keys.
 */
import type { Clock } from '@concave/base'
import { readOnlyActions } from '@concave/protocol'
import { deploymentNotFound, getDeployment } from './access.ts'
import type { AccessTokens } from './access-tokens.ts'
import { formatDeployKey } from './key-owners.ts'
import { controlPlaneLimits } from './limits.ts'
import type { Principal } from './principal.ts'
import type { DeploymentRecord } from './records.ts'
import type { Store } from './store.ts'

export class SessionKeys {
  readonly #store: Store
  readonly #clock: Clock
  readonly #accessTokens: AccessTokens

  constructor(deps: { readonly store: Store; readonly clock: Clock; readonly accessTokens: AccessTokens }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#accessTokens = deps.accessTokens
  }

  /**
   * The key that `principal` uses at a deployment which it holds. A deploy key gets itself back: minting another would
   * widen what it may do. Others get a session key; expired ones of the deployment are swept on the way.
   */
  async open(
    principal: Principal,
    deployment: DeploymentRecord,
    lifeMs: number = controlPlaneLimits.sessionKeyMs,
  ): Promise<string> {
    if (principal.kind === 'deployment') return formatDeployKey(deployment, principal.secret)
    const nowMs = this.#clock.nowMs()
    const secret = this.#accessTokens.createSecret()
    const expired = await this.#store.mutate('open session', async (tables) => {
      const { name } = await getDeployment(tables, principal, deployment.name)
      await this.#accessTokens.issue(tables, secret, {
        kind: 'session',
        name: `Session of ${principal.token.name}`,
        memberId: principal.memberId,
        deploymentName: name,
        parentId: principal.token.id,
        expiresAt: Math.min(nowMs + lifeMs, principal.token.expiresAt ?? Infinity),
      })
      const keys = await tables.accessTokens.list('byDeployment', [name])
      const old = keys.filter(({ kind, expiresAt }) => kind === 'session' && expiresAt !== null && expiresAt <= nowMs)
      return await this.#accessTokens.revoke(tables, old)
    })
    this.#accessTokens.announce(expired)
    return formatDeployKey(deployment, secret.text)
  }

  /** A key made by the operator on this machine, who needs no token. Throws 404 `DeploymentNotFound`. */
  async createForOperator(request: {
    readonly deploymentName: string
    readonly name: string
    readonly isReadOnly: boolean
  }): Promise<string> {
    const secret = this.#accessTokens.createSecret()
    const deployment = await this.#store.mutate('create admin key', async (tables) => {
      const found = await tables.deployments.find('byName', [request.deploymentName])
      if (found?.state !== 'ready') throw deploymentNotFound(request.deploymentName)
      await this.#accessTokens.issue(tables, secret, {
        kind: 'deploy',
        name: request.name,
        memberId: found.creator,
        deploymentName: found.name,
        ...(request.isReadOnly ? { allowedActions: readOnlyActions } : {}),
      })
      return found
    })
    return formatDeployKey(deployment, secret.text)
  }
}
