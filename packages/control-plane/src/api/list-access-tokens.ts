import { jsonReply } from '@concave/http'
import { teamTokensOf } from '../key-owners.ts'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'
import { numberPagination, parseNumberCursor, tokenResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly team_id: string }
  readonly query: { readonly cursor?: string; readonly limit?: number }
}

/** The caller's own, newest first. */
export const listAccessTokens = operation<Input>(
  'list team access tokens',
  async ({ keys, accessTokens }, { path, query, principal }) => {
    const { cursor, limit = controlPlaneLimits.defaultTokenPageItems } = query
    const page = { before: parseNumberCursor(cursor), limit }
    const { keys: tokens, nextBefore } = await keys.page(teamTokensOf(principal, path.team_id), page)
    const items = tokens.map((token) => ({ ...tokenResponse(accessTokens, token), creator: token.memberId }))
    return jsonReply({ items, pagination: numberPagination(nextBefore) })
  },
)
