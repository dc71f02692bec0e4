/**
 * `concave local-backend install`: lays the launcher where the official command line keeps the backends that it has
 * downloaded, and prepares an app's folder so that it asks nobody for the newest of them (cli-protocol.md §2.4).
 */
import { lstat, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AlreadyExists, BadRequest, bytesToHex, systemClock, systemRandom } from '@concave/base'
import { InstanceKeys } from './instance-keys.ts'
import { localBackendOptions } from './options.ts'

/** In the form that the command line asks for; it compares the dates of two of them. */
export const localBackendVersion = 'precompiled-2026-11-22-concave'

const versionForm = /^precompiled-\d{4}-\d{2}-\d{2}-[\w.-]+$/
const launcher = fileURLToPath(new URL('../../bin/convex-local-backend', import.meta.url))
const secretBytes = 32

/** What the command line looks for in `.convex/local/default/config.json`. */
type LocalConfig = {
  readonly ports: { readonly cloud: number; readonly site: number }
  readonly backendVersion: string
  readonly adminKey: string
  readonly instanceSecret: string
  readonly deploymentName: string
}

const noDashboardPage = `<!doctype html>
<meta charset="utf-8">
<title>Concave</title>
<p>This local deployment is served by Concave, which has no dashboard yet. Use <code>npx convex data</code>.</p>
`

/** Answers what to tell the user. Throws `InvalidOption`, `UnsupportedPlatform`, `LocalDeploymentExists`. */
export async function installLocalBackend(options: {
  readonly projectDir: string | undefined
  /** `team:project`, of the control plane that the app belongs to; else its local deployment is anonymous. */
  readonly forProject?: string | undefined
  readonly version: string
  readonly home: string
  /** `CONVEX_PROVISION_HOST`, if it is set when the command line runs: it has a cache for each. */
  readonly provisionHost: string | undefined
}): Promise<string> {
  const { projectDir, forProject, version, home, provisionHost } = options
  if (process.platform === 'win32') {
    throw new BadRequest('UnsupportedPlatform', 'The local backend is a shell script and needs Linux or macOS.')
  }
  if (!versionForm.test(version)) {
    throw new BadRequest('InvalidOption', `--as ${JSON.stringify(version)} must look like ${localBackendVersion}.`)
  }
  const name = forProject === undefined ? undefined : localName(forProject)
  if (name !== undefined && projectDir === undefined) {
    throw new BadRequest('InvalidOption', '--for says whose the app in --project is: give that too.')
  }
  const cache = join(home, '.cache', cacheName(provisionHost))
  const link = await layLauncher(join(cache, 'binaries', version))
  await layDashboard(join(cache, 'dashboard'), version)
  const lines = [`Installed as ${link}.`]
  if (projectDir !== undefined) lines.push(`Set up ${await prepareProject(resolve(projectDir), version, name)}.`)
  lines.push('', 'In the folder of your app:', '', `  npx convex dev --local-backend-version ${version}`)
  return lines.join('\n')
}

/** cli-protocol.md §1.4: what is behind the second colon, as the command line splits it. */
function cacheName(provisionHost: string | undefined): string {
  if (provisionHost === undefined || provisionHost === '') return 'convex'
  const port = provisionHost.split(':')[2]
  return port === undefined || port === '8050' ? 'convex-test' : `convex-test-${port}`
}

async function layLauncher(folder: string): Promise<string> {
  const link = join(folder, 'convex-local-backend')
  await mkdir(folder, { recursive: true })
  const existing = await lstat(link).catch(ignoreMissing)
  if (existing !== undefined && !existing.isSymbolicLink()) {
    throw new AlreadyExists(
      'BackendExists',
      `${link} is another program. Remove it, or choose another version with --as.`,
    )
  }
  await rm(link, { force: true })
  await symlink(launcher, link)
  return link
}

/** Without a page of the same version the command line would look for one to download, and end when there is none. */
async function layDashboard(folder: string, version: string): Promise<void> {
  const config = join(folder, 'config.json')
  if ((await readFile(config, 'utf8').catch(ignoreMissing)) === JSON.stringify({ version })) return
  await rm(join(folder, 'out'), { recursive: true, force: true })
  await mkdir(join(folder, 'out'), { recursive: true })
  await writeFile(join(folder, 'out', 'index.html'), noDashboardPage)
  await writeFile(config, JSON.stringify({ version }))
}

/** Undefined: the command line would not understand the file either. */
function readVersion(config: string): string | undefined {
  try {
    return (JSON.parse(config) as Partial<LocalConfig>).backendVersion
  } catch {
    return undefined
  }
}

/** By this beginning the command line knows the local deployment of a project. */
function localName(forProject: string): string {
  const [team, project, ...rest] = forProject.split(':')
  const slug = /^[\w-]+$/
  if (rest.length > 0 || !slug.test(team ?? '') || !slug.test(project ?? '')) {
    throw new BadRequest('InvalidOption', `--for ${JSON.stringify(forProject)} must look like my-team:my-project.`)
  }
  return ['local', team, project].map((part) => part?.replaceAll('-', '_')).join('-')
}

async function prepareProject(projectDir: string, version: string, localName: string | undefined): Promise<string> {
  const folder = join(projectDir, '.convex', 'local', 'default')
  const path = join(folder, 'config.json')
  const existing = await readFile(path, 'utf8').catch(ignoreMissing)
  if (existing !== undefined) {
    const backendVersion = readVersion(existing)
    if (backendVersion === version) return folder
    throw new AlreadyExists(
      'LocalDeploymentExists',
      `${path} is the local deployment of another backend (${backendVersion ?? 'unknown'}). Its data can't be read here: ` +
        `export it with npx convex export, remove ${folder}, and install again.`,
    )
  }
  const instance = {
    name: localName ?? `anonymous-${basename(projectDir).replace(/[^A-Za-z0-9._-]/g, '-')}`,
    secret: bytesToHex(systemRandom.bytes(secretBytes)),
  }
  const config: LocalConfig = {
    ports: { cloud: localBackendOptions.port.default, site: localBackendOptions['site-proxy-port'].default },
    backendVersion: version,
    adminKey: new InstanceKeys(instance).create({ clock: systemClock, random: systemRandom }),
    instanceSecret: instance.secret,
    deploymentName: instance.name,
  }
  await mkdir(folder, { recursive: true })
  // The secret is not for the repository. An existing file stays as it is.
  await writeFile(join(projectDir, '.convex', '.gitignore'), '/*\n', { flag: 'wx' }).catch(ignoreExisting)
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  return folder
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

function ignoreExisting(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined
  throw error
}
