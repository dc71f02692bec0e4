/** Port to whatever runs deployments; the composition provides it. */
import type { DeploymentType } from './records.ts'

/** What may change in the life of a deployment. */
export type DeploymentSettings = {
  readonly type: DeploymentType
  /** Callers without an admin key learn neither error texts nor log lines. */
  readonly isRedacted: boolean
}

export type ProvisionRequest = DeploymentSettings & {
  readonly name: string
  /** Environment variables to start with. */
  readonly environment: Readonly<Record<string, string>>
  readonly deploymentId: number
  readonly projectId: number
  readonly teamId: number
}

/** Origins without a path and without a trailing slash. */
export type DeploymentUrls = { readonly url: string; readonly siteUrl: string }

export interface Provisioner {
  /**
   * Makes the deployment exist and answer. Idempotent: after a crash it is asked again for the same name. When it
   * throws, `remove` is called, so it may leave a half-made folder behind.
   */
  create(request: ProvisionRequest): Promise<DeploymentUrls>
  /** Has an existing deployment follow these settings from its next request on. Idempotent, durable when it resolves. */
  configure(name: string, settings: DeploymentSettings): Promise<void>
  /** Stops the deployment and deletes its data. Idempotent; a name that it does not know is fine. */
  remove(name: string): Promise<void>
  /** Where a deployment that was created answers now. */
  urlOf(name: string): DeploymentUrls
}
