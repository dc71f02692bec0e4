import { jsonReply } from '@concave/http'
import { teamTokensOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly team_id: string }
  readonly body: { readonly name?: string | null; readonly expiresAt?: number | null } | null | undefined
}

export const createAccessToken = operation<Input>('create team access token', async ({ keys }, input) => {
  const { body, path, principal, mark } = input
  const request = { name: body?.name ?? 'Access token', expiresAt: body?.expiresAt }
  const accessToken = await keys.create(teamTokensOf(principal, path.team_id), request, mark)
  return jsonReply({ accessToken, tokenType: 'bearer' }, { status: 201 })
})
