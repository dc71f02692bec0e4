import { jsonReply } from '@concave/http'
import { personalTokensOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = { readonly body: { readonly name: string; readonly expiresAt?: number | null } }

/** Also the end of every login of the command line, which trades the token it was given for one with its own name. */
export const createPersonalAccessToken = operation<Input>('create personal access token', async ({ keys }, input) => {
  const { name, expiresAt } = input.body
  const owner = personalTokensOf(input.principal.memberId)
  return jsonReply({ accessToken: await keys.create(owner, { name, expiresAt }, input.mark) })
})
