import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { deploymentResponse } from '../responses.ts'

type Input = { readonly path: { readonly deployment_name: string } }

export const getDeployment = operation<Input>('platform_get_deployment', async ({ deployments }, input) => {
  const deployment = await deployments.get(input.principal, input.path.deployment_name)
  return jsonReply(deploymentResponse(deployments, deployment))
})
