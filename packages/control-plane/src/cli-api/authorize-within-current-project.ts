import { z } from 'zod'
import { deploymentNotFound } from '../access.ts'
import { openDeployment } from '../authorized-deployment.ts'
import { cliRoute, projectSelection, type ProjectSelection } from '../cli-route.ts'
import type { Principal } from '../principal.ts'
import type { Services } from '../services.ts'

const body = z.object({ selectedDeploymentName: z.string(), projectSelection })

/** A deployment by name, refused if it is not in the project that the command line works in. */
export const authorizeWithinCurrentProject = cliRoute({
  method: 'POST',
  path: '/deployment/authorize_within_current_project',
  body,
  run: async (services, { body: { selectedDeploymentName, projectSelection: selection }, principal }) => {
    const deployment = await services.deployments.get(principal, selectedDeploymentName)
    const projectId = await selectProject(services, principal, selection)
    if (deployment.projectId !== projectId) throw deploymentNotFound(selectedDeploymentName)
    return await openDeployment(services, principal, deployment)
  },
})

async function selectProject(services: Services, principal: Principal, selection: ProjectSelection): Promise<number> {
  switch (selection.kind) {
    case 'teamAndProjectSlugs': {
      const names = { team: selection.teamSlug, project: selection.projectSlug }
      return (await services.projects.getBySlug(principal, names)).id
    }
    case 'deploymentName':
      return (await services.deployments.get(principal, selection.deploymentName)).projectId
  }
}
