import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import type { DeploymentType } from '../records.ts'
import { deploymentResponse, localDeploymentResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly query: {
    readonly includeLocal?: boolean
    readonly isDefault?: boolean
    readonly deploymentType?: DeploymentType
  }
}

/** Local ones, which are never the default of a type, come last. */
export const listDeployments = operation<Input>(
  'list deployments',
  async ({ deployments, localDeployments }, { path, query, principal }) => {
    const { includeLocal = false, isDefault, deploymentType } = query
    const all = await deployments.list(principal, path.project_id)
    const wanted = all.filter(
      (deployment) =>
        (isDefault === undefined || deployment.isDefault === isDefault) &&
        (deploymentType === undefined || deployment.type === deploymentType),
    )
    const showsLocal = includeLocal && isDefault !== true && (deploymentType ?? 'dev') === 'dev'
    const locals = showsLocal ? await localDeployments.listOfProject(principal, path.project_id) : []
    return jsonReply([
      ...wanted.map((deployment) => deploymentResponse(deployments, deployment)),
      ...locals.map((local) => localDeploymentResponse(localDeployments, local)),
    ])
  },
)
