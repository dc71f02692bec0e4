import { z } from 'zod'
import { openDeployment } from '../authorized-deployment.ts'
import { cliRoute } from '../cli-route.ts'
import { checkClass } from '../regions.ts'

const body = z.object({ deploymentName: z.string(), deploymentClass: z.string().nullish() })

/** The default prod deployment of the project that any of its deployments names; made if there is none. */
export const authorizeProd = cliRoute({
  method: 'POST',
  path: '/deployment/authorize_prod',
  body,
  run: async (services, { body: { deploymentName, deploymentClass }, principal }) => {
    checkClass(deploymentClass)
    const { deployments, projects } = services
    const current = await deployments.get(principal, deploymentName)
    // A key of one deployment may use itself, and nothing else of its project.
    if (principal.kind === 'deployment' && current.type === 'prod' && current.isDefault) {
      return await openDeployment(services, principal, current)
    }
    const project = await projects.get(principal, current.projectId)
    const prod = await deployments.getOrCreateDefault(principal, project, 'prod')
    return await openDeployment(services, principal, prod)
  },
})
