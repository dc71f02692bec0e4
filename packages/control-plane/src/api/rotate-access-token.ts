import { jsonReply } from '@concave/http'
import { teamTokensOf } from '../key-owners.ts'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly team_id: string }
  readonly body: { readonly id: string; readonly graceMs?: number }
}

/** Ours: a new token in place of an old one, which goes on for a while. */
export const rotateAccessToken = operation<Input>('rotate team access token', async ({ keys }, input) => {
  const { id, graceMs = controlPlaneLimits.rotationGraceMs } = input.body
  const owner = teamTokensOf(input.principal, input.path.team_id)
  const { key, old, oldEndsAt } = await keys.rotate(owner, id, { graceMs, mark: input.mark })
  return jsonReply({ accessToken: key, oldTokenId: old.id, oldTokenExpiresAt: oldEndsAt })
})
