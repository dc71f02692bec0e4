import { jsonReply } from '@concave/http'
import { shownActions } from '../deploy-keys.ts'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly deployment_name: string } }

export const listDeployKeys = operation<Input>('list deploy keys', async ({ deployKeys, accessTokens }, input) => {
  const keys = await deployKeys.list(input.principal, input.path.deployment_name)
  return jsonReply(
    keys.map((key) => ({
      id: key.id,
      name: key.name,
      creationTime: key.createTime,
      lastUsedTime: accessTokens.lastUsedTime(key),
      expiresAt: key.expiresAt,
      creator: key.memberId,
      allowedActions: shownActions(key),
    })),
  )
})
