import { z } from 'zod'
import { openDeployment } from '../authorized-deployment.ts'
import { cliRoute, projectSelection } from '../cli-route.ts'
import { controlPlaneLimits } from '../limits.ts'
import { selectProjectId } from '../selected-project.ts'

const authorizeBody = z.object({ previewName: z.string(), projectSelection })

/** A preview that is there; none is made. */
export const authorizePreview = cliRoute({
  method: 'POST',
  path: '/deployment/authorize_preview',
  body: authorizeBody,
  run: async (services, { body: { previewName, projectSelection: selection }, principal }) => {
    const projectId = await services.store.read((tables) => selectProjectId(tables, principal, selection))
    const deployment = await services.previews.get(principal, projectId, previewName)
    return await openDeployment(services, principal, deployment, controlPlaneLimits.previewKeyMs)
  },
})

const claimBody = z.object({ projectSelection, identifier: z.string(), reuse: z.boolean().nullish() })

/** The field is `instanceUrl` here, not `url`. The key opens this preview and nothing else. */
export const claimPreviewDeployment = cliRoute({
  method: 'POST',
  path: '/claim_preview_deployment',
  body: claimBody,
  run: async (services, { body, principal }) => {
    const projectId = await services.store.read((tables) => selectProjectId(tables, principal, body.projectSelection))
    const request = { identifier: body.identifier, reuse: body.reuse ?? false }
    const { deployment, isNew } = await services.previews.claim(principal, projectId, request)
    const opened = await openDeployment(services, principal, deployment, controlPlaneLimits.previewKeyMs)
    const { adminKey, url, deploymentName, reference } = opened
    return { adminKey, instanceUrl: url, deploymentName, reference, isNewDeployment: isNew }
  },
})
