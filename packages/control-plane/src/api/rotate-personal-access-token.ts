import { jsonReply } from '@concave/http'
import { personalTokensOf } from '../key-owners.ts'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'

type Input = { readonly body: { readonly id: string; readonly graceMs?: number } }

/** Ours: a new token in place of an old one, which goes on for a while. */
export const rotatePersonalAccessToken = operation<Input>('rotate personal access token', async ({ keys }, input) => {
  const { id, graceMs = controlPlaneLimits.rotationGraceMs } = input.body
  const owner = personalTokensOf(input.principal.memberId)
  const { key, old, oldEndsAt } = await keys.rotate(owner, id, { graceMs, mark: input.mark })
  return jsonReply({ accessToken: key, oldTokenId: old.id, oldTokenExpiresAt: oldEndsAt })
})
