import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createDeferred } from '@concave/base'
import { runtimeLimits } from './limits.ts'
import type { CpuTime } from './user-time.ts'
import {
  encodeFrame,
  FrameParser,
  frameKinds,
  type BootHeader,
  type Frame,
  type FrameKind,
  type ReadyHeader,
} from './protocol.ts'

/** Signals by which V8 and libc end a process that is out of memory or broken. */
const crashSignals: ReadonlySet<string> = new Set(['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGSEGV', 'SIGBUS'])

export type RunnerExit = {
  /** The process ended itself as V8 does when memory is gone. */
  readonly crashed: boolean
  readonly description: string
}

export type RunnerStart = {
  readonly boot: BootHeader
  readonly program: string
  readonly isolateScript: string
  /** V8 snapshot (base64) that an earlier runner made of `isolateScript` before it saw any user code. */
  readonly snapshot: string | undefined
}

export type StartedRunner = { readonly runner: RunnerProcess; readonly ready: ReadyHeader; readonly snapshot: string }

/**
 * The supervisor's side of one runner: frames in and out, what it has loaded, its end. Whoever holds it sets
 * `onFrame` and `onExit`.
 */
export class RunnerProcess {
  readonly pid: number
  onFrame: (frame: Frame) => void = () => undefined
  onExit: (exit: RunnerExit) => void = () => undefined
  readonly #child: ChildProcess
  readonly #socket: Socket
  readonly #loadedCode = new Map<string, number>()
  readonly #loadedEnv = new Map<string, number>()
  readonly #exited = createDeferred<void>()
  #exit: RunnerExit | undefined
  #lastCpuTimeMs = 0
  #stderrTail = ''

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child
    this.pid = pid
    this.#socket = child.stdio[3] as Socket
    const parser = new FrameParser({ maxFrameBytes: runtimeLimits.maxFrameBytes })
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of parser.push(chunk)) this.onFrame(frame)
      } catch (error) {
        // Not what our program sends: it must not harm those that other processes serve.
        this.#stderrTail = `a frame could not be taken: ${String(error)}`
        this.kill()
      }
    })
    // A write to a process that has just ended fails; `exit` tells the rest.
    this.#socket.on('error', () => this.kill())
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderrTail = (this.#stderrTail + chunk.toString('utf8')).slice(-runtimeLimits.stderrTailBytes)
    })
    child.on('close', (code, signal) => {
      this.#exit = {
        crashed: signal !== null && crashSignals.has(signal),
        description: `${signal ?? `exit code ${code}`}${this.#stderrTail === '' ? '' : `: ${this.#stderrTail}`}`,
      }
      this.#socket.destroy()
      this.#exited.resolve()
      this.onExit(this.#exit)
    })
  }

  /** Spawns a runner and waits until its walls are up. Rejects if it ends or stays silent. */
  static async start(options: RunnerStart): Promise<StartedRunner> {
    const child = spawn(process.execPath, ['--no-node-snapshot', '-'], {
      cwd: '/',
      // Large pieces go back to the system when they are freed: the limit on data counts what the allocator keeps.
      env: { TZ: 'UTC', MALLOC_MMAP_THRESHOLD_: '1048576' },
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
      // A process group of its own: Ctrl-C in the terminal is for the server, which lets running calls finish.
      detached: true,
    })
    // A child that ends before it has read everything is noticed by its exit.
    child.stdin?.on('error', () => child.kill('SIGKILL'))
    const spawned = createDeferred<void>()
    child.once('spawn', () => spawned.resolve())
    child.once('error', (error) => spawned.reject(error))
    await spawned.promise
    const runner = new RunnerProcess(child, child.pid as number)
    const ready = createDeferred<Frame>()
    const timer = setTimeout(() => {
      runner.kill()
      ready.reject(new Error('A runner did not start in time.'))
    }, runtimeLimits.startTimeMs)
    runner.onFrame = (frame) => {
      if (frame.kind === frameKinds.ready) ready.resolve(frame)
    }
    runner.onExit = (exit) => ready.reject(new Error(`A runner ended while starting (${exit.description}).`))
    child.stdin?.end(options.program)
    runner.send(frameKinds.boot, [JSON.stringify(options.boot), options.isolateScript, options.snapshot ?? ''])
    try {
      const [header = '', snapshot = ''] = (await ready.promise).texts
      // What starting has cost is nobody's call.
      runner.readCpuTime()
      return { runner, ready: JSON.parse(header) as ReadyHeader, snapshot: options.snapshot ?? snapshot }
    } finally {
      clearTimeout(timer)
      runner.onFrame = () => undefined
      runner.onExit = () => undefined
    }
  }

  get isAlive(): boolean {
    return this.#exit === undefined && !this.#child.killed
  }

  /** Whether an exit was the process's own doing is in `onExit`; a killed runner reports SIGKILL there. */
  get exit(): RunnerExit | undefined {
    return this.#exit
  }

  send(kind: FrameKind, texts: readonly string[]): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeFrame(kind, texts))
  }

  /** Sends what the runner lacks of `load`s and drops the versions it has not used for longest. */
  ensureCode(version: string, texts: () => readonly string[]): void {
    this.#ensure(this.#loadedCode, version, frameKinds.loadCode, frameKinds.dropCode, texts)
  }

  ensureEnv(version: string, variablesJson: () => string): void {
    this.#ensure(this.#loadedEnv, version, frameKinds.loadEnv, frameKinds.dropEnv, () => [version, variablesJson()])
  }

  /**
   * Processor time used so far by the thread that runs user code, undefined where the system does not tell. What V8 does
   * beside it, like compiling and collecting garbage, is not counted. `beforeMs`: as this method has said the last time.
   */
  readCpuTime(): CpuTime | undefined {
    try {
      const nowMs = parseCpuTimeMs(readFileSync(`/proc/${this.pid}/task/${this.pid}/stat`, 'latin1'))
      const beforeMs = this.#lastCpuTimeMs
      this.#lastCpuTimeMs = nowMs
      return { nowMs, beforeMs }
    } catch {
      return undefined
    }
  }

  kill(): void {
    if (this.#exit === undefined) this.#child.kill('SIGKILL')
  }

  async close(): Promise<void> {
    this.kill()
    await this.#exited.promise
  }

  #ensure(
    loaded: Map<string, number>,
    version: string,
    load: FrameKind,
    drop: FrameKind,
    texts: () => readonly string[],
  ): void {
    const known = loaded.get(version)
    if (known !== undefined) {
      loaded.delete(version)
      loaded.set(version, known)
      return
    }
    const sent = texts()
    const length = sent.reduce((sum, text) => sum + text.length, 0)
    let total = length
    for (const other of loaded.values()) total += other
    for (const [oldest, oldestLength] of loaded) {
      if (loaded.size < runtimeLimits.loadedVersions && total <= runtimeLimits.loadedText) break
      loaded.delete(oldest)
      total -= oldestLength
      this.send(drop, [oldest])
    }
    loaded.set(version, length)
    this.send(load, sent)
  }
}

/** proc(5): fields 14 and 15 are user and system time in clock ticks, of which every Linux has 100 per second. */
function parseCpuTimeMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
