import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import type { DeploymentType } from '../records.ts'
import { deploymentResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly query: {
    /** No developer's machine registers itself here yet, so there are none to include. */
    readonly includeLocal?: boolean
    readonly isDefault?: boolean
    readonly deploymentType?: DeploymentType
  }
}

export const listDeployments = operation<Input>('list deployments', async ({ deployments }, input) => {
  const { isDefault, deploymentType } = input.query
  const all = await deployments.list(input.principal, input.path.project_id)
  const wanted = all.filter(
    (deployment) =>
      (isDefault === undefined || deployment.isDefault === isDefault) &&
      (deploymentType === undefined || deployment.type === deploymentType),
  )
  return jsonReply(wanted.map((deployment) => deploymentResponse(deployments, deployment)))
})
