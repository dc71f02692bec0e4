import { emptyReply } from '@concave/http'
import { personalTokensOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = { readonly body: { readonly id: string } }

export const deletePersonalAccessToken = operation<Input>('delete personal access token', async ({ keys }, input) => {
  await keys.delete(personalTokensOf(input.principal.memberId), input.body.id)
  return emptyReply()
})
