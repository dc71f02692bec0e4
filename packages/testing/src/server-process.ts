/** The platform as a process of its own, for tests that kill it, and the operator's other commands. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pinnedNode, repositoryRoot, type RunningChild, startChild } from './child-process.ts'
import type { PortRange } from './test-server.ts'

const entry = join(repositoryRoot, 'packages/cli/src/main.ts')
const quiet = '--disable-warning=ExperimentalWarning'

export type ServerProcess = RunningChild & { readonly url: string }

/** Ready to serve when it resolves. Port 0 lets the system choose; start again with the port of `url` to keep it. */
export async function startServerProcess(options: {
  readonly dataDir: string
  readonly port: number
  readonly deploymentPorts: PortRange
  readonly bootstrapFile?: string
}): Promise<ServerProcess> {
  const { dataDir, port, deploymentPorts, bootstrapFile } = options
  const child = startChild(
    [
      quiet,
      entry,
      'serve',
      `--port=${port}`,
      `--data=${dataDir}`,
      `--deployment-ports=${deploymentPorts.first}-${deploymentPorts.last}`,
      ...(bootstrapFile === undefined ? [] : [`--bootstrap-file=${bootstrapFile}`]),
    ],
    { cwd: repositoryRoot, env: minimalEnvironment() },
  )
  try {
    const [, url = ''] = await child.waitForOutput(/Control plane {2}(http:\/\/\S+)/)
    await child.waitForOutput(/Press Ctrl-C to stop/)
    return { ...child, url }
  } catch (error) {
    await child.stop('SIGKILL')
    throw error
  }
}

/** What `npm run concave -- admin-key create …` runs. */
export async function runAdminKeyCreate(options: {
  readonly deployment: string
  readonly dataDir: string
  readonly isReadOnly?: boolean
}): Promise<{ readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = startChild(
    [
      quiet,
      entry,
      'admin-key',
      'create',
      options.deployment,
      `--data=${options.dataDir}`,
      ...(options.isReadOnly === true ? ['--read-only'] : []),
    ],
    { cwd: repositoryRoot, env: minimalEnvironment() },
  )
  const { code } = await child.exited
  return { exitCode: code, stdout: child.stdout(), stderr: child.stderr() }
}

/** What `npm run concave -- personal-token create` runs. */
export async function runPersonalTokenCreate(options: {
  readonly dataDir: string
}): Promise<{ readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }> {
  const args = [quiet, entry, 'personal-token', 'create', `--data=${options.dataDir}`, '--name=laptop']
  const child = startChild(args, { cwd: repositoryRoot, env: minimalEnvironment() })
  const { code } = await child.exited
  return { exitCode: code, stdout: child.stdout(), stderr: child.stderr() }
}

export type BootstrapFile = {
  readonly url: string
  readonly teamId: number
  readonly teamSlug: string
  readonly accessToken: string
}

export async function readBootstrapFile(path: string): Promise<BootstrapFile> {
  return JSON.parse(await readFile(path, 'utf8')) as BootstrapFile
}

function minimalEnvironment(): Record<string, string> {
  return { PATH: `${join(pinnedNode, '..')}:${process.env['PATH'] ?? ''}` }
}
