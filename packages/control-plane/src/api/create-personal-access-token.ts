import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'

type Input = { readonly body: { readonly name: string; readonly expiresAt?: number | null } }

/** Also the end of every login of the command line, which trades the token it was given for one with its own name. */
export const createPersonalAccessToken = operation<Input>(
  'create personal access token',
  async ({ personalAccessTokens }, { body, principal }) => {
    const accessToken = await personalAccessTokens.create(principal.memberId, body)
    return jsonReply({ accessToken })
  },
)
