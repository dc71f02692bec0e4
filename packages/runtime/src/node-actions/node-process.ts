import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { createDeferred, type Log } from '@concave/base'
import { isInsideAddress } from '../actions/address-policy.ts'
import { runtimeLimits } from '../limits.ts'
import { encodeFrame, FrameParser, frameKinds, type Frame, type FrameKind } from '../protocol.ts'
import { exceeds } from './folder-size.ts'
import { readGroupMemoryBytes, readMemoryBytes } from './group-memory.ts'
import { NodeConnections } from './node-connections.ts'
import type { NodeBoot, NodeNetwork, NodeReady } from './node-frames.ts'
import type { NodeWorkspace } from './node-workspace.ts'

export type NodeExit = {
  /** It ended as V8 does when memory is gone, or was ended for what it used. */
  readonly isOutOfMemory: boolean
  readonly description: string
}

export type NodeProcessOptions = {
  /** The Node that runs it. */
  readonly nodePath: string
  /** Its files; removed when it has ended. */
  readonly workspace: NodeWorkspace
  readonly variables: Readonly<Record<string, string>>
  readonly network: NodeNetwork
  /** Which addresses are inside; only tests have an opinion of their own. */
  readonly isInside?: (address: string) => boolean
  readonly log: Log
}

/** Node itself is not counted. */
const maxResidentBytes = (runtimeLimits.nodeMemoryMb + runtimeLimits.nodeBaseMemoryMb) * 1_048_576
const lastWordsMs = 1_000
const openWallsWarning =
  'Node actions run without these walls on this machine. Serve only code that you trust, or run the server on Linux.'

/** Signals by which V8 and libc end a process that is out of memory or broken. */
const crashSignals: ReadonlySet<string> = new Set(['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGSEGV', 'SIGBUS'])

/**
 * The supervisor's side of one process of Node actions: frames in and out, its end. It has no environment of the
 * server's, and of its descriptors only the socket.
 */
export class NodeProcess {
  readonly pid: number
  onFrame: (frame: Frame) => void = () => undefined
  onExit: (exit: NodeExit) => void = () => undefined
  readonly #child: ChildProcess
  readonly #socket: Socket
  readonly #connections: NodeConnections
  readonly #exited = createDeferred<void>()
  #exit: NodeExit | undefined
  #isOverMemory = false
  #endReason: string | undefined
  readonly #temporaryFolder: string
  #stderrTail = ''

