import { cliRoute } from '../cli-route.ts'
import { featureNotAvailable } from '../feature-not-available.ts'

/** `none` spares the question whether to work on this machine, which needs a backend from elsewhere. */
export const enableFeatureMetadata = cliRoute({
  method: 'POST',
  path: '/local_deployment/enable_feature_metadata',
  run: async () => ({ totalProjects: { kind: 'none' } }),
})

export const startLocalDeployment = cliRoute({
  method: 'POST',
  path: '/local_deployment/start',
  run: async () => {
    throw featureNotAvailable('Registering local deployments')
  },
})
