/** The first start: an owner without a password, a team, and the two secrets by which a person gets in. */
import type { Clock } from '@concave/base'
import type { AccessTokens } from './access-tokens.ts'
import { controlPlaneLimits } from './limits.ts'
import { nextId } from './next-id.ts'
import { slugify } from './slugs.ts'
import type { Store } from './store.ts'

export type Bootstrap = {
  readonly team: { readonly id: number; readonly name: string; readonly slug: string }
  readonly memberId: number
  /** A team access token; shown once. */
  readonly accessToken: string
  /** Takes over the owner's account; works once. The secret is in the fragment, which no server log sees. */
  readonly claimUrl: string
}

export type BootstrapOptions = {
  /** Where people reach this control plane, without a trailing slash. */
  readonly publicUrl: string
  readonly teamName: string
}

/** `undefined` if there is a team already, whoever made it. */
export async function bootstrap(
  deps: { readonly store: Store; readonly clock: Clock; readonly accessTokens: AccessTokens },
  options: BootstrapOptions,
): Promise<Bootstrap | undefined> {
  const { store, clock, accessTokens } = deps
  const tokenSecret = accessTokens.createSecret()
  const claimSecret = accessTokens.createSecret()
  return await store.mutate('bootstrap', async (tables) => {
    const [existing] = await tables.teams.list('byNumber', [], { limit: 1 })
    if (existing !== undefined) return undefined
    const createTime = clock.nowMs()
    const memberId = await nextId(tables, 'member')
    await tables.members.insert({ id: memberId, name: 'Owner', email: null, createTime })
    const id = await nextId(tables, 'team')
    const name = options.teamName
    const slug = slugify(name, 'team')
    await tables.teams.insert({ id, name, slug, creator: memberId, createTime })
    await tables.teamMembers.insert({ teamId: id, memberId, role: 'admin' })
    await accessTokens.issue(tables, tokenSecret, { kind: 'team', name: 'First access token', memberId, teamId: id })
    const expiresAt = createTime + controlPlaneLimits.claimLinkMs
    await tables.claimLinks.insert({ hash: claimSecret.hash, teamId: id, memberId, createTime, expiresAt })
    const claimUrl = `${options.publicUrl.replace(/\/+$/, '')}/claim#${claimSecret.text}`
    return { team: { id, name, slug }, memberId, accessToken: tokenSecret.text, claimUrl }
  })
}
