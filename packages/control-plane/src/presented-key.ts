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
  const principal = await accessTokens.authenticate(deployKey)
  const printedName = prefixOf(deployKey)?.split(':').at(-1)
  if (principal.kind === 'deployment' && printedName !== undefined && printedName !== principal.deploymentName) {
    throw new Unauthenticated('BadDeployKey', `This key was not made for deployment ${printedName.slice(0, 100)}.`)
  }
  return principal
}
