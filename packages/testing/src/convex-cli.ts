/**
 * The official, unmodified CLI as a child process: own home folder, an environment that holds nothing but what is named
 * here, no host but ours within its reach.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AppFolder } from './app-folder.ts'
import { pinnedNode, repositoryRoot, type RunningChild, startChild } from './child-process.ts'

/** Environment variables by which the CLI finds a deployment. */
export type CliAccess = Readonly<Record<string, string>>

/** Nothing listens there: a call to a host that is not ours fails at once. */
const nowhere = 'http://127.0.0.1:1'

export function deployKeyAccess(server: { readonly url: string }, deployKey: string): CliAccess {
  return { CONVEX_PROVISION_HOST: server.url, CONVEX_VERSION_API_ORIGIN: server.url, CONVEX_DEPLOY_KEY: deployKey }
}

/** Without any control plane. */
export function selfHostedAccess(deploymentUrl: string, adminKey: string): CliAccess {
  return {
    CONVEX_PROVISION_HOST: nowhere,
    CONVEX_VERSION_API_ORIGIN: nowhere,
    CONVEX_SELF_HOSTED_URL: deploymentUrl,
    CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey,
  }
}

export type CliRun = {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export type RunningCli = RunningChild

export type Cli = {
  /** To the end. Does not throw for a failing command. */
  run(...args: string[]): Promise<CliRun>
  /** To the end; throws with all output unless it succeeds. */
  succeed(...args: string[]): Promise<CliRun>
  /** For commands that go on until they are stopped. */
  start(...args: string[]): RunningCli
}

const cliEntry = join(repositoryRoot, 'node_modules/convex/bin/main.js')

export async function openCli(app: AppFolder, access: CliAccess): Promise<Cli> {
  const home = join(app.path, '.home')
  await mkdir(home, { recursive: true })
  const env = { PATH: `${dirname(pinnedNode)}:/usr/bin:/bin`, HOME: home, NO_COLOR: '1', ...access }
  const start = (...args: string[]): RunningCli => startChild([cliEntry, ...args], { cwd: app.path, env })
  const run = async (...args: string[]): Promise<CliRun> => {
    const child = start(...args)
    const { code } = await child.exited
    return { exitCode: code, stdout: child.stdout(), stderr: child.stderr() }
  }
  return {
    start,
    run,
    succeed: async (...args) => {
      const done = await run(...args)
      if (done.exitCode === 0) return done
      throw new Error(`convex ${args.join(' ')} ended with ${done.exitCode}.\n${done.stdout}\n${done.stderr}`)
    },
  }
}
