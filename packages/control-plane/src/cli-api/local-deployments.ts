import { z } from 'zod'
import { cliRoute } from '../cli-route.ts'
import type { ProjectNames } from '../access.ts'

const slugs = z.object({ teamSlug: z.string(), projectSlug: z.string() })
const startBody = slugs.extend({ port: z.int().min(0).max(65_535), instanceName: z.string().nullish() })
const activityBody = z.object({ instanceName: z.string() })

/** `none` spares the question whether to work on this machine, which needs a backend that may not be installed. */
export const enableFeatureMetadata = cliRoute({
  method: 'POST',
  path: '/local_deployment/enable_feature_metadata',
  run: async () => ({ totalProjects: { kind: 'none' } }),
})

/** Names a backend on the caller's machine. Its keys are made there, with a secret that this server never learns. */
export const startLocalDeployment = cliRoute({
  method: 'POST',
  path: '/local_deployment/start',
  body: startBody,
  run: async ({ localDeployments, projects }, { body, principal }) => {
    const project = await projects.getBySlug(principal, namesOf(body))
    const request = { name: body.instanceName ?? null, port: body.port }
    const { name } = await localDeployments.start(principal, project.id, request)
    return { deploymentName: name, projectId: project.id }
  },
})

export const pauseLocalDeployment = cliRoute({
  method: 'POST',
  path: '/local_deployment/pause',
  body: slugs,
  run: async ({ localDeployments, projects }, { body, principal }) => {
    const project = await projects.getBySlug(principal, namesOf(body))
    await localDeployments.pause(principal, project.id)
    return {}
  },
})

/** The key of the local backend, which comes along, is nothing to us. */
export const recordLocalActivity = cliRoute({
  method: 'POST',
  path: '/local_deployment/record_activity',
  body: activityBody,
  run: async ({ localDeployments }, { body, principal }) => {
    await localDeployments.recordActivity(principal, body.instanceName)
    return {}
  },
})

function namesOf({ teamSlug, projectSlug }: z.infer<typeof slugs>): ProjectNames {
  return { team: teamSlug, project: projectSlug }
}
