/**
 * One deployment in one process, without a control plane: what the official command line starts for its local and
 * anonymous modes, and test helpers of apps start by themselves. The data stands where it is told; keys are those that
 * the instance secret makes.
 */
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, join, resolve } from 'node:path'
import { AlreadyExists, type Log, PlatformError, systemClock, systemRandom } from '@concave/base'
import { DiskBlobs } from '@concave/blobs'
import { Deployment } from '@concave/deployment'
import { errorReply, type RunningServer, sendReply, startServer } from '@concave/http'
import { NpmNodeProvider, ProcessEgress, RunnerPool } from '@concave/runtime'
import { CommitterPool, DataLock, SqliteStorage } from '@concave/storage'
import { certificateEnvironment } from '../certificate-environment.ts'
import { readNpmEnvironment } from '../npm-environment.ts'
import { allowsPrivateFetch } from '../options.ts'
import { isAddressInUse } from '../port-range.ts'
import { InstanceKeys } from './instance-keys.ts'
import { KeptOpen } from './kept-open.ts'
import type { LocalBackendConfig } from './options.ts'

export type LocalBackend = AsyncDisposable & {
  /** Resolves if the storage failed and could not be opened again. */
  readonly failed: Promise<Error>
}

/** Throws `StorageInUse`, `StorageOpenFailed`, `PortInUse`. */
export async function startLocalBackend(config: LocalBackendConfig, log: Log): Promise<LocalBackend> {
  await using opened = new AsyncDisposableStack()
  const path = resolve(config.databasePath)
  const filesFolder = join(resolve(config.storageFolder), 'files')
  await makeFolder(dirname(path))
  await makeFolder(dirname(filesFolder))
  // Opening it throws away what is half written, so nobody else may be writing there.
  const filesLock = DataLock.acquire(filesFolder)
  opened.defer(() => filesLock.release())
  const committers = new CommitterPool({ log })
  opened.defer(() => committers.close())
  const runners = opened.use(await RunnerPool.start({ log }))
  if (runners.openWalls.length > 0) {
    log.warn({ walls: runners.openWalls }, 'User code runs without these walls on this platform.')
  }
  const { instance, url, siteUrl, host } = config
  const allowsPrivate = allowsPrivateFetch({ host, privateFetch: 'auto' })
  const egress = opened.use(new ProcessEgress({ allowsPrivate, env: certificateEnvironment(), log }))
  const nodeFolder = join(resolve(config.storageFolder), 'node')
  const node = opened.use(
    new NpmNodeProvider({ folder: nodeFolder, npmEnvironment: readNpmEnvironment(), clock: systemClock, log }),
  )
  const deployment = await KeptOpen.start(async () => {
    return await Deployment.open({
      name: instance.name,
      url,
      siteUrl,
      isRedacted: false,
      storage: new SqliteStorage({ path, pool: committers }),
      blobs: await DiskBlobs.open({ folder: filesFolder }),
      keys: new InstanceKeys(instance),
      runners,
      egress,
      node,
      clock: systemClock,
      random: systemRandom,
      log: log.child({ room: 'deployment', deployment: instance.name }),
    })
  })
  // Whatever else fails below, the data is closed.
  opened.defer(() => deployment.close())
  const serve = (request: IncomingMessage, response: ServerResponse, handle: (open: Deployment) => void): void => {
    deployment.current.then(handle).catch(async (error: unknown) => {
      request.resume()
      await sendReply(response, errorReply(error, { log, requestId: 'local-backend' }))
    })
  }
  // Listened to only now: whoever gets an answer knows that the data is open.
  const servers = new AsyncDisposableStack()
  opened.use(servers)
  servers.use(
    await listen(config.host, config.port, '--port', {
      handler: (request, response) => serve(request, response, (open) => open.handleApi(request, response)),
      onUpgrade: (request, socket, head) => {
        deployment.current.then(
          (open) => open.handleUpgrade(request, socket, head),
          () => socket.destroy(),
        )
      },
    }),
  )
  servers.use(
    await listen(config.host, config.sitePort, '--site-proxy-port', {
      handler: (request, response) => serve(request, response, (open) => open.handleSite(request, response)),
    }),
  )
  // Sessions first: their sockets would keep the servers from draining.
  opened.defer(() => deployment.close())
  const running = opened.move()
  return { failed: deployment.failed, [Symbol.asyncDispose]: async () => await running.disposeAsync() }
}

async function listen(
  host: string,
  port: number,
  flag: string,
  handlers: Pick<Parameters<typeof startServer>[0], 'handler' | 'onUpgrade'>,
): Promise<RunningServer> {
  try {
    return await startServer({ host, port, ...handlers })
  } catch (error) {
    if (!isAddressInUse(error)) throw error
    throw new AlreadyExists(
      'PortInUse',
      `Port ${port} of ${host} is in use or not allowed. Stop the program that has it, or choose another with ${flag}.`,
      { cause: error },
    )
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new PlatformError(500, 'StorageOpenFailed', `The folder ${folder} could not be made: ${why}`, {
      cause: error,
    })
  }
}
