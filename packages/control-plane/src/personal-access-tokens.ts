/** Personal access tokens: a member everywhere that the member has rights. */
import { NotFound, type Clock } from '@concave/base'
import type { AccessTokens } from './access-tokens.ts'
import { checkNewKey } from './deploy-keys.ts'
import type { Store } from './store.ts'

export class PersonalAccessTokens {
  readonly #store: Store
  readonly #clock: Clock
  readonly #accessTokens: AccessTokens

  constructor(deps: { readonly store: Store; readonly clock: Clock; readonly accessTokens: AccessTokens }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#accessTokens = deps.accessTokens
  }

  /** The token's text; it is never shown again. Throws 404 `MemberNotFound`. */
  async create(
    memberId: number,
    request: { readonly name: string; readonly expiresAt?: number | null | undefined },
  ): Promise<string> {
    const { name, expiresAt } = checkNewKey(request, this.#clock.nowMs())
    const secret = this.#accessTokens.createSecret()
    await this.#store.mutate('create personal access token', async (tables) => {
      const member = await tables.members.find('byNumber', [memberId])
      if (member === undefined) throw new NotFound('MemberNotFound', `There is no member ${memberId}.`)
      await this.#accessTokens.issue(tables, secret, { kind: 'personal', name, memberId, expiresAt })
    })
    return secret.text
  }
}
