/**
 * Access tokens and keys: issue, recognise, revoke. One table holds all kinds. Recognised tokens are cached until a
 * revocation is announced, so a revoked one stops at once; expiry is checked at every use.
 */
import { assert, Unauthenticated, type Clock } from '@concave/base'
import { controlPlaneLimits } from './limits.ts'
import { nextId } from './next-id.ts'
import type { Principal } from './principal.ts'
import type { AccessTokenKind, AccessTokenRecord } from './records.ts'
import { secretOf, type Secret, type Secrets } from './secrets.ts'
import type { Store, Stored, Writer } from './store.ts'

export type NewAccessToken = {
  readonly kind: AccessTokenKind
  readonly name: string
  readonly memberId: number
  readonly teamId?: number
  readonly projectId?: number
  readonly deploymentName?: string
  readonly allowedActions?: readonly string[]
  readonly parentId?: number
  readonly expiresAt?: number | null
}

/** Keys that stopped being valid; none, if it is not known which. */
export type KeysChanged = { readonly keyIds: readonly number[] }
export type KeysListener = (change: KeysChanged) => void

export class AccessTokens {
  readonly #store: Store
  readonly #clock: Clock
  readonly #secrets: Secrets
  readonly #cache = new Map<string, Stored<AccessTokenRecord>>()
  readonly #listeners = new Set<KeysListener>()
  /** Times of last use that are not written yet, by token number. */
  readonly #used = new Map<number, number>()
  /** Rises with every revocation: a lookup that began before one must not fill the cache after it. */
  #revocations = 0

  constructor(deps: { readonly store: Store; readonly clock: Clock; readonly secrets: Secrets }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#secrets = deps.secrets
  }

  createSecret(): Secret {
    return this.#secrets.create()
  }

  /** Writes the token of `secret`, which the caller shows once. */
  async issue(tables: Writer, secret: Secret, request: NewAccessToken): Promise<AccessTokenRecord> {
    const token: AccessTokenRecord = {
      id: await nextId(tables, 'accessToken'),
      kind: request.kind,
      hash: secret.hash,
      hint: secret.hint,
      name: request.name,
      memberId: request.memberId,
      teamId: request.teamId ?? null,
      projectId: request.projectId ?? null,
      deploymentName: request.deploymentName ?? null,
      allowedActions: request.allowedActions ?? 'all',
      parentId: request.parentId ?? null,
      createTime: this.#clock.nowMs(),
      lastUsedTime: null,
      expiresAt: request.expiresAt ?? null,
    }
    await tables.accessTokens.insert(token)
    return token
  }

  /** Removes tokens and all that were minted from them. After the commit the result goes to `announce`. */
  async revoke(
    tables: Writer,
    tokens: readonly Stored<AccessTokenRecord>[],
  ): Promise<readonly Stored<AccessTokenRecord>[]> {
    const revoked: Stored<AccessTokenRecord>[] = []
    for (const token of tokens) {
      const minted = await tables.accessTokens.list('byParent', [token.id])
      for (const one of [token, ...minted]) {
        if (revoked.some(({ id }) => id === one.id)) continue
        await tables.accessTokens.remove(one._id)
        revoked.push(one)
      }
    }
    return revoked
  }

  /** Lets a token, and what was minted from it, end by `endsAt` at the latest. After the commit: `forget`. */
  async shorten(
    tables: Writer,
    token: Stored<AccessTokenRecord>,
    endsAt: number,
  ): Promise<readonly Stored<AccessTokenRecord>[]> {
    const minted = await tables.accessTokens.list('byParent', [token.id])
    const affected = [token, ...minted].filter(({ expiresAt }) => expiresAt === null || expiresAt > endsAt)
    for (const { _id } of affected) await tables.accessTokens.patch(_id, { expiresAt: endsAt })
    return affected
  }

  /** Forgets revoked tokens here and tells the deployments. */
  announce(revoked: readonly AccessTokenRecord[]): void {
    if (revoked.length === 0) return
    this.forget(revoked)
    for (const { id } of revoked) this.#used.delete(id)
    this.#tell({ keyIds: revoked.map(({ id }) => id) })
  }

