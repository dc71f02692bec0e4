import { jsonReply } from '@concave/http'
import { deployKeysOf } from '../key-owners.ts'
import { operation } from '../operation.ts'
import { keyResponse } from '../responses.ts'

type Input = { readonly path: { readonly deployment_name: string } }

export const listDeployKeys = operation<Input>('list deploy keys', async ({ keys, accessTokens }, input) => {
  const all = await keys.list(deployKeysOf(input.principal, input.path.deployment_name))
  return jsonReply(all.map((key) => keyResponse(accessTokens, key)))
})
