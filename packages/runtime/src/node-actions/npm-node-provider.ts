/**
 * Versions of Node and external packages of Node actions, from the npm registry. They lie in one folder of the data
 * directory, each set of packages and each version once, whoever asked for it, and are removed when no deployment's live
 * code needs them any more.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BadRequest, type Clock, type Log } from '@concave/base'
import { runtimeLimits } from '../limits.ts'
import { copyByLinks } from './exposed-copy.ts'
import type { ExternalPackage, NodeInstallation, NodeProvider, NodeRequirements } from './node-action.ts'
import { installWithNpm, NpmFailure } from './npm-client.ts'
import { packageSetId } from './package-set.ts'

export type NpmNodeProviderOptions = {
  readonly folder: string
  /** What npm sees of the environment: `PATH` and its own settings. */
  readonly npmEnvironment: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
}

/** One thing that is installed: a folder with a `package.json` and `node_modules`. */
type Wanted = {
  readonly kind: 'packages' | 'versions'
  readonly id: string
  readonly packages: readonly ExternalPackage[]
}

const supportedVersions = ['20', '22', '24']
const namePattern = /^(@[a-zA-Z0-9~-][\w.~-]*\/)?[a-zA-Z0-9~-][\w.~-]*$/
const versionPattern = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/

export class NpmNodeProvider implements NodeProvider, AsyncDisposable {
  readonly #folder: string
  readonly #npmEnvironment: Readonly<Record<string, string>>
  readonly #clock: Clock
  readonly #log: Log
  readonly #installing = new Map<string, Promise<string>>()
  readonly #exposing = new Map<string, Promise<string>>()
  /** npm runs once at a time, and nothing is removed meanwhile. */
  #turn: Promise<unknown> = Promise.resolve()
  #exposedFolder: Promise<string> | undefined

  constructor(options: NpmNodeProviderOptions) {
    this.#folder = options.folder
    this.#npmEnvironment = options.npmEnvironment
    this.#clock = options.clock
    this.#log = options.log
  }