  /** Tokens whose records have changed are looked up again. */
  forget(changed: readonly AccessTokenRecord[]): void {
    this.#revocations += 1
    for (const { hash } of changed) this.#cache.delete(hash)
  }

  /** What keys may open has changed, or some may have expired: what they have opened is to be checked again. */
  recheck(): void {
    this.#tell({ keyIds: [] })
  }

  #tell(change: KeysChanged): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Returns the function that ends the subscription. */
  onKeysChanged(listener: KeysListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The token of a presented key (whole or bare secret), if it is known and has not expired. Notes its use. */
  async recognise(presented: string): Promise<Recognised> {
    const hash = this.#secrets.hash(secretOf(presented))
    if (hash === undefined) return { kind: 'malformed' }
    const token = this.#cache.get(hash) ?? (await this.#load(hash))
    if (token === undefined) return { kind: 'unknown' }
    const nowMs = this.#clock.nowMs()
    if (token.expiresAt !== null && token.expiresAt <= nowMs) return { kind: 'expired' }
    this.#used.set(token.id, nowMs)
    return { kind: 'known', token }
  }

  /** Throws 401 unless `presented` is a valid token or key. */
  async authenticate(presented: string): Promise<Principal> {
    const recognised = await this.recognise(presented)
    switch (recognised.kind) {
      case 'malformed':
        throw new Unauthenticated('AccessTokenInvalid', 'The access token could not be decoded.')
      case 'unknown':
        throw new Unauthenticated('AccessTokenInvalid', 'The access token could not be validated: it does not exist.')
      case 'expired':
        throw new Unauthenticated('AccessTokenExpired', 'The access token has expired. Create a new one.')
      case 'known':
        return toPrincipal(recognised.token, secretOf(presented))
    }
  }

  /** The newest time of use that is known, written down or not. */
  lastUsedTime(token: AccessTokenRecord): number | null {
    return this.#used.get(token.id) ?? token.lastUsedTime
  }

  /** Writes the times of last use down. */
  async flushLastUsed(): Promise<void> {
    const used = new Map(this.#used)
    if (used.size === 0) return
    await this.#store.mutate('write times of last use', async (tables) => {
      for (const [id, lastUsedTime] of used) {
        const token = await tables.accessTokens.find('byNumber', [id])
        if (token !== undefined) await tables.accessTokens.patch(token._id, { lastUsedTime })
      }
    })
    for (const [id, timeMs] of used) {
      if (this.#used.get(id) === timeMs) this.#used.delete(id)
    }
    // Cached records still carry the old times.
    this.#cache.clear()
  }

  async #load(hash: string): Promise<Stored<AccessTokenRecord> | undefined> {
    const before = this.#revocations
    const token = await this.#store.read((tables) => tables.accessTokens.find('byHash', [hash]))
    if (token !== undefined && before === this.#revocations) {
      if (this.#cache.size >= controlPlaneLimits.maxCachedKeys) this.#cache.clear()
      this.#cache.set(hash, token)
    }
    return token
  }
}

export type Recognised =
  | { readonly kind: 'known'; readonly token: Stored<AccessTokenRecord> }
  | { readonly kind: 'malformed' | 'unknown' | 'expired' }

export function toPrincipal(token: AccessTokenRecord, secret: string): Principal {
  const { memberId, teamId, projectId, deploymentName } = token
  switch (token.kind) {
    case 'personal':
      return { kind: 'personal', token, memberId }
    case 'team':
      assert(teamId !== null, 'A team token names its team.')
      return { kind: 'team', token, memberId, teamId }
    case 'project':
      assert(projectId !== null, 'A project token names its project.')
      return { kind: 'project', token, memberId, projectId }
    case 'preview':
      assert(projectId !== null, 'A preview key names its project.')
      return { kind: 'preview', token, memberId, projectId }
    case 'deploy':
    case 'session':
      assert(deploymentName !== null, 'A deploy key names its deployment.')
      return { kind: 'deployment', token, memberId, deploymentName, secret }
  }
}
