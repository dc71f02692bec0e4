/** How the command line learns where a deployment is and what opens it. */
import type { Principal } from './principal.ts'
import type { DeploymentRecord } from './records.ts'
import type { Services } from './services.ts'

export type AuthorizedDeployment = {
  readonly adminKey: string
  readonly url: string
  readonly deploymentName: string
  /** The command line writes it into `CONVEX_DEPLOYMENT`: it must not be missing. */
  readonly deploymentType: string
  readonly reference: string | null
  readonly isDefault: boolean
}

export async function openDeployment(
  services: Services,
  principal: Principal,
  deployment: DeploymentRecord,
  keyLifeMs?: number,
): Promise<AuthorizedDeployment> {
  const { name, type, reference, isDefault } = deployment
  return {
    adminKey: await services.sessionKeys.open(principal, deployment, keyLifeMs),
    url: services.deployments.urlOf(name),
    deploymentName: name,
    deploymentType: type,
    reference,
    isDefault,
  }
}
