/**
 * Regions and classes. This server has one of each. Clients know fixed lists of names, so ours carry one of those
 * names, and the others are taken for it.
 */
import { BadRequest } from '@concave/base'

export const defaultRegion = { name: 'aws-us-east-1', displayName: 'This server' } as const
export const defaultClass = 's16'

const knownRegions: readonly string[] = ['aws-us-east-1', 'aws-eu-west-1', 'aws-ca-central-1', 'aws-ap-southeast-2']
const knownClasses: readonly string[] = ['s16', 's256', 'd1024', 'd2048']

/** Throws 400 `RegionNotAvailable`. */
export function checkRegion(region: string | null | undefined): void {
  if (region === null || region === undefined || knownRegions.includes(region)) return
  throw new BadRequest('RegionNotAvailable', `There is no region ${region}; this server offers ${defaultRegion.name}.`)
}

/** Throws 400 `DeploymentClassNotAvailable`. */
export function checkClass(deploymentClass: string | null | undefined): void {
  if (deploymentClass === null || deploymentClass === undefined || knownClasses.includes(deploymentClass)) return
  throw new BadRequest(
    'DeploymentClassNotAvailable',
    `There is no deployment class ${deploymentClass}; this server offers ${defaultClass}.`,
  )
}
