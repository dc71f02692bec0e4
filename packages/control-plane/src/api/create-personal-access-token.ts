import { jsonReply } from '@concave/http'
import { personalTokensOf, teamTokensOf } from '../key-owners.ts'
import { operation } from '../operation.ts'
import { endOfTraded } from '../principal.ts'

type Input = { readonly body: { readonly name: string; readonly expiresAt?: number | null } }

/**
 * Also the end of every login of the command line, which trades the token it was given for one with its own name: a team
 * token for another of the same team, so that nothing is widened; it ends no later than what it was traded for.
 */
export const createPersonalAccessToken = operation<Input>('create personal access token', async ({ keys }, input) => {
  const { body, principal, mark } = input
  const { name } = body
  const expiresAt = endOfTraded(principal, body.expiresAt)
  const owner =
    principal.kind === 'team' ? teamTokensOf(principal, String(principal.teamId)) : personalTokensOf(principal.memberId)
  return jsonReply({ accessToken: await keys.create(owner, { name, expiresAt }, mark) })
})