  async provide({ nodeVersion, packages }: NodeRequirements): Promise<NodeInstallation> {
    const nodePath = await this.#provideNode(nodeVersion)
    const id = packageSetId(packages)
    if (id === undefined) return { nodePath, packagesFolder: undefined }
    for (const one of packages) checkPackage(one)
    const folder = await this.#install({ kind: 'packages', id, packages })
    const packagesFolder = join(process.getuid?.() === 0 ? await this.#expose(id, folder) : folder, 'node_modules')
    return { nodePath, packagesFolder }
  }

  async setUser(user: string, { nodeVersion, packages }: NodeRequirements): Promise<void> {
    const used = [
      ...(nodeVersion === undefined ? [] : [`versions/${nodeVersion}`]),
      ...(packages.length === 0 ? [] : [`packages/${packageSetId(packages)}`]),
    ]
    if (used.length === 0) return await this.removeUser(user)
    await mkdir(join(this.#folder, 'users'), { recursive: true })
    await writeFile(join(this.#folder, 'users', `${user}.json`), JSON.stringify(used))
    await this.#inTurn(() => this.#collect())
  }

  async removeUser(user: string): Promise<void> {
    await rm(join(this.#folder, 'users', `${user}.json`), { force: true })
    await this.#inTurn(() => this.#collect())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn
    const exposed = await this.#exposedFolder
    if (exposed !== undefined) await rm(exposed, { recursive: true, force: true })
  }

  async #provideNode(version: string | undefined): Promise<string> {
    if (version === undefined || version === process.versions.node.split('.')[0]) return process.execPath
    if (!supportedVersions.includes(version)) {
      throw new BadRequest(
        'UnsupportedNodeVersion',
        `Node.js ${version} is not supported. Set node.nodeVersion in convex.json to one of ${supportedVersions.join(', ')}.`,
      )
    }
    const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
    const folder = await this.#install({ kind: 'versions', id: version, packages: [{ name, version }] })
    const program = process.platform === 'win32' ? 'node.exe' : 'node'
    return join(folder, 'node_modules', name, 'bin', program)
  }

  /** The folder, installed now if it was not before. */
  #install(wanted: Wanted): Promise<string> {
    const key = `${wanted.kind}/${wanted.id}`
    const running = this.#installing.get(key) ?? this.#installOnce(wanted, key)
    this.#installing.set(key, running)
    return running.finally(() => this.#installing.delete(key))
  }

  async #installOnce(wanted: Wanted, key: string): Promise<string> {
    const folder = join(this.#folder, key)
    const nowSeconds = this.#clock.nowMs() / 1000
    try {
      // Collecting spares what was asked for lately.
      await utimes(folder, nowSeconds, nowSeconds)
      return folder
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    await this.#inTurn(() => this.#download(wanted, folder))
    return folder
  }

  async #download({ kind, id, packages }: Wanted, folder: string): Promise<void> {
    const draft = `${folder}.${process.pid}.new`
    this.#log.info({ kind, id }, 'Installing what a push needs for its Node actions.')
    await rm(draft, { recursive: true, force: true })
    await mkdir(draft, { recursive: true, mode: 0o755 })
    try {
      const dependencies = Object.fromEntries(packages.map(({ name, version }) => [name, version]))
      await writeFile(join(draft, 'package.json'), JSON.stringify({ name: 'concave', private: true, dependencies }))
      await installWithNpm({
        folder: draft,
        timeMs: runtimeLimits.npmInstallMs,
        environment: { ...this.#npmEnvironment, npm_config_cache: join(this.#folder, 'npm-cache') },
      })
      if (kind === 'versions') await checkNode(draft, packages)
      const bytes = await sizeOf(draft)
      if (kind === 'packages' && bytes > runtimeLimits.maxExternalPackagesBytes) {
        const limitMb = runtimeLimits.maxExternalPackagesBytes / 1_048_576
        throw new NpmFailure(`they take ${Math.ceil(bytes / 1_048_576)} MiB together, and the limit is ${limitMb} MiB.`)
      }
      await rename(draft, folder)
    } catch (error) {
      if (!(error instanceof NpmFailure)) throw error
      throw refusal(kind, packages, error)
    } finally {
      await rm(draft, { recursive: true, force: true })
      await rm(join(this.#folder, 'npm-cache'), { recursive: true, force: true })
    }
  }

  /** Processes of another user cannot pass through the data directory. */
  #expose(id: string, folder: string): Promise<string> {
    const before = this.#exposing.get(id) ?? Promise.resolve(undefined)
    const exposing = before.then(async (known) => {
      // Folders for temporary files are cleaned by others, too.
      if (known !== undefined && existsSync(join(known, 'node_modules'))) return known
      return await this.#exposeOnce(id, folder)
    })
    this.#exposing.set(id, exposing)
    exposing.catch(() => this.#exposing.delete(id))
    return exposing
  }

  async #exposeOnce(id: string, folder: string): Promise<string> {
    this.#exposedFolder ??= makeExposedFolder()
    const base = await this.#exposedFolder
    await mkdir(base, { recursive: true, mode: 0o711 })
    const target = join(base, `${id}-${randomBytes(4).toString('hex')}`)
    await copyByLinks(folder, target)
    return target
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run)
    this.#turn = turn.catch(() => undefined)
    return await turn
  }

  /** Removes what no deployment uses, and no push has asked for lately. */
  async #collect(): Promise<void> {
    const used = new Set<string>()
    for (const name of await list(join(this.#folder, 'users'))) {
      const text = await readFile(join(this.#folder, 'users', name), 'utf8')
      for (const key of JSON.parse(text) as string[]) used.add(key)
    }
    for (const kind of ['packages', 'versions']) {
      for (const id of await list(join(this.#folder, kind))) {
        const path = join(this.#folder, kind, id)
        const { mtimeMs } = await stat(path)
        if (used.has(`${kind}/${id}`) || this.#clock.nowMs() - mtimeMs < runtimeLimits.unusedPackagesMs) continue
        await rm(path, { recursive: true, force: true })
      }
    }
  }
}

function checkPackage({ name, version }: ExternalPackage): void {
  if (namePattern.test(name) && versionPattern.test(version)) return
  throw new BadRequest(
    'InvalidExternalPackage',
    `${name}@${version} is not the name and exact version of a package in the npm registry.`,
  )
}

function refusal(kind: Wanted['kind'], packages: readonly ExternalPackage[], error: NpmFailure): BadRequest {
  const [first] = packages
  if (kind === 'versions') {
    return new BadRequest(
      'NodeVersionNotAvailable',
      `Node.js ${first?.version} could not be had from the npm registry: ${error.message}`,
      { cause: error },
    )
  }
  const named = packages.filter(({ name }) => error.message.includes(name))
  const shown = (named.length === 0 ? packages : named).map(({ name, version }) => `${name}@${version}`).join(', ')
  return new BadRequest(
    'ExternalPackagesNotAvailable',
    `The external packages of your Node actions could not be installed: ${shown}. ${error.message}`,
    { cause: error },
  )
}

/** A version for another C library installs, but does not run. */
async function checkNode(folder: string, packages: readonly ExternalPackage[]): Promise<void> {
  for (const { name } of packages) {
    const program = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    try {
      await promisify(execFile)(program, ['--version'], { env: {} })
    } catch (error) {
      throw new NpmFailure('it does not run on this machine.', { cause: error })
    }
  }
}

async function makeExposedFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'concave-packages-'))
  await chmod(folder, 0o711)
  return folder
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
