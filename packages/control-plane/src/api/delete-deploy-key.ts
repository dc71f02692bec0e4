import { emptyReply } from '@concave/http'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly deployment_name: string }; readonly body: { readonly id: string } }

export const deleteDeployKey = operation<Input>('delete deploy key', async ({ deployKeys }, input) => {
  await deployKeys.delete(input.principal, input.path.deployment_name, input.body.id)
  return emptyReply()
})
