import { BadRequest, Forbidden } from '@concave/base'
import { z } from 'zod'
import { openDeployment } from '../authorized-deployment.ts'
import { cliRoute } from '../cli-route.ts'

const body = z.object({
  teamSlug: z.string().nullish(),
  projectSlug: z.string().nullish(),
  deploymentType: z.enum(['dev', 'prod']),
})

/** The default deployment of a project, made if there is none. Without slugs the project is that of the project key. */
export const provisionAndAuthorize = cliRoute({
  method: 'POST',
  path: '/deployment/provision_and_authorize',
  body,
  run: async (services, { body: { teamSlug, projectSlug, deploymentType }, principal }) => {
    const { projects, deployments } = services
    if (principal.kind === 'preview') {
      throw new Forbidden(
        'AccessTokenForbidden',
        'A preview deploy key opens previews only. Name one with --preview-name, or use another key.',
      )
    }
    if (typeof teamSlug === 'string' && typeof projectSlug === 'string') {
      const project = await projects.getBySlug(principal, { team: teamSlug, project: projectSlug })
      const deployment = await deployments.getOrCreateDefault(principal, project, deploymentType)
      return await openDeployment(services, principal, deployment)
    }
    if (principal.kind !== 'project') {
      throw new BadRequest('BadJsonBody', 'Without a project key, teamSlug and projectSlug are required.')
    }
    const project = await projects.get(principal, principal.projectId)
    const deployment = await deployments.getOrCreateDefault(principal, project, deploymentType)
    return await openDeployment(services, principal, deployment)
  },
})
