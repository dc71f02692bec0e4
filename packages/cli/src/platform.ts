/** What lives in the data directory, opened: the control plane's database, the secrets, the folders of deployments. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  assert,
  type Clock,
  createLog,
  type Log,
  NotFound,
  type Random,
  systemClock,
  systemRandom,
} from '@concave/base'
import { ControlPlane } from '@concave/control-plane'
import type { KeyVerdict } from '@concave/deployment'
import { NpmNodeProvider, ProcessEgress, RunnerPool } from '@concave/runtime'
import { CommitterPool, SqliteStorage } from '@concave/storage'
import { DeploymentHost } from './deployment-host.ts'
import { certificateEnvironment } from './certificate-environment.ts'
import { readNpmEnvironment } from './npm-environment.ts'
import { allowsPrivateFetch, type ServeConfig } from './options.ts'

const pepperBytes = 32

export type Platform = AsyncDisposable & { readonly controlPlane: ControlPlane }

/** The control plane alone, for commands on a data directory that no server uses. Deployments do not run. */
export async function openPlatform(options: {
  readonly dataDir: string
  readonly logLevel: ServeConfig['logLevel']
}): Promise<Platform> {
  const deps = { clock: systemClock, random: systemRandom, log: createLog({ level: options.logLevel }) }
  const committers = new CommitterPool({ log: deps.log })
  const notRunning = (): never => {
    throw new NotFound('ServerNotRunning', 'This needs a running server: start it with `npm start`.')
  }
  const provisioner = {
    create: async () => notRunning(),
    configure: async () => notRunning(),
    remove: async () => notRunning(),
    urlOf: notRunning,
  }
  const controlPlane = await openControlPlane({ ...deps, dataDir: options.dataDir, committers, provisioner })
  return {
    controlPlane,
    [Symbol.asyncDispose]: async () => {
      await controlPlane.close()
      await committers.close()
    },
  }
}

export type RunningPlatform = Platform & { readonly deployments: DeploymentHost; close(): Promise<void> }

/** The whole platform: control plane and data plane. Nothing listens for the control plane yet. */
export async function startPlatform(config: ServeConfig, log: Log): Promise<RunningPlatform> {
  const deps = { clock: systemClock, random: systemRandom, log }
  // Ends what was opened when a later part fails: a process that cannot serve must not linger.
  await using opened = new AsyncDisposableStack()
  const committers = new CommitterPool({ log })
  opened.defer(() => committers.close())
  const runners = opened.use(await RunnerPool.start({ log }))
  if (runners.openWalls.length > 0) {
    log.warn(
      { walls: runners.openWalls },
      'User code runs without these walls on this platform; do not run code you do not trust.',
    )
  }
  const egress = opened.use(
    new ProcessEgress({ allowsPrivate: allowsPrivateFetch(config), env: certificateEnvironment(), log }),
  )
  const nodeFolder = join(config.dataDir, 'node')
  const node = opened.use(new NpmNodeProvider({ ...deps, folder: nodeFolder, npmEnvironment: readNpmEnvironment() }))
  // Each needs the other: keys are looked up when the first request comes, long after both exist.
  let plane: ControlPlane | undefined
  const deployments = new DeploymentHost({
    ...deps,
    folder: join(config.dataDir, 'deployments'),
    host: config.host,
    ports: config.deploymentPorts,
    keysOf: (name) => ({
      verify: async (presented): Promise<KeyVerdict> => {
        const verdict = await plane?.verifyDeploymentKey(name, presented)
        if (verdict?.kind === 'ok') {
          const { keyId, isReadOnly, allowedActions } = verdict
          return { kind: 'ok', keyId: String(keyId), isReadOnly, allowedActions }
        }
        return { kind: verdict?.kind === 'otherDeployment' ? 'otherDeployment' : 'unknown' }
      },
    }),
    describe: async (name) => {
      assert(plane !== undefined, 'No request is served before the control plane is open.')
      return await plane.describeDeployment(name)
    },
    onDeployed: (name) => {
      plane?.noteDeploy(name).catch((error: unknown) => {
        log.warn({ err: error, deployment: name }, 'Could not note when code was pushed.')
      })
    },
    runners,
    egress,
    node,
    committers,
  })
  const controlPlane = await openControlPlane({
    ...deps,
    dataDir: config.dataDir,
    committers,
    provisioner: deployments,
  })
  opened.defer(() => controlPlane.close())
  plane = controlPlane
  opened.defer(controlPlane.onKeysChanged(() => deployments.recheckKeys()))
  opened.defer(() => deployments.close())
  await deployments.start()
  await controlPlane.resumePending()
  const running = opened.move()
  const close = async (): Promise<void> => await running.disposeAsync()
  return { controlPlane, deployments, close, [Symbol.asyncDispose]: close }
}

async function openControlPlane(options: {
  readonly dataDir: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly committers: CommitterPool
  readonly provisioner: Parameters<typeof ControlPlane.open>[0]['provisioner']
}): Promise<ControlPlane> {
  const { dataDir, clock, random, log, committers, provisioner } = options
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  return await ControlPlane.open({
    storage: new SqliteStorage({ path: join(dataDir, 'control-plane.sqlite'), pool: committers }),
    clock,
    random,
    log,
    pepper: await loadPepper(join(dataDir, 'pepper'), random),
    provisioner,
  })
}

/** The secret that token hashes are made with. It lives beside the database, not in it. */
async function loadPepper(path: string, random: Random): Promise<Uint8Array> {
  try {
    await writeFile(path, random.bytes(pepperBytes), { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  await chmod(path, 0o600)
  return new Uint8Array(await readFile(path))
}
