import { emptyReply } from '@concave/http'
import { deployKeysOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly deployment_name: string }; readonly body: { readonly id: string } }

export const deleteDeployKey = operation<Input>('delete deploy key', async ({ keys }, input) => {
  await keys.delete(deployKeysOf(input.principal, input.path.deployment_name), input.body.id)
  return emptyReply()
})
