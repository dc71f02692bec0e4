/** What operations are made of; a handler takes the ones it names. */
import type { AccessTokens } from './access-tokens.ts'
import type { DeployKeys } from './deploy-keys.ts'
import type { Deployments } from './deployments.ts'
import type { PersonalAccessTokens } from './personal-access-tokens.ts'
import type { Projects } from './projects.ts'
import type { Store } from './store.ts'

export type Services = {
  readonly store: Store
  readonly accessTokens: AccessTokens
  readonly personalAccessTokens: PersonalAccessTokens
  readonly deployKeys: DeployKeys
  readonly deployments: Deployments
  readonly projects: Projects
}
