/**
 * The control plane: teams, members, projects, deployments and their keys as documents in a database of its own, served
 * over the Management API and the command line's API. What runs deployments is a port (`Provisioner`).
 */
import type { Clock, Log, Random } from '@concave/base'
import type { DatabaseDependencies } from '@concave/database'
import type { NodeHandler } from '@concave/http'
import { AccessTokens, type KeysListener } from './access-tokens.ts'
import { bootstrap, type Bootstrap, type BootstrapOptions } from './bootstrap.ts'
import { openDatabaseStore } from './database-store.ts'
import { sweepCreations } from './creations.ts'
import { DefaultVariables } from './default-variables.ts'
import { describeDeployment, type DeploymentDescription } from './deployment-description.ts'
import { DeploymentChanges } from './deployment-changes.ts'
import { Deployments } from './deployments.ts'
import { personalTokensOf } from './key-owners.ts'
import { KeyVerifier, type KeyVerdict } from './key-verifier.ts'
import { Keys } from './keys.ts'
import { controlPlaneLimits } from './limits.ts'
import { LocalDeployments } from './local-deployments.ts'
import { Previews } from './previews.ts'
import { Projects } from './projects.ts'
import type { Provisioner } from './provisioner.ts'
import type { DeploymentRecord } from './records.ts'
import { createRoutes } from './routes.ts'
import { Secrets } from './secrets.ts'
import { SessionKeys } from './session-keys.ts'
import type { Services } from './services.ts'
import type { OpenStore, Store } from './store.ts'
import { Teams } from './teams.ts'

export type ControlPlaneDependencies = {
  /** The control plane's own storage, not opened yet; closed with the control plane. */
  readonly storage: DatabaseDependencies['storage']
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** At least 32 random bytes that live outside the storage. Losing them makes every token invalid. */
  readonly pepper: Uint8Array
  readonly provisioner: Provisioner
  /** Fails requests whose answer is not what the contract says. For tests. */
  readonly validateResponses?: boolean
}

export class ControlPlane implements AsyncDisposable {
  /** For node:http; answers every request, unknown routes with 404. */
  readonly handler: NodeHandler
  readonly #openStore: OpenStore
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Log
  readonly #services: Services
  readonly #verifier: KeyVerifier
  readonly #flushTimer: NodeJS.Timeout
  #flushing: Promise<void> = Promise.resolve()
  #sweepTimer: NodeJS.Timeout | undefined
  #sweeping: Promise<void> = Promise.resolve()

