/** Child processes of tests: their output as text, waiting for a line of it, ending them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

/** The Node that runs these tests: `npm test` and `npm start` choose the same one. */
export const pinnedNode = process.execPath

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type RunningChild = {
  readonly process: ChildProcess
  stdout(): string
  stderr(): string
  /** The first match in standard output and error together. Throws with all output when the child ends without it. */
  waitForOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  readonly exited: Promise<Exit>
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>
}

export function startChild(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly command?: string },
): RunningChild {
  const child = spawn(options.command ?? pinnedNode, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  const listeners = new Set<() => void>()
  const announce = (): void => {
    for (const listener of listeners) listener()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    announce()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    announce()
  })
  let exit: Exit | undefined
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    // `close` comes when all output has been read, `exit` may come before.
    child.once('close', (code, signal) => {
      exit = { code, signal }
      announce()
      resolve(exit)
    })
  })
  const describe = (): string => `--- stdout\n${stdout}\n--- stderr\n${stderr}`
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    waitForOutput: async (pattern, timeoutMs = 30_000) =>
      await new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          listeners.delete(look)
          clearTimeout(timer)
          settle()
        }
        const look = (): void => {
          const match = pattern.exec(stdout) ?? pattern.exec(stderr)
          if (match !== null) finish(() => resolve(match))
          else if (exit !== undefined)
            finish(() => reject(new Error(`Ended without printing ${pattern}.\n${describe()}`)))
        }
        const timer = setTimeout(
          () => finish(() => reject(new Error(`Did not print ${pattern} in ${timeoutMs} ms.\n${describe()}`))),
          timeoutMs,
        )
        listeners.add(look)
        look()
      }),
    stop: async (signal = 'SIGTERM') => {
      if (exit === undefined) child.kill(signal)
      return await exited
    },
  }
}
