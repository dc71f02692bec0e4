import { z } from 'zod'
import { deploymentNotFound } from '../access.ts'
import { openDeployment } from '../authorized-deployment.ts'
import { cliRoute, projectSelection } from '../cli-route.ts'
import { selectProjectId } from '../selected-project.ts'

const body = z.object({ selectedDeploymentName: z.string(), projectSelection })

/** A deployment by name, refused if it is not in the project that the command line works in. */
export const authorizeWithinCurrentProject = cliRoute({
  method: 'POST',
  path: '/deployment/authorize_within_current_project',
  body,
  run: async (services, { body: { selectedDeploymentName, projectSelection: selection }, principal }) => {
    const deployment = await services.deployments.get(principal, selectedDeploymentName)
    const projectId = await services.store.read((tables) => selectProjectId(tables, principal, selection))
    if (deployment.projectId !== projectId) throw deploymentNotFound(selectedDeploymentName)
    return await openDeployment(services, principal, deployment)
  },
})