  private constructor(deps: ControlPlaneDependencies, openStore: OpenStore) {
    const { clock, random, log, provisioner } = deps
    const { store } = openStore
    const secrets = new Secrets({ random, pepper: deps.pepper })
    const accessTokens = new AccessTokens({ store, clock, secrets })
    const deployments = new Deployments({ store, clock, random, log, accessTokens, provisioner })
    this.#openStore = openStore
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#services = {
      store,
      accessTokens,
      keys: new Keys({ store, clock, secrets, accessTokens }),
      sessionKeys: new SessionKeys({ store, clock, accessTokens }),
      teams: new Teams({ store, clock }),
      projects: new Projects({ store, clock, accessTokens, deployments }),
      deployments,
      deploymentChanges: new DeploymentChanges({ store, clock, accessTokens, deployments }),
      previews: new Previews({ store, deployments }),
      localDeployments: new LocalDeployments({ store, clock }),
      defaultVariables: new DefaultVariables({ store }),
    }
    this.#verifier = new KeyVerifier({ store, accessTokens })
    this.handler = createRoutes(this.#services, { log, validateResponses: deps.validateResponses ?? false })
    this.#flushTimer = setInterval(() => {
      this.#flushing = this.#flushLastUsed()
    }, controlPlaneLimits.lastUsedFlushMs).unref()
  }

  static async open(deps: ControlPlaneDependencies): Promise<ControlPlane> {
    return new ControlPlane(deps, await openDatabaseStore(deps))
  }

  /** The first team and its secrets, at the first start only; `undefined` ever after. */
  async bootstrap(options: { readonly publicUrl: string; readonly teamName?: string }): Promise<Bootstrap | undefined> {
    const deps = { store: this.#store, clock: this.#clock, accessTokens: this.#services.accessTokens }
    const complete: BootstrapOptions = { teamName: 'My team', ...options }
    return await bootstrap(deps, complete)
  }

  /** Finishes creations and removals that a crash interrupted. Call once, when the provisioner can work. */
  async resumePending(): Promise<void> {
    await this.#services.deployments.resumePending()
    await this.#trySweep()
    this.#sweepTimer ??= setInterval(() => {
      this.#sweeping = this.#sweeping.then(async () => await this.#trySweep())
    }, controlPlaneLimits.sweepMs).unref()
  }

  /** All deployments that are ready, for whoever starts them. */
  async listDeployments(): Promise<readonly DeploymentRecord[]> {
    return await this.#services.deployments.listAll()
  }

  /** Checks a key presented to a deployment: a whole key, with or without type prefix, or its bare secret. */
  async verifyDeploymentKey(deploymentName: string, presentedKey: string): Promise<KeyVerdict> {
    return await this.#verifier.verify(deploymentName, presentedKey)
  }

  /** Called after keys stopped being valid: drop what was cached and close what they opened. Returns the way to end it. */
  onKeysChanged(listener: KeysListener): () => void {
    return this.#services.accessTokens.onKeysChanged(listener)
  }

  /** A key for the operator of this machine; shown once. Throws 404 `DeploymentNotFound`. */
  async createAdminKey(request: {
    readonly deploymentName: string
    readonly isReadOnly: boolean
    readonly name?: string
  }): Promise<string> {
    return await this.#services.sessionKeys.createForOperator({ name: 'Admin key', ...request })
  }

  /** A personal access token for a member, made by the operator of this machine; shown once. */
  async createPersonalAccessToken(request: { readonly memberId: number; readonly name: string }): Promise<string> {
    return await this.#services.keys.create(personalTokensOf(request.memberId), request, undefined)
  }

  /** What a deployment tells its admins about itself. Throws 404 `DeploymentNotFound`. */
  async describeDeployment(deploymentName: string): Promise<DeploymentDescription> {
    return await this.#store.read((tables) => describeDeployment(tables, deploymentName))
  }

  /** Code was pushed to a deployment. Throws 404 `DeploymentNotFound`. */
  async noteDeploy(deploymentName: string): Promise<void> {
    await this.#services.deploymentChanges.noteDeploy(deploymentName)
  }

  /**
   * Deletes deployments that have expired and what is no longer needed, and has live sessions of keys that have expired
   * end. Once `resumePending` is through it happens by itself, again and again; tests call it.
   */
  async sweep(): Promise<void> {
    await this.#services.deployments.deleteExpired()
    await this.#store.mutate('sweep creations', (tables) => sweepCreations(tables, this.#clock.nowMs()))
    this.#services.accessTokens.recheck()
  }

  /** Resolves when the storage has failed: close this control plane and open another. */
  get failed(): Promise<Error> {
    return this.#openStore.failed
  }

  /** Writes down what is only in memory and closes the storage. */
  async close(): Promise<void> {
    clearInterval(this.#flushTimer)
    clearInterval(this.#sweepTimer)
    await this.#flushing
    await this.#sweeping
    await this.#flushLastUsed()
    await this.#openStore.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #trySweep(): Promise<void> {
    try {
      await this.sweep()
    } catch (error) {
      this.#log.error({ err: error }, 'Could not delete what has expired; it is tried again.')
    }
  }

  async #flushLastUsed(): Promise<void> {
    try {
      await this.#services.accessTokens.flushLastUsed()
    } catch (error) {
      this.#log.warn({ err: error }, 'Could not write the times of last use; they are kept for the next attempt.')
    }
  }
}
