/** One running deployment: its database, functions, sync sessions and HTTP doors, put together. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Log, Random } from '@concave/base'
import type { Blobs } from '@concave/blobs'
import { Database, RetentionWorker, SchemaWorker } from '@concave/database'
import { type NodeHandler, type RouteHandler, Router, serveRoutes } from '@concave/http'
import {
  ActionExecutor,
  Analyzer,
  type Egress,
  Executor,
  NodeActionExecutor,
  NodeAnalyzer,
  type NodeProvider,
  type RunnerPool,
} from '@concave/runtime'
import type { Storage } from '@concave/storage'
import { SyncServer } from '@concave/sync'
import { Access, type KeyVerifier } from './access.ts'
import { AuthConfiguration } from './auth/auth-configuration.ts'
import { fetchDocument, withOwnOrigins } from './auth/fetch-document.ts'
import { ProviderKeys } from './auth/provider-keys.ts'
import { SigningKeys } from './auth/signing-keys.ts'
import { openUserTokens } from './auth/user-tokens.ts'
import { addAdminRoutes, type DeploymentInfo } from './api/admin-routes.ts'
import { addComponentRoutes } from './api/component-routes.ts'
import { addContractRoutes } from './api/contract-routes.ts'
import { addFunctionRoutes } from './api/function-routes.ts'
import { addJobRoutes } from './api/job-routes.ts'
import { addKeyRoutes, openKeyDocuments } from './api/key-routes.ts'
import { addPushRoutes } from './api/push-routes.ts'
import { addServiceRoutes } from './api/service-routes.ts'
import { openOwnSite } from './api/own-site.ts'
import { createSiteHandler, isHttpActionTarget } from './api/site-handler.ts'
import { CallPermissions } from './call-permissions.ts'
import { changeEnvironmentVariables } from './environment/environment-variables.ts'
import { FileCollector } from './files/file-collector.ts'
import { addFileRoutes } from './files/file-routes.ts'
import { fileTables } from './files/file-rows.ts'
import { FileStore } from './files/file-store.ts'
import { CodeRegistry } from './functions/code-registry.ts'
import { FunctionService } from './functions/function-service.ts'
import { HttpActionService } from './functions/http-action-service.ts'
import { deploymentLimits } from './limits.ts'
import { FunctionLog } from './logs/function-log.ts'
import { withPermissions } from './permitted-backend.ts'
import { PushService } from './push/push-service.ts'
import { Scheduler } from './scheduler/scheduler.ts'
import { SystemFunctions } from './system/system-functions.ts'

export type DeploymentOptions = {
  readonly name: string
  /** Origins, without a trailing slash: of the API, and of HTTP actions. */
  readonly url: string
  readonly siteUrl: string
  /** Callers without an admin key learn neither error texts nor log lines (production). */
  readonly isRedacted: boolean
  /** Not yet opened; the deployment opens and closes it. */
  readonly storage: Storage
  /** Contents of stored files; of this deployment alone. */
  readonly blobs: Blobs
  readonly keys: KeyVerifier
  /** What the control plane knows of it; absent without one. */
  readonly describe?: () => Promise<DeploymentInfo>
  /** Called when new code has gone live. */
  readonly onDeployed?: () => void
  readonly runners: RunnerPool
  /** Makes the network requests of actions. */
  readonly egress: Egress
  /** What Node actions run in. */
  readonly node: NodeProvider
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const version = 'concave-0.1.0'

export class Deployment {
  /** Resolves when it has closed, or has ended because storage failed: then open it again. */
  readonly ended: Promise<void>
  readonly #database: Database
  readonly #executor: Executor
  readonly #actions: ActionExecutor
  readonly #nodeActions: NodeActionExecutor
  readonly #schemas: SchemaWorker
  readonly #retention: RetentionWorker
  readonly #files: FileStore
  readonly #fileCollector: FileCollector
  readonly #functions: FunctionService
  readonly #scheduler: Scheduler
  readonly #sync: SyncServer
  readonly #authConfiguration: AuthConfiguration
  readonly #api: NodeHandler
  readonly #httpActions: HttpActionService
  readonly #site: NodeHandler
  readonly #siteBelowApi: NodeHandler
  readonly #log: Log
  readonly #end: () => void
  readonly #clock: Clock
  #nextDueMs: number | null | undefined
  #requests = 0
  #lastUsedMs: number
  #closing: Promise<void> | undefined

