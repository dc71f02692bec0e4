/** Routes that only command lines up to 1.25 use (management-api §2.5). */
import { Forbidden } from '@concave/base'
import { z } from 'zod'
import { openDeployment } from '../authorized-deployment.ts'
import { cliRoute, openRoute } from '../cli-route.ts'
import { personalTokensOf } from '../key-owners.ts'
import { endOfTraded } from '../principal.ts'

const createBody = z.object({ team: z.string(), projectName: z.string(), deploymentType: z.enum(['dev', 'prod']) })

export const createProjectAndAuthorize = cliRoute({
  method: 'POST',
  path: '/create_project',
  body: createBody,
  run: async (services, { body: { team: teamSlug, projectName, deploymentType }, principal }) => {
    const { projects, deployments } = services
    const { project } = await projects.create(principal, teamSlug, { name: projectName, deploymentType: undefined })
    const deployment = await deployments.getOrCreateDefault(principal, project, deploymentType)
    const { adminKey, url, deploymentName } = await openDeployment(services, principal, deployment)
    const team = await services.store.read((tables) => tables.teams.find('byNumber', [project.teamId]))
    return {
      projectSlug: project.slug,
      projectId: project.id,
      teamSlug: team?.slug ?? teamSlug,
      teamId: project.teamId,
      deploymentName,
      prodUrl: url,
      adminKey,
      // Nothing is counted down.
      projectsRemaining: 1_000_000,
    }
  },
})

const loginBody = z.object({ authnToken: z.string(), deviceName: z.string() })

/** Trades a token for one with the name of the device; the credential is in the body. */
export const login = openRoute({
  method: 'POST',
  path: '/authorize',
  body: loginBody,
  run: async ({ accessTokens, keys }, { authnToken, deviceName }) => {
    const principal = await accessTokens.authenticate(authnToken)
    if (principal.kind !== 'personal') {
      throw new Forbidden('AccessTokenForbidden', 'Only a personal access token can be traded for another.')
    }
    const request = { name: deviceName, expiresAt: endOfTraded(principal, undefined) }
    return { accessToken: await keys.create(personalTokensOf(principal.memberId), request, undefined) }
  },
})
