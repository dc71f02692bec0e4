/**
 * Keys of one deployment: `dev:happy-otter-123|<secret>`. Deploy keys are made by name and listed; session keys are
 * minted for the answers of the command line's API, expire by themselves and end with the token they were minted for.
 */
import { BadRequest, NotFound, PlatformError, type Clock } from '@concave/base'
import { deploymentNotFound, getDeployment } from './access.ts'
import type { AccessTokens } from './access-tokens.ts'
import { deploymentActions, readOnlyActions } from './deployment-actions.ts'
import { featureNotAvailable } from './feature-not-available.ts'
import { controlPlaneLimits } from './limits.ts'
import type { Principal } from './principal.ts'
import type { AccessTokenRecord, DeploymentRecord } from './records.ts'
import { secretOf, type Secrets } from './secrets.ts'
import type { Store, Stored } from './store.ts'

export type NewDeployKey = {
  readonly name: string
  /** Absent or empty = everything; else exactly the read-only set. */
  readonly allowedActions?: readonly string[] | undefined
  readonly expiresAt?: number | null | undefined
}

export class DeployKeys {
  readonly #store: Store
  readonly #clock: Clock
  readonly #secrets: Secrets
  readonly #accessTokens: AccessTokens

  constructor(deps: {
    readonly store: Store
    readonly clock: Clock
    readonly secrets: Secrets
    readonly accessTokens: AccessTokens
  }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#secrets = deps.secrets
    this.#accessTokens = deps.accessTokens
  }

  /** The whole key; it is never shown again. */
  async create(principal: Principal, deploymentName: string, request: NewDeployKey): Promise<string> {
    const { name, expiresAt, allowedActions } = checkNewKey(request, this.#clock.nowMs())
    const secret = this.#accessTokens.createSecret()
    const deployment = await this.#store.mutate('create deploy key', async (tables) => {
      const found = await getDeployment(tables, principal, deploymentName)
      const owner = { memberId: principal.memberId, deploymentName }
      await this.#accessTokens.issue(tables, secret, { kind: 'deploy', name, ...owner, expiresAt, ...allowedActions })
      return found
    })
    return formatKey(deployment, secret.text)
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
    return formatKey(deployment, secret.text)
  }

  /** Oldest first; session keys are not listed. */
  async list(principal: Principal, deploymentName: string): Promise<readonly AccessTokenRecord[]> {
    return await this.#store.read(async (tables) => {
      await getDeployment(tables, principal, deploymentName)
      const keys = await tables.accessTokens.list('byDeployment', [deploymentName])
      return keys.filter(({ kind }) => kind === 'deploy')
    })
  }

  /** `id`: the whole key, its secret, its number or its exact name, in this order. Ends it at once. */
  async delete(principal: Principal, deploymentName: string, id: string): Promise<void> {
    const hash = this.#secrets.hash(secretOf(id))
    const revoked = await this.#store.mutate('delete deploy key', async (tables) => {
      await getDeployment(tables, principal, deploymentName)
      const keys = await tables.accessTokens.list('byDeployment', [deploymentName])
      const key = findKey(
        keys.filter(({ kind }) => kind === 'deploy'),
        { id, hash },
      )
      return await this.#accessTokens.revoke(tables, [key])
    })
    this.#accessTokens.announce(revoked)
  }

  /**
   * The key that `principal` uses at a deployment which it holds. A deploy key gets itself back: minting another would
   * widen what it may do. Others get a session key; expired ones of the deployment are swept on the way.
   */
  async openSession(principal: Principal, deployment: DeploymentRecord): Promise<string> {
    if (principal.kind === 'deployment') return formatKey(deployment, principal.secret)
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
        expiresAt: Math.min(nowMs + controlPlaneLimits.sessionKeyMs, principal.token.expiresAt ?? Infinity),
      })
      const keys = await tables.accessTokens.list('byDeployment', [name])
      const old = keys.filter(({ kind, expiresAt }) => kind === 'session' && expiresAt !== null && expiresAt <= nowMs)
      return await this.#accessTokens.revoke(tables, old)
    })
    this.#accessTokens.announce(expired)
    return formatKey(deployment, secret.text)
  }
}

/** `allowedActions` as the API shows them: an empty list means everything. */
export function shownActions(token: AccessTokenRecord): readonly string[] {
  return token.allowedActions === 'all' ? [] : token.allowedActions
}

/** A key may do no more than read. */
export function isReadOnly(token: AccessTokenRecord): boolean {
  return token.allowedActions !== 'all' && token.allowedActions.every((action) => readOnlyActions.includes(action))
}

/** Throws 400 `InvalidTokenName` or `InvalidExpiration`, 404 `FeatureNotAvailable` for rights that cannot be kept. */
export function checkNewKey(
  request: NewDeployKey,
  nowMs: number,
): {
  readonly name: string
  readonly expiresAt: number | null
  readonly allowedActions: { readonly allowedActions?: readonly string[] }
} {
  const name = request.name.trim()
  const { maxTokenNameLength, minExpiryMs } = controlPlaneLimits
  if (name === '' || name.length > maxTokenNameLength) {
    throw new BadRequest('InvalidTokenName', `The name must have 1 to ${maxTokenNameLength} characters.`)
  }
  const expiresAt = request.expiresAt ?? null
  if (expiresAt !== null && expiresAt < nowMs + minExpiryMs) {
    throw new BadRequest('InvalidExpiration', 'expiresAt must be at least 30 minutes ahead.')
  }
  return { name, expiresAt, allowedActions: checkActions(new Set(request.allowedActions)) }
}

/**
 * Deployments tell full keys from read-only ones and nothing finer. A key that is limited otherwise is refused: one that
 * could do more than was asked for would be a hole.
 */
function checkActions(actions: ReadonlySet<string>): { readonly allowedActions?: readonly string[] } {
  if (actions.size === 0 || deploymentActions.every((action) => actions.has(action))) return {}
  const isExactlyReadOnly = actions.size === readOnlyActions.length && readOnlyActions.every((one) => actions.has(one))
  if (isExactlyReadOnly) return { allowedActions: readOnlyActions }
  throw featureNotAvailable('A deploy key with fewer rights than all, other than the whole read-only set,')
}

function formatKey(deployment: DeploymentRecord, secret: string): string {
  return `${deployment.type}:${deployment.name}|${secret}`
}

function findKey(
  keys: readonly Stored<AccessTokenRecord>[],
  wanted: { readonly id: string; readonly hash: string | undefined },
): Stored<AccessTokenRecord> {
  const { id, hash } = wanted
  const exact = keys.find((key) => key.hash === hash) ?? keys.find((key) => String(key.id) === id)
  if (exact !== undefined) return exact
  const [named, ...others] = keys.filter(({ name }) => name === id)
  // `id` may be a secret: it is not repeated in messages.
  if (named === undefined) throw new NotFound('DeployKeyNotFound', 'This deployment has no such deploy key.')
  if (others.length === 0) return named
  throw new PlatformError(
    409,
    'AmbiguousDeployKey',
    `${others.length + 1} deploy keys of this deployment have this name; give the id of one.`,
  )
}
