/** What the control plane tells of a deployment to the deployment itself. */
import { assert } from '@concave/base'
import { deploymentNotFound } from './access.ts'
import type { Reader } from './store.ts'

export type DeploymentDescription = {
  readonly id: number
  readonly teamId: number
  readonly projectId: number
  readonly projectName: string
  readonly projectSlug: string
  readonly deploymentType: string
  readonly reference: string
}

/** Throws 404 `DeploymentNotFound`. */
export async function describeDeployment(tables: Reader, name: string): Promise<DeploymentDescription> {
  const deployment = await tables.deployments.find('byName', [name])
  if (deployment === undefined) throw deploymentNotFound(name)
  const { id, teamId, projectId, type, reference } = deployment
  const project = await tables.projects.find('byNumber', [projectId])
  assert(project !== undefined, 'A deployment has a project.')
  return {
    id,
    teamId,
    projectId,
    projectName: project.name,
    projectSlug: project.slug,
    deploymentType: type,
    reference,
  }
}
