/**
 * The data plane of this process: every deployment's folder and ports, and the deployments that are open. An idle one is
 * a folder and two listening ports; the first request or what it has scheduled opens it, and it is opened again after a
 * storage failure.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Log, NotFound, type Random } from '@concave/base'
import { DiskBlobs } from '@concave/blobs'
import type { DeploymentSettings, DeploymentType, DeploymentUrls, Provisioner } from '@concave/control-plane'
import { Deployment, type DeploymentInfo, type KeyVerifier } from '@concave/deployment'
import { errorReply, sendReply } from '@concave/http'
import type { Egress, NodeProvider, RunnerPool } from '@concave/runtime'
import { type CommitterPool, SqliteStorage } from '@concave/storage'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readDeploymentState, writeDeploymentState } from './deployment-state.ts'
import { type ListeningPair, type PortPair, PortRange } from './port-range.ts'
import { publicHost } from './public-host.ts'
import { WakeTimes } from './wake-times.ts'

/** `deployment.json` in a deployment's folder. */
type Manifest = {
  readonly name: string
  readonly type: DeploymentType
  readonly ports: PortPair
  /** Absent in manifests of early versions: as its type has it. */
  readonly isRedacted?: boolean
}

type Hosted = {
  manifest: Manifest
  readonly listening: ListeningPair
  /** Present while open or opening. */
  open: Promise<Deployment> | undefined
  /** The end of the one before, which still holds the storage. */
  closing: Promise<void> | undefined
  /** How often in a row it could not be opened. */
  failures: number
}

/** After so long without use a deployment is closed, and how often that is looked at. */
const idleTimeoutMs = 300_000
const idleCheckMs = 30_000
/**
 * A deployment that failed, or could not be opened, is opened again after so long, whether anybody asks for it or not;
 * later each time that it cannot be opened.
 */
const minReopenMs = 2000
const maxReopenMs = 600_000

const manifestFile = 'deployment.json'
const databaseFile = 'data.sqlite'
/** Contents of stored files. */
const filesFolder = 'files'

