/** What operations are made of; a handler takes the ones it names. */
import type { AccessTokens } from './access-tokens.ts'
import type { DefaultVariables } from './default-variables.ts'
import type { DeploymentChanges } from './deployment-changes.ts'
import type { Deployments } from './deployments.ts'
import type { Keys } from './keys.ts'
import type { LocalDeployments } from './local-deployments.ts'
import type { Previews } from './previews.ts'
import type { Projects } from './projects.ts'
import type { SessionKeys } from './session-keys.ts'
import type { Store } from './store.ts'
import type { Teams } from './teams.ts'

export type Services = {
  readonly store: Store
  readonly accessTokens: AccessTokens
  readonly keys: Keys
  readonly sessionKeys: SessionKeys
  readonly teams: Teams
  readonly projects: Projects
  readonly deployments: Deployments
  readonly deploymentChanges: DeploymentChanges
  readonly previews: Previews
  readonly localDeployments: LocalDeployments
  readonly defaultVariables: DefaultVariables
}
