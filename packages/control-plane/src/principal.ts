/** Who calls: what a presented token or key turned out to be. */
import type { AccessTokenRecord } from './records.ts'

export type Principal =
  | { readonly kind: 'personal'; readonly token: AccessTokenRecord; readonly memberId: number }
  /** One team, within its creator's current rights. */
  | { readonly kind: 'team'; readonly token: AccessTokenRecord; readonly memberId: number; readonly teamId: number }
  | {
      readonly kind: 'project'
      readonly token: AccessTokenRecord
      readonly memberId: number
      readonly projectId: number
    }
  /** The previews of one project, on its own behalf. */
  | {
      readonly kind: 'preview'
      readonly token: AccessTokenRecord
      readonly memberId: number
      readonly projectId: number
    }
  /** One deployment, on its own behalf; `secret` is what was presented, to be handed back but never widened. */
  | {
      readonly kind: 'deployment'
      readonly token: AccessTokenRecord
      readonly memberId: number
      readonly deploymentName: string
      readonly secret: string
    }

/** When a token ends that its holder makes another one with: no later than the one in hand. Milliseconds; null is never. */
export function endOfTraded({ token }: Principal, expiresAt: number | null | undefined): number | null {
  const ends = [token.expiresAt, expiresAt ?? null].filter((end) => end !== null)
  return ends.length === 0 ? null : Math.min(...ends)
}

/** The contract's name for the credential of a principal. */
export const schemeOf = {
  personal: 'PAT',
  team: 'Team Token',
  project: 'OAuth Project Token',
  preview: 'Preview Deploy Key',
  deployment: 'Deploy Key',
} as const satisfies Record<Principal['kind'], string>