export class DeploymentHost implements Provisioner {
  readonly #folder: string
  readonly #host: string
  readonly #ports: PortRange
  readonly #keysOf: (deploymentName: string) => KeyVerifier
  readonly #describe: (deploymentName: string) => Promise<DeploymentInfo>
  readonly #onDeployed: (deploymentName: string) => void
  readonly #deps: {
    readonly clock: Clock
    readonly random: Random
    readonly log: Log
    readonly runners: RunnerPool
    readonly egress: Egress
    readonly node: NodeProvider
    readonly committers: CommitterPool
  }
  readonly #hosted = new Map<string, Hosted>()
  readonly #idleTimeoutMs: number
  readonly #idleCheck: NodeJS.Timeout
  readonly #wakeTimes: WakeTimes
  /** Deployments are woken one after the other. */
  #waking: Promise<void> = Promise.resolve()
  #isClosing = false

  constructor(options: {
    readonly folder: string
    readonly host: string
    readonly ports: { readonly first: number; readonly last: number }
    readonly keysOf: (deploymentName: string) => KeyVerifier
    readonly describe: (deploymentName: string) => Promise<DeploymentInfo>
    /** New code has gone live on a deployment. */
    readonly onDeployed: (deploymentName: string) => void
    readonly clock: Clock
    readonly random: Random
    readonly log: Log
    readonly runners: RunnerPool
    readonly egress: Egress
    readonly node: NodeProvider
    readonly committers: CommitterPool
    readonly idleTimeoutMs?: number
  }) {
    this.#folder = options.folder
    this.#host = options.host
    this.#ports = new PortRange({ host: options.host, ...options.ports })
    this.#keysOf = options.keysOf
    this.#describe = options.describe
    this.#onDeployed = options.onDeployed
    this.#deps = options
    this.#idleTimeoutMs = options.idleTimeoutMs ?? idleTimeoutMs
    this.#wakeTimes = new WakeTimes({
      clock: options.clock,
      wake: (name) => {
        this.#waking = this.#waking.then(() => this.#wake(name))
      },
    })
    this.#idleCheck = setInterval(() => void this.closeIdle(), Math.min(idleCheckMs, this.#idleTimeoutMs)).unref()
  }

  /** Listens for every deployment there is. Those that a crash left open are opened soon, others when they have to. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    for (const name of await readdir(this.#folder)) {
      const text = await readFile(join(this.#folder, name, manifestFile), 'utf8').catch(ignoreMissing)
      if (text === undefined) continue
      const manifest = JSON.parse(text) as Manifest
      await this.#listen(manifest, manifest.ports)
      const state = await readDeploymentState(join(this.#folder, name))
      this.#wakeTimes.set(manifest.name, state.isOpen ? this.#deps.clock.nowMs() : (state.nextDueMs ?? undefined))
    }
  }

  /** Idempotent: a deployment that exists already is answered as it is. */
  async create(
    request: DeploymentSettings & { readonly name: string; readonly environment: Readonly<Record<string, string>> },
  ): Promise<DeploymentUrls> {
    const { name, environment } = request
    const { manifest } = this.#hosted.get(name) ?? (await this.#provision(name, request))
    if (Object.keys(environment).length > 0) await (await this.#get(name)).setEnvironment(environment)
    return this.#urls(manifest.ports)
  }

  /** An open deployment closes, and the next request opens it with the new settings. */
  async configure(name: string, settings: DeploymentSettings): Promise<void> {
    const hosted = this.#hosted.get(name)
    if (hosted === undefined) throw notHere(name)
    const { type, isRedacted } = settings
    if (hosted.manifest.type === type && isRedactedBy(hosted.manifest) === isRedacted) return
    hosted.manifest = { ...hosted.manifest, type, isRedacted }
    await writeManifest(join(this.#folder, name), hosted.manifest)
    const deployment = await hosted.open?.catch(() => undefined)
    if (deployment === undefined) return
    hosted.open = undefined
    hosted.closing = this.#closeOne(hosted, deployment)
    await hosted.closing
  }

  urlOf(name: string): DeploymentUrls {
    const hosted = this.#hosted.get(name)
    if (hosted === undefined) throw notHere(name)
    return this.#urls(hosted.manifest.ports)
  }

  /** Idempotent: closes the deployment and removes its folder. */
  async remove(name: string): Promise<void> {
    const hosted = this.#hosted.get(name)
    this.#hosted.delete(name)
    this.#wakeTimes.set(name, undefined)
    if (hosted !== undefined) {
      await hosted.listening.close()
      await (await hosted.open?.catch(() => undefined))?.close()
      await hosted.closing
    }
    await rm(join(this.#folder, name), { recursive: true, force: true })
    await this.#deps.node.removeUser(name)
  }

  /** Keys were revoked: open admin sessions are checked again. */
  recheckKeys(): void {
    for (const { open } of this.#hosted.values()) {
      void open?.then(
        (deployment) => deployment.recheckKeys(),
        () => undefined,
      )
    }
  }

  /** Closes deployments that nobody uses: an idle one holds no process and no open file. It wakes for what is due. */
  async closeIdle(): Promise<void> {
    for (const hosted of this.#hosted.values()) {
      const opening = hosted.open
      const deployment = await opening?.catch(() => undefined)
      if (deployment === undefined || hosted.open !== opening) continue
      if (deployment.idleMs() < this.#idleTimeoutMs) continue
      hosted.open = undefined
      hosted.closing = this.#closeOne(hosted, deployment)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#idleCheck)
    this.#isClosing = true
    this.#wakeTimes.close()
    await this.#waking
    const all = [...this.#hosted.values()]
    this.#hosted.clear()
    // Sessions first: their sockets would keep the servers from draining.
    await Promise.all(
      all.map(async (hosted) => {
        const deployment = await hosted.open?.catch(() => undefined)
        if (deployment !== undefined) await this.#closeOne(hosted, deployment)
      }),
    )
    await Promise.all(all.map(async (hosted) => await hosted.closing))
    await Promise.all(all.map((hosted) => hosted.listening.close()))
  }

  async #provision(name: string, { type, isRedacted }: DeploymentSettings): Promise<Hosted> {
    const folder = join(this.#folder, name)
    await mkdir(folder, { recursive: true })
    const hosted = await this.#listen({ name, type, isRedacted }, undefined)
    await writeManifest(folder, hosted.manifest)
    return hosted
  }

  async #listen(settings: Omit<Manifest, 'ports'>, ports: PortPair | undefined): Promise<Hosted> {
    const { name } = settings
    const listening = await this.#ports.listen(
      {
        api: (request, response) =>
          void this.#serve(name, request, response, (deployment) => deployment.handleApi(request, response)),
        site: (request, response) =>
          void this.#serve(name, request, response, (deployment) => deployment.handleSite(request, response)),
        onUpgrade: (request, socket, head) => {
          this.#get(name).then(
            (deployment) => deployment.handleUpgrade(request, socket, head),
            (error: unknown) => {
              this.#deps.log.error({ err: error, deployment: name }, 'Could not open a deployment.')
              socket.destroy()
            },
          )
        },
      },
      ports,
    )
    const hosted: Hosted = {
      manifest: { ...settings, ports: listening.ports },
      listening,
      open: undefined,
      closing: undefined,
      failures: 0,
    }
    this.#hosted.set(name, hosted)
    return hosted
  }

  async #serve(
    name: string,
    request: IncomingMessage,
    response: ServerResponse,
    handle: (deployment: Deployment) => void,
  ): Promise<void> {
    try {
      handle(await this.#get(name))
    } catch (error) {
      request.resume()
      await sendReply(response, errorReply(error, { log: this.#deps.log, requestId: name }))
    }
  }

  /** The open deployment, opening it if need be. */
  #get(name: string): Promise<Deployment> {
    const hosted = this.#hosted.get(name)
    if (hosted === undefined || this.#isClosing) {
      return Promise.reject(notHere(name))
    }
    if (hosted.open === undefined) {
      const opening = this.#open(hosted)
      hosted.open = opening
      // What it has scheduled must not wait for a request.
      const openAgain = (): void => {
        if (hosted.open !== opening) return
        hosted.open = undefined
        const delayMs = Math.min(minReopenMs * 2 ** hosted.failures, maxReopenMs)
        if (!this.#isClosing) this.#wakeTimes.set(name, this.#deps.clock.nowMs() + delayMs)
      }
      opening.then(
        (deployment) => {
          hosted.failures = 0
          void deployment.ended.then(openAgain)
        },
        () => {
          openAgain()
          hosted.failures += 1
        },
      )
    }
    return hosted.open
  }

  async #wake(name: string): Promise<void> {
    if (this.#isClosing || !this.#hosted.has(name)) return
    try {
      await this.#get(name)
    } catch (error) {
      this.#deps.log.error({ err: error, deployment: name }, 'Could not open a deployment; it is tried again.')
    }
  }

  /** Closes it and durably notes when it has to be opened again. */
  async #closeOne({ manifest: { name } }: Hosted, deployment: Deployment): Promise<void> {
    await deployment.close()
    const { nextDueMs } = deployment
    // Unknown: it stays marked as open.
    if (nextDueMs === undefined) return
    if (!this.#isClosing) this.#wakeTimes.set(name, nextDueMs ?? undefined)
    try {
      await writeDeploymentState(join(this.#folder, name), { isOpen: false, nextDueMs })
    } catch (error) {
      this.#deps.log.error({ err: error, deployment: name }, 'A closed deployment stays marked as open on disk.')
    }
  }

  async #open(hosted: Hosted): Promise<Deployment> {
    await hosted.closing
    const { name, ports } = hosted.manifest
    this.#wakeTimes.set(name, undefined)
    await writeDeploymentState(join(this.#folder, name), { isOpen: true })
    const { clock, random, runners, egress, node, committers } = this.#deps
    const log = this.#deps.log.child({ room: 'deployment', deployment: name })
    const { url, siteUrl } = this.#urls(ports)
    return await Deployment.open({
      name,
      url,
      siteUrl,
      isRedacted: isRedactedBy(hosted.manifest),
      describe: async () => await this.#describe(name),
      onDeployed: () => this.#onDeployed(name),
      storage: new SqliteStorage({ path: join(this.#folder, name, databaseFile), pool: committers }),
      blobs: await DiskBlobs.open({ folder: join(this.#folder, name, filesFolder) }),
      keys: this.#keysOf(name),
      runners,
      egress,
      node,
      clock,
      random,
      log,
    })
  }

  #urls(ports: PortPair): DeploymentUrls {
    const host = publicHost(this.#host)
    return { url: `http://${host}:${ports.api}`, siteUrl: `http://${host}:${ports.site}` }
  }
}

/** Durable when it resolves. */
async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const draft = join(folder, `${manifestFile}.new`)
  await writeFile(draft, JSON.stringify(manifest), { flush: true })
  await rename(draft, join(folder, manifestFile))
}

function isRedactedBy({ type, isRedacted }: Manifest): boolean {
  return isRedacted ?? type === 'prod'
}

function notHere(name: string): NotFound {
  return new NotFound('DeploymentNotFound', `There is no deployment ${name} here (any more).`)
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined
  throw error
}