  static async open(options: DeploymentOptions): Promise<Deployment> {
    const database = await Database.open({ ...options, tables: fileTables })
    const deployment = new Deployment(options, database)
    try {
      await deployment.#authConfiguration.catchUp(database)
    } catch (error) {
      // Everything else works; the providers stay as they were.
      options.log.error({ err: error }, 'The auth configuration could not be evaluated with the new URLs.')
    }
    return deployment
  }

  private constructor(options: DeploymentOptions, database: Database) {
    const { name, url, siteUrl, isRedacted, blobs, clock, random, log, runners } = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
    this.#log = log
    this.#clock = clock
    this.#lastUsedMs = clock.monotonicMs()
    this.#database = database
    this.#executor = new Executor({ pool: runners, log, clock })
    this.#actions = new ActionExecutor({ pool: runners, egress: options.egress, log, clock })
    const { egress, node } = options
    this.#nodeActions = new NodeActionExecutor({ provider: node, egress, log, clock })
    this.#schemas = SchemaWorker.start({ database, clock, log })
    this.#retention = RetentionWorker.start({ database, clock, log })
    this.#files = new FileStore({ database, blobs, clock, random, url })
    this.#fileCollector = FileCollector.start({ database, blobs, files: this.#files, clock, log })
    const functionLog = new FunctionLog({
      clock,
      capacity: deploymentLimits.functionLogEntries,
      maxCharacters: deploymentLimits.functionLogCharacters,
    })
    const builtInVariables = { CONVEX_CLOUD_URL: url, CONVEX_SITE_URL: siteUrl }
    const registry = new CodeRegistry({ database, builtInVariables })
    const signingKeys = new SigningKeys({ database, clock, issuer: url })
    const fetchDiscovery = withOwnOrigins(
      new Map([
        [url, openKeyDocuments(signingKeys)],
        [siteUrl, openOwnSite(() => this.#httpActions)],
      ]),
      fetchDocument,
    )
    const verifyUserToken = openUserTokens({
      providers: async () => await registry.authProviders(database.begin('query')),
      keys: new ProviderKeys({ fetchDiscovery, clock, log }),
      clock,
    })
    const access = new Access({ deploymentName: name, keys: options.keys, verifyUserToken })
    const system = new SystemFunctions({ registry, files: this.#files, url, siteUrl })
    this.#functions = new FunctionService({
      deploymentName: name,
      isRedacted,
      database,
      files: this.#files,
      executor: this.#executor,
      actionExecutor: this.#actions,
      nodeExecutor: this.#nodeActions,
      registry,
      system,
      access,
      signingKeys,
      functionLog,
      clock,
    })
    this.#scheduler = Scheduler.start({ database, functions: this.#functions, registry, clock, log })
    const analyzer = new Analyzer({ pool: runners, log, clock })
    this.#authConfiguration = new AuthConfiguration({ registry, analyzer })
    const pushes = new PushService({
      database,
      analyzer,
      onLive: async (requirements) => {
        try {
          await node.setUser(name, requirements)
        } catch (error) {
          log.error({ err: error }, 'External packages of Node actions may be removed although they are used.')
        }
      },
      nodeAnalyzer: new NodeAnalyzer({ provider: node, egress, log }),
      registry,
      clock,
      onActions: () => this.#actions.warm(),
    })
    const permissions = new CallPermissions({ database, registry, system })
    this.#sync = new SyncServer({ backend: withPermissions(this.#functions, permissions), clock, log })

    const router = new Router<RouteHandler>()
    addKeyRoutes(router, signingKeys)
    addContractRoutes(router)
    addServiceRoutes(router, { deploymentName: name, version })
    addFunctionRoutes(router, { functions: this.#functions, access, permissions })
    addFileRoutes(router, { files: this.#files })
    addAdminRoutes(router, {
      access,
      database,
      functionLog,
      authConfiguration: this.#authConfiguration,
      url,
      siteUrl,
      describe: options.describe,
    })
    addComponentRoutes(router, { access, database })
    addJobRoutes(router, { access, database, clock })
    addPushRoutes(router, { access, pushes, onDeployed: options.onDeployed })
    this.#api = serveRoutes({ router, log, cors: { allowCredentials: true } })
    this.#httpActions = new HttpActionService({
      deploymentName: name,
      isRedacted,
      database,
      files: this.#files,
      actionExecutor: this.#actions,
      registry,
      functionLog,
      clock,
      access,
      functions: this.#functions,
    })
    this.#site = createSiteHandler({ httpActions: this.#httpActions, log }, { hasPrefix: false })
    this.#siteBelowApi = createSiteHandler({ httpActions: this.#httpActions, log }, { hasPrefix: true })
    void database.failed.then((error) => this.#fail(error))
  }

  /** How long nobody has used it: no request, no session, no action, no schema work, nothing due. 0 while somebody does. */
  idleMs(): number {
    const isUsed =
      this.#requests > 0 ||
      this.#actions.size > 0 ||
      this.#nodeActions.size > 0 ||
      this.#sync.sessionCount > 0 ||
      this.#schemas.isBusy ||
      this.#scheduler.isBusy
    if (isUsed) this.#lastUsedMs = this.#clock.monotonicMs()
    return this.#clock.monotonicMs() - this.#lastUsedMs
  }

  /** Once closed: when the first of what is scheduled is due, null for never; undefined while open, or if nobody knows. */
  get nextDueMs(): number | null | undefined {
    return this.#nextDueMs
  }

  /** Keys were revoked: sessions that live on one of them end. Requests are checked one by one anyway. */
  recheckKeys(): void {
    this.#sync.recheckAdmins()
  }

  /** Sets variables, durably: what a new deployment starts with. Throws 400 as a change by hand does. */
  async setEnvironment(variables: Readonly<Record<string, string>>): Promise<void> {
    const changes = Object.entries(variables).map(([name, value]) => ({ name, value }))
    await changeEnvironmentVariables(this.#database, changes, (tx) => this.#authConfiguration.reevaluate(tx))
  }

  handleApi(request: IncomingMessage, response: ServerResponse): void {
    this.#track(response)
    if (isHttpActionTarget(request.url ?? '/')) this.#siteBelowApi(request, response)
    else this.#api(request, response)
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sync.handleUpgrade(request, socket, head)
  }

  handleSite(request: IncomingMessage, response: ServerResponse): void {
    this.#track(response)
    this.#site(request, response)
  }

  /** Sockets first, then what runs, then storage: nothing acknowledged is lost. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown(1012, 'ServerShutdown')
    return this.#closing
  }

  #track(response: ServerResponse): void {
    this.#requests += 1
    response.once('close', () => {
      this.#requests -= 1
      this.#lastUsedMs = this.#clock.monotonicMs()
    })
  }

  /** Storage has failed: clients come back and repeat what is open, on a deployment that was opened again. */
  #fail(error: Error): void {
    if (this.#closing !== undefined) return
    this.#log.error({ err: error }, 'Storage failed; the deployment ends and is opened again.')
    this.#closing = this.#shutDown(1011, 'InternalServerError')
  }

  async #readNextDueMs(): Promise<number | null | undefined> {
    const { committer } = this.#database
    try {
      await committer.whenDurable(committer.appliedTs)
      return (await this.#scheduler.readNextDueMs()) ?? null
    } catch (error) {
      this.#log.debug({ err: error }, 'The next due time is not known; storage has failed.')
      return undefined
    }
  }

  async #shutDown(code: number, reason: string): Promise<void> {
    this.#sync.close(code, reason)
    this.#functions.close()
    this.#files.close()
    try {
      await this.#scheduler.stop()
      await this.#actions.close()
      await this.#nodeActions.close()
      await this.#schemas.stop()
      await this.#retention.stop()
      await this.#fileCollector.stop()
      await this.#executor.close()
      await this.#scheduler.drained()
      const nextDueMs = await this.#readNextDueMs()
      await this.#database.close()
      this.#nextDueMs = nextDueMs
    } catch (error) {
      this.#log.error({ err: error }, 'A deployment did not close cleanly.')
    } finally {
      this.#end()
    }
  }
}
