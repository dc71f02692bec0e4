import { emptyReply } from '@concave/http'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly deployment_name: string } }

export const deleteDeployment = operation<Input>('delete deployment', async ({ deployments }, { path, principal }) => {
  await deployments.delete(principal, path.deployment_name)
  return emptyReply()
})
