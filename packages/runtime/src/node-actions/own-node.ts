import { BadRequest } from '@concave/base'
import type { NodeInstallation, NodeProvider, NodeRequirements } from './node-action.ts'

/** Runs Node actions with the Node that serves, without external packages: all that can be done without installing. */
export const ownNode: NodeProvider = {
  async provide({ nodeVersion, packages }: NodeRequirements): Promise<NodeInstallation> {
    if (packages.length > 0 || (nodeVersion !== undefined && nodeVersion !== process.versions.node.split('.')[0])) {
      throw new BadRequest('NodeNotAvailable', 'This server installs neither packages nor other versions of Node.js.')
    }
    return { nodePath: process.execPath, packagesFolder: undefined }
  },
}
