import { BadRequest } from '@concave/base'
import { jsonReply } from '@concave/http'
import type { DeploymentSelector } from '../deployment-selection.ts'
import { operation } from '../operation.ts'
import { deploymentResponse } from '../responses.ts'

type Query = { readonly reference?: string; readonly defaultProd?: boolean; readonly defaultDev?: boolean }

/** A deployment of a project by its reference, or the default one of a type: by the project's number. */
export const findDeployment = operation<{ readonly path: { readonly project_id: number }; readonly query: Query }>(
  'get deployment in project by project id',
  async ({ projects, deployments }, { path, query, principal }) => {
    const selector = parseSelector(query)
    const project = await projects.get(principal, path.project_id)
    const deployment = await deployments.select(principal, project, selector)
    return jsonReply(deploymentResponse(deployments, deployment))
  },
)

/** The same by the slugs of team and project. */
export const findDeploymentBySlug = operation<{
  readonly path: { readonly team_id_or_slug: string; readonly project_slug: string }
  readonly query: Query
}>('get deployment in project by project slug', async ({ projects, deployments }, { path, query, principal }) => {
  const selector = parseSelector(query)
  const names = { team: path.team_id_or_slug, project: path.project_slug }
  const project = await projects.getBySlug(principal, names)
  const deployment = await deployments.select(principal, project, selector)
  return jsonReply(deploymentResponse(deployments, deployment))
})

function parseSelector(query: Query): DeploymentSelector {
  const given: DeploymentSelector[] = []
  if (query.reference !== undefined) given.push({ kind: 'reference', reference: query.reference })
  if (query.defaultProd === true) given.push({ kind: 'defaultProd' })
  if (query.defaultDev === true) given.push({ kind: 'defaultDev' })
  const [selector, ...others] = given
  if (selector !== undefined && others.length === 0) return selector
  throw new BadRequest('BadQueryArgs', 'Give exactly one of `reference`, `defaultProd=true` and `defaultDev=true`.')
}
