import { spawn } from 'node:child_process'
import { createDeferred } from '@concave/base'

export type NpmRun = {
  readonly folder: string
  readonly timeMs: number
  /** `PATH`, and what npm needs to know of its registry; nothing of the server's is added. */
  readonly environment: Readonly<Record<string, string>>
}

/** Why packages could not be installed, for developers: without addresses of registries, paths, and hints at log files. */
export class NpmFailure extends Error {
  override readonly name = 'NpmFailure'
}

/** Nothing of a package runs, and packages come from the registry only. */
const installArguments = [
  'install',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--no-save',
  '--no-package-lock',
  '--omit=dev',
  '--install-links',
  '--allow-git=none',
  '--allow-remote=none',
  '--allow-file=none',
  '--allow-directory=none',
  '--umask=022',
  '--loglevel=error',
]
const maxOutputCharacters = 16_384

/** Installs what `package.json` of the folder names, with the npm on `PATH`. Rejects with `NpmFailure`. */
export async function installWithNpm({ folder, timeMs, environment }: NpmRun): Promise<void> {
  const isWindows = process.platform === 'win32'
  const child = spawn(isWindows ? 'npm.cmd' : 'npm', installArguments, {
    cwd: folder,
    env: { ...environment, npm_config_git: 'no-git' },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: isWindows,
    detached: !isWindows,
  })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-maxOutputCharacters)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  let isTimedOut = false
  const timer = setTimeout(() => {
    isTimedOut = true
    if (isWindows || child.pid === undefined) child.kill('SIGKILL')
    else process.kill(-child.pid, 'SIGKILL')
  }, timeMs)
  const ended = createDeferred<number | null>()
  child.once('error', (error) => ended.reject(new NpmFailure(`npm could not be started (${error.message}).`)))
  child.once('close', (code) => ended.resolve(code))
  try {
    const code = await ended.promise
    if (isTimedOut) throw new NpmFailure(`npm took longer than ${timeMs / 1000} seconds.`)
    if (code !== 0) throw new NpmFailure(reasonIn(output) || `npm ended with exit code ${code}.`)
  } finally {
    clearTimeout(timer)
  }
}

function reasonIn(output: string): string {
  return output
    .split('\n')
    .filter((line) => /^npm (error|ERR!)/i.test(line) && !/log of this run|debug-\d+\.log|_logs/.test(line))
    .map((line) =>
      line
        .replace(/^npm (error|ERR!)\s*/i, '')
        .replace(/\s*(-\s+)?(GET\s+)?https?:\/\/\S+/g, '')
        .trim(),
    )
    .filter((line) => line !== '')
    .slice(0, 6)
    .join('\n')
}
