// How `npm start` ends: Ctrl-C and SIGTERM through the launcher, kill -9, and what the next start prints.
import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeTemporaryFolder, pickPortRange, repositoryRoot, waitFor } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listDescendants, listProcesses, type ProcessEntry } from './processes.ts'

const startMs = 60_000

type Started = {
  readonly launcher: ChildProcess
  /** Server, runners and whatever else it started. */
  readonly processes: readonly ProcessEntry[]
  stdout(): string
  stderr(): string
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

describe('npm start', { timeout: startMs }, () => {
  const { first, last } = pickPortRange()
  let folder: string
  beforeAll(async () => {
    folder = await makeTemporaryFolder('stopping')
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  /** By default what npm runs for `npm start`. It leads a process group, like a shell's foreground job. */
  async function start(
    command = process.execPath,
    args: readonly string[] = ['tools/run.mjs', 'packages/cli/src/main.ts', 'serve'],
  ): Promise<Started> {
    const ownFolder = ['--data', join(folder, 'data'), '--bootstrap-file', join(folder, 'bootstrap.json')]
    const options = ['--port', '0', '--deployment-ports', `${first}-${last}`, ...ownFolder]
    const launcher = spawn(command, [...args, ...options], {
      cwd: repositoryRoot,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let stdout = ''
    let stderr = ''
    launcher.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    launcher.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const ended = new Promise<Awaited<Started['ended']>>((resolve) => {
      launcher.once('close', (code, signal) => resolve({ code, signal }))
    })
    const isReady = (): true | undefined => (stdout.includes('Press Ctrl-C to stop.') ? true : undefined)
    await waitFor(`the server to start; it printed ${stdout}${stderr}`, isReady, startMs)
    // Runners wait in reserve from the start.
    const processes = await waitFor('runners', async () => {
      const found = await listDescendants(launcher.pid ?? 0)
      return found.some(({ command }) => command.endsWith(' --no-node-snapshot -')) ? found : undefined
    })
    return { launcher, processes, stdout: () => stdout, stderr: () => stderr, ended }
  }

  const left = async (started: Started): Promise<readonly ProcessEntry[]> =>
    (await listProcesses()).filter(({ pid }) => started.processes.some((entry) => entry.pid === pid))

  it('stops cleanly at Ctrl-C: exit code 0, no complaint, no process left', async () => {
    const started = await start()
    process.kill(-(started.launcher.pid ?? 0), 'SIGINT')
    expect(await started.ended).toEqual({ code: 0, signal: null })
    expect(started.stdout()).toMatch(/Stopping \(SIGINT\) …\nStopped\. All data is in the data directory\.\n$/)
    expect(started.stderr()).toBe('')
    expect(await left(started)).toEqual([])
  })

  it('stops cleanly when the launcher alone is told to, as service managers do', async () => {
    const started = await start()
    started.launcher.kill('SIGTERM')
    expect(await started.ended).toEqual({ code: 0, signal: null })
    expect(started.stdout()).toContain('Stopped.')
    expect(started.stderr()).toBe('')
    expect(await left(started)).toEqual([])
  })

  it('stops cleanly when npm is told to, which ends its shell only', async () => {
    const started = await start('npm', ['start', '--'])
    started.launcher.kill('SIGTERM')
    await started.ended
    expect(started.stdout()).toContain('Stopped. All data is in the data directory.')
    await waitFor('all processes to end', async () => ((await left(started)).length === 0 ? true : undefined))
  })

  it('leaves no runner behind when the server is killed', async () => {
    const started = await start()
    const server = started.processes.find(({ parentPid }) => parentPid === started.launcher.pid)
    process.kill(server?.pid ?? 0, 'SIGKILL')
    expect(await started.ended).toEqual({ code: 128 + 9, signal: null })
    await waitFor('the runners to end', async () => ((await left(started)).length === 0 ? true : undefined))
  })

  it('shows no secret again, and keeps none readable but in the bootstrap file', async () => {
    const started = await start()
    process.kill(-(started.launcher.pid ?? 0), 'SIGINT')
    await started.ended
    const { accessToken } = JSON.parse(await readFile(join(folder, 'bootstrap.json'), 'utf8')) as {
      accessToken: string
    }
    const printed = started.stdout() + started.stderr()
    expect(printed).toContain('Concave is running.')
    expect(printed).not.toContain(accessToken)
    expect(printed).not.toMatch(/token|claim/i)
    for (const entry of await readdir(join(folder, 'data'), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const content = await readFile(join(entry.parentPath, entry.name))
      expect(content.includes(accessToken), `${entry.name} holds the access token`).toBe(false)
    }
  })
})
