import { jsonReply } from '@concave/http'
import { personalTokensOf } from '../key-owners.ts'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'
import { numberPagination, parseNumberCursor, tokenResponse } from '../responses.ts'

type Input = { readonly query: { readonly cursor?: string; readonly limit?: number } }

export const listPersonalAccessTokens = operation<Input>(
  'list personal access tokens',
  async ({ keys, accessTokens }, { query, principal }) => {
    const { cursor, limit = controlPlaneLimits.defaultTokenPageItems } = query
    const page = { before: parseNumberCursor(cursor), limit }
    const { keys: tokens, nextBefore } = await keys.page(personalTokensOf(principal.memberId), page)
    const items = tokens.map((token) => ({ ...tokenResponse(accessTokens, token), ssoTeamId: null }))
    return jsonReply({ items, pagination: numberPagination(nextBefore) })
  },
)
