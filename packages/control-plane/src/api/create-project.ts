import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import type { DeploymentType } from '../records.ts'
import { checkClass, checkRegion } from '../regions.ts'

type Input = {
  readonly path: { readonly team_id: string }
  readonly body: {
    readonly projectName: string
    readonly deploymentType?: DeploymentType | null
    readonly deploymentClass?: string | null
    readonly deploymentRegion?: string | null
  }
}

/** Both deployment fields are there exactly when a type was asked for: what early clients require, today's allow. */
export const createProject = operation<Input>('create project', async ({ projects, deployments }, input) => {
  const { projectName, deploymentType, deploymentClass, deploymentRegion } = input.body
  checkClass(deploymentClass)
  checkRegion(deploymentRegion)
  const { project, deployment } = await projects.create(
    input.principal,
    input.path.team_id,
    {
      name: projectName,
      deploymentType: deploymentType ?? undefined,
    },
    input.mark,
  )
  const { id, slug } = project
  if (deployment === undefined) return jsonReply({ projectId: id, id, slug })
  const { name } = deployment
  return jsonReply({ projectId: id, id, slug, deploymentName: name, deploymentUrl: deployments.urlOf(name) })
})
