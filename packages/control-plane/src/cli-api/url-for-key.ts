import { BadRequest } from '@concave/base'
import { keyRoute } from '../cli-route.ts'
import { authenticateKey } from '../presented-key.ts'

/** The answer is a bare JSON string. */
export const urlForKey = keyRoute({
  path: '/deployment/url_for_key',
  run: async ({ accessTokens, deployments }, deployKey) => {
    const principal = await authenticateKey(accessTokens, deployKey)
    if (principal.kind === 'deployment') return deployments.urlOf(principal.deploymentName)
    throw new BadRequest('NotADeployKey', 'This key belongs to more than one deployment, so it has no URL.')
  },
})
