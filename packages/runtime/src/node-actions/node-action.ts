/** What a deployment's Node actions need to run, and what runs one. */
import type { ActionRequest } from '../actions/action.ts'

/** Which Node, and which external packages, as a push asks for them. */
export type NodeRequirements = {
  /** Major version; undefined for the Node that serves. */
  readonly nodeVersion: string | undefined
  readonly packages: readonly ExternalPackage[]
}

/** An exact version of a package. */
export type ExternalPackage = { readonly name: string; readonly version: string }

/** `code` holds the modules that run in Node, and nothing else. */
export type NodeActionRequest = Extract<ActionRequest, { kind: 'action' }> & {
  readonly requirements: NodeRequirements
  /** As developers know it: `dir/module:name`. */
  readonly functionName: string
}

/** What the requirements come to on this machine. */
export type NodeInstallation = { readonly nodePath: string; readonly packagesFolder: string | undefined }

/** Provides what pushes require. Rejects with `BadRequest`, naming what could not be had. */
export interface NodeProvider {
  provide(requirements: NodeRequirements): Promise<NodeInstallation>
  /** `user`'s live code needs this from now on, and nothing else. */
  setUser(user: string, requirements: NodeRequirements): Promise<void>
  removeUser(user: string): Promise<void>
}
