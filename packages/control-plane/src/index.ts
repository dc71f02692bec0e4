/**
 * The control plane of a Concave server: the Management API and the command line's API over records in a database of
 * its own. Open it with `ControlPlane.open`, give its `handler` to a server, and provide a `Provisioner`.
 */
export { ControlPlane, type ControlPlaneDependencies } from './control-plane.ts'
export type { KeysChanged, KeysListener } from './access-tokens.ts'
export type { Bootstrap } from './bootstrap.ts'
export type { KeyVerdict } from './key-verifier.ts'
export type { DeploymentSettings, DeploymentUrls, Provisioner, ProvisionRequest } from './provisioner.ts'
export type { DeploymentRecord, DeploymentType } from './records.ts'
