/** A key that arrives in a request body, as the command line sends it. */
import { Unauthenticated } from '@concave/base'
import type { AccessTokens } from './access-tokens.ts'
import type { Principal } from './principal.ts'
import { prefixOf } from './secrets.ts'

/**
 * Throws 401. The secret decides; but the command line believes the name printed in front of it, so a deploy key whose
 * print says another deployment is refused rather than let two ideas of the target meet.
 */
export async function authenticateKey(accessTokens: AccessTokens, deployKey: string): Promise<Principal> {
  const principal = await authenticate(accessTokens, deployKey)
  const printedName = prefixOf(deployKey)?.split(':').at(-1)
  if (principal.kind === 'deployment' && printedName !== undefined && printedName !== principal.deploymentName) {
    throw new Unauthenticated('BadDeployKey', `This key was not made for deployment ${printedName.slice(0, 100)}.`)
  }
  return principal
}

/** Says "deploy key" where one was presented, and what to do. */
async function authenticate(accessTokens: AccessTokens, deployKey: string): Promise<Principal> {
  try {
    return await accessTokens.authenticate(deployKey)
  } catch (error) {
    if (!(error instanceof Unauthenticated) || error.code !== 'AccessTokenInvalid') throw error
    throw new Unauthenticated(
      'BadDeployKey',
      'The deploy key is not valid here: it was never issued, or it has been deleted. Create a new one and set CONVEX_DEPLOY_KEY.',
      { cause: error },
    )
  }
}
