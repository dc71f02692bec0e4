/** Keys that people make, list, rotate and delete by name, of whatever kind. Their secrets are shown once. */
import { AlreadyExists, BadRequest, type Clock } from '@concave/base'
import { deploymentActions } from '@concave/protocol'
import type { AccessTokens, NewAccessToken } from './access-tokens.ts'
import { findCreation, recordCreation, type CreationMark } from './creations.ts'
import { findToken } from './find-token.ts'
import type { KeyOwner } from './key-owners.ts'
import { controlPlaneLimits } from './limits.ts'
import type { AccessTokenRecord } from './records.ts'
import { secretOf, type Secrets } from './secrets.ts'
import type { Store, Writer } from './store.ts'

export type NewKey = {
  readonly name: string
  /** Absent or empty = everything. */
  readonly allowedActions?: readonly string[] | undefined
  readonly expiresAt?: number | null | undefined
}

export type KeyPage = {
  readonly keys: readonly AccessTokenRecord[]
  /** Where the next page starts: keys with smaller numbers. */
  readonly nextBefore: number | undefined
}

export class Keys {
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

  /** The whole key. Throws 400, and 409 `SecretShownBefore` for a repeat: no secret is told twice. */
  async create(owner: KeyOwner, request: NewKey, mark: CreationMark | undefined): Promise<string> {
    const nowMs = this.#clock.nowMs()
    const wanted = checkNewKey(request, nowMs)
    const secret = this.#accessTokens.createSecret()
    return await this.#store.mutate('create key', async (tables) => {
      const { fields, format } = await owner.open(tables)
      await this.#checkUnmade(tables, mark, owner)
      const { id } = await this.#accessTokens.issue(tables, secret, { ...fields, ...wanted })
      await recordCreation(tables, mark, { createdId: id, nowMs })
      return format(secret.text)
    })
  }

  /** Oldest first. */
  async list(owner: KeyOwner): Promise<readonly AccessTokenRecord[]> {
    return await this.#store.read(async (tables) => await (await owner.open(tables)).list())
  }

  /** Newest first. */
  async page(owner: KeyOwner, page: { readonly before: number | undefined; readonly limit: number }): Promise<KeyPage> {
    const { before, limit } = page
    const all = (await this.list(owner)).toReversed()
    const rest = before === undefined ? all : all.filter(({ id }) => id < before)
    const keys = rest.slice(0, limit)
    return { keys, nextBefore: rest.length > limit ? keys.at(-1)?.id : undefined }
  }

  /** `id` as `findToken` takes it. Ends the key at once, with what it opened. */
  async delete(owner: KeyOwner, id: string): Promise<void> {
    const hash = this.#secrets.hash(secretOf(id))
    const revoked = await this.#store.mutate('delete key', async (tables) => {
      const key = findToken(await (await owner.open(tables)).list(), { id, hash }, owner.words)
      return await this.#accessTokens.revoke(tables, [key])
    })
    this.#accessTokens.announce(revoked)
  }

  /**
   * A new key with the name, rights and end of an old one, which goes on for `graceMs` so that there is no moment without
   * a key. Throws as `create` and `delete` do.
   */
  async rotate(
    owner: KeyOwner,
    id: string,
    options: { readonly graceMs: number; readonly mark: CreationMark | undefined },
  ): Promise<{ readonly key: string; readonly old: AccessTokenRecord; readonly oldEndsAt: number }> {
    const nowMs = this.#clock.nowMs()
    const hash = this.#secrets.hash(secretOf(id))
    const secret = this.#accessTokens.createSecret()
    const { mark, graceMs } = options
    const rotated = await this.#store.mutate('rotate key', async (tables) => {
      const { fields, format, list } = await owner.open(tables)
      await this.#checkUnmade(tables, mark, owner)
      const old = findToken(await list(), { id, hash }, owner.words)
      const { name, expiresAt, allowedActions } = old
      const rights = allowedActions === 'all' ? {} : { allowedActions }
      const { id: createdId } = await this.#accessTokens.issue(tables, secret, {
        ...fields,
        ...rights,
        name,
        expiresAt,
      })
      await recordCreation(tables, mark, { createdId, nowMs })
      const oldEndsAt = Math.min(nowMs + graceMs, expiresAt ?? Infinity)
      const shortened = await this.#accessTokens.shorten(tables, old, oldEndsAt)
      return { key: format(secret.text), old, oldEndsAt, shortened }
    })
    this.#accessTokens.forget(rotated.shortened)
    if (graceMs === 0) this.#accessTokens.recheck()
    return rotated
  }

  async #checkUnmade(tables: Writer, mark: CreationMark | undefined, { words }: KeyOwner): Promise<void> {
    const made = await findCreation(tables, mark)
    if (made === undefined) return
    throw new AlreadyExists(
      'SecretShownBefore',
      `This request was carried out before: the ${words.noun} has the id ${made}. Its secret was shown then and is not ` +
        `shown again. If it was lost, delete it and create another with another Idempotency-Key.`,
    )
  }
}

/** `allowedActions` as the API shows them: an empty list means everything. */
export function shownActions(token: AccessTokenRecord): readonly string[] {
  return token.allowedActions === 'all' ? [] : token.allowedActions
}

/** Throws 400 `InvalidTokenName` or `InvalidExpiration`. */
function checkNewKey(request: NewKey, nowMs: number): Pick<NewAccessToken, 'name' | 'expiresAt' | 'allowedActions'> {
  const name = request.name.trim()
  const { maxTokenNameLength, minExpiryMs } = controlPlaneLimits
  if (name === '' || name.length > maxTokenNameLength) {
    throw new BadRequest('InvalidTokenName', `The name must have 1 to ${maxTokenNameLength} characters.`)
  }
  const expiresAt = request.expiresAt ?? null
  if (expiresAt !== null && expiresAt < nowMs + minExpiryMs) {
    throw new BadRequest('InvalidExpiration', 'expiresAt must be at least 30 minutes ahead.')
  }
  const actions = new Set(request.allowedActions)
  const isEverything = actions.size === 0 || deploymentActions.every((action) => actions.has(action))
  return { name, expiresAt, ...(isEverything ? {} : { allowedActions: [...actions] }) }
}
