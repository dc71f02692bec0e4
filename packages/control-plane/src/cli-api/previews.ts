import { cliRoute } from '../cli-route.ts'
import { featureNotAvailable } from '../feature-not-available.ts'

export const authorizePreview = cliRoute({
  method: 'POST',
  path: '/deployment/authorize_preview',
  run: async () => {
    throw featureNotAvailable('Using preview deployments')
  },
})

export const claimPreviewDeployment = cliRoute({
  method: 'POST',
  path: '/claim_preview_deployment',
  run: async () => {
    throw featureNotAvailable('Claiming preview deployments')
  },
})
