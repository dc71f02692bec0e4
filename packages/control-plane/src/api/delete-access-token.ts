import { emptyReply } from '@concave/http'
import { teamTokensOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly team_id: string }; readonly body: { readonly id: string } }

export const deleteAccessToken = operation<Input>('delete team access token', async ({ keys }, input) => {
  await keys.delete(teamTokensOf(input.principal, input.path.team_id), input.body.id)
  return emptyReply()
})
