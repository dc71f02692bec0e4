import { emptyReply } from '@concave/http'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly deployment_name: string }
  readonly body: { readonly destinationProjectId: number }
}

export const transferDeployment = operation<Input>('transfer deployment', async ({ deploymentChanges }, input) => {
  const { path, body, principal } = input
  await deploymentChanges.transfer(principal, path.deployment_name, body.destinationProjectId)
  return emptyReply(204)
})