  private constructor(child: ChildProcess, pid: number, options: NodeProcessOptions) {
    this.#child = child
    this.#temporaryFolder = options.workspace.temporaryFolder
    this.pid = pid
    this.#socket = child.stdio[3] as Socket
    const parser = new FrameParser({ maxFrameBytes: runtimeLimits.maxFrameBytes })
    this.#socket.on('data', (chunk: Buffer) => {
      let frames: readonly Frame[]
      try {
        frames = parser.push(chunk)
      } catch {
        this.kill()
        return
      }
      for (const frame of frames) if (!this.#connections.handle(frame)) this.onFrame(frame)
    })
    this.#connections = new NodeConnections({
      descriptors: child.stdio[4] as Socket,
      send: (kind, texts) => this.send(kind, texts),
      isInside: options.isInside ?? isInsideAddress,
    })
    // A write to a process that has just ended fails; `exit` tells the rest.
    this.#socket.on('error', () => this.kill())
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderrTail = (this.#stderrTail + chunk.toString('utf8')).slice(-runtimeLimits.stderrTailBytes)
    })
    child.once('exit', (code, signal) => {
      // Programs that it has started go with it.
      this.#connections.close()
      this.#killGroup()
      // What it has said before its end is heard first. A program that got away may hold the other end open.
      const timer = setTimeout(() => child.stderr?.destroy(), lastWordsMs)
      void Promise.all([closed(this.#socket), closed(child.stderr)]).then(() => {
        clearTimeout(timer)
        this.#end(code, signal, options)
      })
    })
  }

  /** Starts it and waits until it is ready for actions. Rejects if it ends or stays silent. */
  static async start(options: NodeProcessOptions): Promise<NodeProcess> {
    const { workspace, variables } = options
    const child = spawn(
      options.nodePath,
      [
        `--max-old-space-size=${runtimeLimits.nodeMemoryMb}`,
        '--disable-warning=ExperimentalWarning',
        workspace.program,
      ],
      {
        cwd: workspace.temporaryFolder,
        env: environmentOf(workspace),
        stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
        // A process group of its own: it is ended with all that it has started.
        detached: true,
      },
    )
    const spawned = createDeferred<void>()
    child.once('spawn', () => spawned.resolve())
    child.once('error', (error) => spawned.reject(error))
    try {
      await spawned.promise
    } catch (error) {
      await workspace.remove()
      throw error
    }
    const started = new NodeProcess(child, child.pid as number, options)
    const ready = createDeferred<NodeReady>()
    const timer = setTimeout(() => {
      started.kill()
      ready.reject(new Error('A process of Node actions did not start in time.'))
    }, runtimeLimits.startTimeMs)
    started.onFrame = ({ kind, texts }) => {
      if (kind === frameKinds.ready) ready.resolve(JSON.parse(texts[0] ?? '') as NodeReady)
    }
    started.onExit = ({ description }) =>
      ready.reject(new Error(`A process of Node actions ended while starting (${description}): ${started.#stderrTail}`))
    const boot: NodeBoot = {
      codeFolder: workspace.codeFolder,
      temporaryFolder: workspace.temporaryFolder,
      variables,
      readableFolders: workspace.packagesFolder === undefined ? [] : [workspace.packagesFolder],
      network: options.network,
      userId: workspace.userId,
      dataBytes: runtimeLimits.nodeDataBytes,
    }
    started.send(frameKinds.boot, [JSON.stringify(boot)])
    try {
      const { open, reason } = await ready.promise
      if (open.length > 0) options.log.warn({ walls: open, reason }, openWallsWarning)
      return started
    } finally {
      clearTimeout(timer)
      started.onFrame = () => undefined
      started.onExit = () => undefined
    }
  }

  get isAlive(): boolean {
    return this.#exit === undefined && !this.#child.killed
  }

  get exit(): NodeExit | undefined {
    return this.#exit
  }

  send(kind: FrameKind, texts: readonly string[]): void {
    if (this.#socket.destroyed) return
    this.#socket.write(encodeFrame(kind, texts))
    // It asks, and does not take the answers.
    if (this.#socket.writableLength > runtimeLimits.maxNodeBacklogBytes) this.kill()
  }

  kill(): void {
    if (this.#exit === undefined) this.#child.kill('SIGKILL')
  }

  /** Ends it if it uses more memory than it may, with the programs that it has started if they are looked at too. */
  async checkMemory(options: { readonly withPrograms: boolean }): Promise<void> {
    if (process.platform !== 'linux') return
    const usedBytes = options.withPrograms ? await readGroupMemoryBytes(this.pid) : await readMemoryBytes(this.pid)
    if (usedBytes === undefined || usedBytes <= maxResidentBytes) return
    this.#isOverMemory = true
    this.kill()
  }

  /** Ends it if it has written more than it may. */
  async checkDisk(): Promise<void> {
    if (!(await exceeds(this.#temporaryFolder, runtimeLimits.maxNodeTemporaryBytes))) return
    this.#endReason = `it wrote more than ${runtimeLimits.maxNodeTemporaryBytes / 1_048_576} MiB to its temporary folder`
    this.kill()
  }

  /** Ends it and waits until it is gone, with its files. */
  async close(): Promise<void> {
    this.kill()
    await this.#exited.promise
  }

  #end(code: number | null, signal: string | null, { workspace, log }: NodeProcessOptions): void {
    const isCrash = signal !== null && crashSignals.has(signal)
    const exit: NodeExit = {
      isOutOfMemory: this.#isOverMemory || (isCrash && this.#saysOutOfMemory()),
      description: this.#endReason ?? signal ?? `exit code ${code}`,
    }
    this.#exit = exit
    workspace
      .remove()
      .catch((error: unknown) => log.warn({ err: error }, 'Files of a process of Node actions stay behind.'))
      .finally(() => this.#exited.resolve())
    this.onExit(exit)
  }

  #saysOutOfMemory(): boolean {
    return /heap out of memory|Array buffer allocation failed|OOM/i.test(this.#stderrTail)
  }

  #killGroup(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch (error) {
      // Nobody is left; some systems say so by refusing.
      const isGone = error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM')
      if (!isGone) throw error
    }
  }
}

async function closed(stream: Readable | null): Promise<void> {
  if (stream === null || stream.closed) return
  await new Promise<void>((resolve) => stream.once('close', () => resolve()))
}

/** Everything that it sees of an environment before its deployment's variables (function-runtime.md §3.8). */
function environmentOf({ temporaryFolder, packagesFolder }: NodeWorkspace): Readonly<Record<string, string>> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    PWD: temporaryFolder,
    HOME: temporaryFolder,
    TMPDIR: temporaryFolder,
    LANG: 'en_US.UTF-8',
    TZ: 'UTC',
    ...(packagesFolder === undefined ? {} : { NODE_PATH: packagesFolder }),
  }
}
