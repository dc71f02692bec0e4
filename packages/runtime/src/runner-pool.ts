import { assert, type Log } from '@concave/base'
import { loadActionScript, loadIsolateScript } from './isolate-bundle.ts'
import { runtimeLimits } from './limits.ts'
import type { BootHeader, ReadyHeader } from './protocol.ts'
import { RunnerProcess, type RunnerStart } from './runner-process.ts'
import { loadActionRunnerProgram, loadRunnerProgram } from './runner-program.ts'

export type RunnerPoolOptions = {
  readonly log: Log
  /** Generic runners kept waiting. */
  readonly warmRunners?: number
  /** What the runners are for; `functions` (queries, mutations, analysis) unless said otherwise. */
  readonly purpose?: 'functions' | 'actions'
  /** Off only where a test looks at something else; user code is then held by V8 alone. */
  readonly sandbox?: boolean
}

/** The sandbox does not hold on a platform where it has to. */
export class SandboxOpen extends Error {
  override readonly name = 'SandboxOpen'
  readonly open: readonly string[]
  constructor(ready: ReadyHeader) {
    super(`The sandbox of user code does not hold: ${ready.open.join(', ')}. ${ready.reason ?? ''}`.trimEnd())
    this.open = ready.open
  }
}

/**
 * Generic runner processes that wait for work. A runner that was taken belongs to one deployment until it is killed; it
 * never comes back.
 */
export class RunnerPool {
  /** Walls of the sandbox that this platform lacks; empty on Linux. */
  readonly openWalls: readonly string[]
  readonly #options: RunnerPoolOptions
  readonly #log: Log
  readonly #start: RunnerStart
  readonly #warmRunners: number
  readonly #warm: RunnerProcess[] = []
  readonly #starting = new Set<Promise<void>>()
  #actions: Promise<RunnerPool> | undefined
  #isClosed = false

  private constructor(
    options: RunnerPoolOptions,
    started: { readonly start: RunnerStart; readonly ready: ReadyHeader; readonly first: RunnerProcess },
  ) {
    this.#options = options
    this.#log = options.log
    this.#start = started.start
    this.#warmRunners = options.warmRunners ?? runtimeLimits.warmRunners
    this.openWalls = started.ready.open
    this.#keepWarm(started.first)
    this.#refill()
  }

  /** Starts the first runner and looks at its walls. Throws `SandboxOpen` if one is open on Linux. */
  static async start(options: RunnerPoolOptions): Promise<RunnerPool> {
    const [program, isolateScript] = await Promise.all(
      options.purpose === 'actions'
        ? [loadActionRunnerProgram(), loadActionScript()]
        : [loadRunnerProgram(), loadIsolateScript()],
    )
    const boot: BootHeader = {
      isolateMemoryMb: runtimeLimits.heapMb + runtimeLimits.heapOverheadMb,
      dataGrowthBytes: runtimeLimits.dataGrowthBytes,
      sandbox: options.sandbox ?? true,
    }
    const { runner, ready, snapshot } = await RunnerProcess.start({ boot, program, isolateScript, snapshot: undefined })
    if (ready.open.length > 0) {
      if (boot.sandbox && process.platform === 'linux') {
        await runner.close()
        throw new SandboxOpen(ready)
      }
      options.log.warn(
        { walls: ready.open, reason: ready.reason },
        'User code is held by V8 alone: these walls of the sandbox are missing. Serve only code that you trust.',
      )
    }
    return new RunnerPool(options, { start: { boot, program, isolateScript, snapshot }, ready, first: runner })
  }

  /** A runner of the caller's own, which kills it in the end. */
  async take(): Promise<RunnerProcess> {
    assert(!this.#isClosed, 'The runner pool is closed.')
    const warm = this.#warm.pop()
    this.#refill()
    if (warm !== undefined) {
      warm.onExit = () => undefined
      return warm
    }
    return await this.#startRunner()
  }

  /** The pool of runners for actions, started when it is first asked for; it is closed with this one. */
  async forActions(): Promise<RunnerPool> {
    assert(!this.#isClosed, 'The runner pool is closed.')
    this.#actions ??= this.#startActions()
    return await this.#actions
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await (await this.#actions?.catch(() => undefined))?.close()
    await Promise.all(this.#starting)
    await Promise.all(this.#warm.splice(0).map((runner) => runner.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #startActions(): Promise<RunnerPool> {
    try {
      return await RunnerPool.start({
        ...this.#options,
        purpose: 'actions',
        warmRunners: runtimeLimits.warmActionRunners,
      })
    } catch (error) {
      this.#actions = undefined
      throw error
    }
  }

  async #startRunner(): Promise<RunnerProcess> {
    const { runner, ready } = await RunnerProcess.start(this.#start)
    if (ready.open.length > this.openWalls.length) {
      await runner.close()
      throw new SandboxOpen(ready)
    }
    return runner
  }

  #keepWarm(runner: RunnerProcess): void {
    runner.onExit = (exit) => {
      const index = this.#warm.indexOf(runner)
      if (index < 0) return
      this.#warm.splice(index, 1)
      if (!this.#isClosed) this.#log.warn({ exit: exit.description }, 'A waiting runner ended.')
    }
    this.#warm.push(runner)
  }

  #refill(): void {
    while (!this.#isClosed && this.#warm.length + this.#starting.size < this.#warmRunners) {
      const starting = this.#startRunner().then(
        async (runner) => {
          this.#starting.delete(starting)
          if (this.#isClosed) await runner.close()
          else this.#keepWarm(runner)
        },
        (error: unknown) => {
          this.#starting.delete(starting)
          this.#log.error({ err: error }, 'A runner could not be started.')
        },
      )
      this.#starting.add(starting)
    }
  }
}
