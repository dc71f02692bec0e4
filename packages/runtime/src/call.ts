import { assert, createDeferred, type Clock, type Deferred, PlatformError } from '@concave/base'
import {
  CatchableError,
  type CodeBundle,
  type ExecuteOutcome,
  type ExecuteRequest,
  type ExecutionHost,
} from './execution.ts'
import type { ErrorDescription } from './isolate-interface.ts'
import { runtimeLimits } from './limits.ts'
import {
  decodeEnd,
  decodeNotes,
  decodeRunLogs,
  encodeInvoke,
  frameKinds,
  isLarge,
  type Ahead,
  type Frame,
  type GraphKey,
  type NestedHeader,
} from './protocol.ts'
import type { RunnerExit, RunnerProcess } from './runner-process.ts'
import { renderError, renderTraces } from './source-frames.ts'
import { UserTime } from './user-time.ts'

/** A module with what it imports, as of one version of the code. */
export type Graph = Pick<GraphKey, 'codeVersion' | 'modulePath'>

export type CallEnd =
  | { readonly kind: 'outcome'; readonly outcome: ExecuteOutcome }
  /** The graph wrote to frozen state: run the call again, fresh. `hostWasCalled`: the host has to start over as well. */
  | { readonly kind: 'notStateless'; readonly hostWasCalled: boolean; readonly graph: Graph }
  /** Something that was sent ahead was wrong: run the call again from its start, with less of that. */
  | { readonly kind: 'astray'; readonly hostWasCalled: boolean; readonly wrong: 'read' | 'write' }
  /** The runner ended for a reason that has nothing to do with this call, as far as can be told. */
  | { readonly kind: 'runnerLost'; readonly hostWasCalled: boolean; readonly description: string }

export const timeoutMessage = `Function execution timed out (maximum duration: ${runtimeLimits.userTimeMs / 1000}s)`
export const outOfMemoryMessage = `JavaScript execution ran out of memory (maximum memory usage: ${runtimeLimits.heapMb} MB)`

/**
 * One execution on one runner: passes its host calls on, one at a time, and keeps its clocks. `end` rejects with what the
 * host threw if that was no `CatchableError`; the runner may still be busy then until it has answered the abort.
 *
 * A call may be sent before its host is there: the runner then goes as far as it can by itself, and what it says waits
 * for `attach`. Its owner passes on the frames that the runner sends while it works on this call.
 */
export class Call {
  /** By which its runner knows it. */
  readonly number: number
  readonly end: Promise<CallEnd>
  readonly #deferred: Deferred<CallEnd>
  readonly #runner: RunnerProcess
  readonly #request: ExecuteRequest
  /** Of the nested calls that run, outermost first. */
  readonly #nestedCode: CodeBundle[] = []
  #host: ExecutionHost | undefined
  /** What came before the host was there. */
  #early: Frame[] = []
  #isCancelled = false
  readonly #time: UserTime
  readonly #clock: Clock
  readonly #keepsState: (graph: Graph) => boolean
  #systemTimeMs = 0
  /** Since when the runner waits for us, or we for a large frame to come across. */
  #hostCallStartedMs: number | undefined
  #hostWasCalled = false
  readonly #ahead: Ahead
  /** What was sent ahead and is not confirmed yet, in order. */
  #unconfirmed: Promise<void> | undefined
  #wrong: 'read' | 'write' | undefined
  #killedBecause: 'userTime' | undefined
  #failure: { readonly error: unknown } | undefined
  #isOver = false
  #tier: string | undefined

  constructor(options: {
    readonly number: number
    readonly runner: RunnerProcess
    readonly request: ExecuteRequest
    readonly host: ExecutionHost | undefined
    /** Graphs that are known to keep state: their functions get fresh contexts. */
    readonly keepsState: (graph: Graph) => boolean
    readonly ahead: Ahead
    readonly clock: Clock
  }) {
    const { number, runner, request } = options
    this.number = number
    this.#runner = runner
    this.#request = request
    this.#host = options.host
    this.#clock = options.clock
    this.#keepsState = options.keepsState
    this.#ahead = options.ahead
    this.#deferred = createDeferred<CallEnd>()
    this.end = this.#deferred.promise
    this.#time = new UserTime({ clock: options.clock, readCpuTime: () => runner.readCpuTime() })
    loadVersions(runner, request)
    const invoke = encodeInvoke({
      codeVersion: request.code.version,
      envVersion: request.env.version,
      componentId: request.componentId,
      modulePath: request.modulePath,
      udfType: request.udfType,
      exportName: request.exportName,
      seed: request.seed,
      nowMs: request.nowMs,
      forceFresh: options.keepsState({ codeVersion: request.code.version, modulePath: request.modulePath }),
      ahead: options.ahead,
      argsText: request.argsText,
    })
    runner.send(frameKinds.invoke, invoke)
    const exit = runner.exit
    if (exit !== undefined) this.lose(exit)
  }

  /** It is lost, or went wrong in a way that has ended it. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The runner has finished what it was given before: it works on this call now. */
  start(): void {
    this.#time.resume()
  }

  /** Gives a call that was sent ahead its host. */
  attach(host: ExecutionHost): void {
    this.#host = host
    const early = this.#early
    this.#early = []
    for (const frame of early) this.receive(frame)
  }

  /** Nobody will attach a host: the runner is to come to an end with it. */
  cancel(): void {
    this.#isCancelled = true
    const last = this.#early.at(-1)
    this.#early = []
    if (last !== undefined) this.receive(last)
  }

  /** The context is used up: another one made ahead will save the next call its making. */
  get usedFreshRealm(): boolean {
    return this.#tier === 'fresh'
  }

  /** Ends the call if one of its clocks has run out. Called every few hundred milliseconds while it runs. */
  checkTime(): void {
    if (this.#isOver) return
    if (this.#hostCallStartedMs !== undefined) {
      const systemTimeMs = this.#systemTimeMs + this.#clock.monotonicMs() - this.#hostCallStartedMs
      if (systemTimeMs > runtimeLimits.systemTimeMs) {
        this.#runner.kill()
        // Not left to the runner's end: it may have done its part for this call before.
        this.#finish(() => {
          throw systemTimeout()
        })
      }
      return
    }
    if (this.#time.isRunning && this.#time.isUsedUp()) {
      this.#killedBecause = 'userTime'
      this.#runner.kill()
    }
  }

  receive(frame: Frame): void {
    if (this.#isOver) return
    if (this.#isCancelled) {
      if (isQuestion(frame)) this.#runner.send(frameKinds.replyCatchable, [nobodyListens])
      return
    }
    if (this.#host === undefined) {
      if (!isSentAhead(frame)) this.#time.pause()
      this.#early.push(frame)
      return
    }
    if (frame.kind === frameKinds.received) {
      this.#resume()
      return
    }
    if (isSentAhead(frame)) {
      this.#hostWasCalled = true
      this.#unconfirmed = this.#confirm(frame, this.#unconfirmed)
      return
    }
    // From here the runner waits for us, or has ended.
    this.#time.pause()
    this.#hostCallStartedMs ??= this.#clock.monotonicMs()
    if (frame.kind === frameKinds.transferring) return
    if (this.#unconfirmed === undefined) this.#handle(frame)
    else void this.#unconfirmed.then(() => this.#handle(frame))
  }

  /** Does what was sent ahead, after `before`. What turns out wrong is told when the runner next waits. */
  async #confirm(frame: Frame, before: Promise<void> | undefined): Promise<void> {
    await before
    if (this.#wrong !== undefined || this.#failure !== undefined || this.#isOver) return
    const kind = frame.kind === frameKinds.write ? 'write' : 'read'
    try {
      this.#takeNotes(frame.texts[0] ?? '')
      if (!(await this.#isAsExpected(frame))) this.#wrong = kind
    } catch (error) {
      if (error instanceof CatchableError) this.#wrong = kind
      else this.#failure = { error }
    }
  }

  async #isAsExpected(frame: Frame): Promise<boolean> {
    if (frame.kind === frameKinds.write) {
      await this.#syscall(frame)
      return true
    }
    if (frame.kind === frameKinds.expectAnswer) return (await this.#syscall(frame)) === frame.texts[3]
    const [, queryId, query, done, ...rows] = frame.texts
    const page = await this.#requireHost().nextPage(Number(queryId), query)
    return (
      page.done === (done === '1') &&
      page.rows.length === rows.length &&
      rows.every((row, position) => row === page.rows[position])
    )
  }

  #handle(frame: Frame): void {
    if (this.#isOver) return
    this.#unconfirmed = undefined
    const mayGoOn = this.#wrong === undefined && this.#failure === undefined
    if (frame.kind === frameKinds.done) {
      if (mayGoOn) this.#takeNotes(frame.texts[0] ?? '')
      this.#finish(() => this.#readDone(frame))
      return
    }
    if (!mayGoOn) {
      if (this.#failure === undefined) this.#reply(frameKinds.replyCatchable, [nobodyListens])
      else this.#reply(frameKinds.replyAbort, [])
      return
    }
    this.#takeNotes(frame.texts[0] ?? '')
    this.#hostWasCalled = true
    void this.#serve(frame)
  }

  async #serve(frame: Frame): Promise<void> {
    let texts: readonly string[]
    try {
      texts = frame.kind === frameKinds.syscall ? [await this.#syscall(frame)] : await this.#answer(frame)
    } catch (error) {
      this.#replyError(error)
      return
    }
    this.#reply(frameKinds.replyOk, texts)
  }

  #syscall(frame: Frame): Promise<string> {
    return this.#requireHost().syscall(frame.texts[1] ?? '', frame.texts[2] ?? '')
  }

  async #answer(frame: Frame): Promise<readonly string[]> {
    const [, first = '', second = ''] = frame.texts
    switch (frame.kind) {
      case frameKinds.nextPage: {
        const page = await this.#requireHost().nextPage(Number(first), frame.texts[2])
        return [page.done ? '1' : '0', ...page.rows]
      }
      case frameKinds.beginNested: {
        const { argsText, code, env, ...names } = await this.#requireHost().beginNested(first)
        loadVersions(this.#runner, { code, env })
        this.#nestedCode.push(code)
        const codeVersion = code.version
        const forceFresh = this.#keepsState({ codeVersion, modulePath: names.modulePath })
        const header: NestedHeader = { codeVersion, envVersion: env.version, forceFresh, ...names }
        return [JSON.stringify(header), argsText]
      }
      case frameKinds.endNested: {
        const header = decodeEnd(first)
        if (header.kind === 'success') {
          this.#nestedCode.pop()
          return [await this.#requireHost().endNested({ kind: 'success', resultText: second })]
        }
        assert(header.kind === 'userError', `A nested call ended with ${header.kind}.`)
        const code = this.#nestedCode.pop() ?? this.#request.code
        return [await this.#requireHost().endNested({ kind: 'userError', ...describe(header.error, code) })]
      }
      default:
        throw new Error(`Unexpected frame kind ${frame.kind} from a runner.`)
    }
  }

  #reply(
    kind: typeof frameKinds.replyOk | typeof frameKinds.replyCatchable | typeof frameKinds.replyAbort,
    texts: readonly string[],
  ): void {
    if (this.#isOver) return
    // A large one is acknowledged.
    if (!isLarge(texts)) this.#resume()
    this.#runner.send(kind, texts)
  }

  #resume(): void {
    if (this.#hostCallStartedMs === undefined) return
    this.#systemTimeMs += this.#clock.monotonicMs() - this.#hostCallStartedMs
    this.#hostCallStartedMs = undefined
    this.#time.resume()
  }

  #replyError(error: unknown): void {
    if (error instanceof CatchableError) {
      this.#reply(frameKinds.replyCatchable, [JSON.stringify({ message: error.message, data: error.data })])
      return
    }
    this.#failure ??= { error }
    this.#reply(frameKinds.replyAbort, [])
  }

  #readDone(frame: Frame): CallEnd {
    const [, headerText = '', resultText = '', logsText = '', tier] = frame.texts
    this.#tier = tier
    if (this.#wrong !== undefined) return { kind: 'astray', hostWasCalled: true, wrong: this.#wrong }
    const header = decodeEnd(headerText)
    const { logLines, observed } = decodeRunLogs(logsText)
    const logs = { logLines: renderTraces(logLines, this.#request.code), observed }
    switch (header.kind) {
      case 'success':
        return { kind: 'outcome', outcome: { kind: 'success', resultText, ...logs } }
      case 'userError':
        return {
          kind: 'outcome',
          outcome: { kind: 'userError', ...describe(header.error, this.#request.code), ...logs },
        }
      case 'outOfMemory':
        return { kind: 'outcome', outcome: developerLimit(outOfMemoryMessage) }
      case 'notStateless':
        return { kind: 'notStateless', hostWasCalled: this.#hostWasCalled, graph: header.graph }
      case 'aborted':
        throw new Error('A runner ended a call that nobody aborted.')
    }
  }

  lose(exit: RunnerExit): void {
    this.#finish(() => {
      const overran = this.#killedBecause === 'userTime' || exit.crashed
      // It may have run into a limit only because it went on with something that no database ever held.
      if (overran && this.#ahead === 'writesAndReads') {
        return { kind: 'astray', hostWasCalled: this.#hostWasCalled, wrong: 'read' }
      }
      if (this.#killedBecause === 'userTime') return { kind: 'outcome', outcome: developerLimit(timeoutMessage) }
      if (exit.crashed) return { kind: 'outcome', outcome: developerLimit(outOfMemoryMessage) }
      return { kind: 'runnerLost', hostWasCalled: this.#hostWasCalled, description: exit.description }
    })
  }

  #finish(readEnd: () => CallEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    try {
      if (this.#failure !== undefined) throw this.#failure.error
      this.#deferred.resolve(readEnd())
    } catch (error) {
      this.#deferred.reject(error)
    }
  }

  #takeNotes(text: string): void {
    if (text === '') return
    for (const note of decodeNotes(text)) {
      if (note.kind === 'consumed') this.#requireHost().consumed(note.queryId, note.rows)
      else this.#requireHost().closeCursor(note.queryId)
    }
  }

  #requireHost(): ExecutionHost {
    assert(this.#host !== undefined, 'A call that goes on has its host.')
    return this.#host
  }
}

function describe(
  error: ErrorDescription,
  code: CodeBundle,
): { readonly message: string; readonly data: string | undefined } {
  return { message: renderError(error, code), data: error.data }
}

/** Whether the runner waits for an answer. */
function isQuestion(frame: Frame): boolean {
  return frame.kind !== frameKinds.done && !isAnnouncement(frame) && !isSentAhead(frame)
}

function isAnnouncement({ kind }: Frame): boolean {
  return kind === frameKinds.transferring || kind === frameKinds.received
}

/**
 * Answers the questions of a call whose outcome is not wanted any more. An abort would cost the runner its isolate; an
 * error that user code may catch ends it just as well, and all that it may still do is thrown away.
 */
const nobodyListens = JSON.stringify({ message: 'This call is given up and runs again.' })

function isSentAhead({ kind }: Frame): boolean {
  return kind === frameKinds.write || kind === frameKinds.expectPage || kind === frameKinds.expectAnswer
}

/** Sends the runner what it lacks to run `request`. */
export function loadVersions(runner: RunnerProcess, request: Pick<ExecuteRequest, 'code' | 'env'>): void {
  const { code, env } = request
  runner.ensureCode(code.version, () => [
    JSON.stringify({ version: code.version, importSeed: code.importSeed, importTimeMs: code.importTimeMs }),
    ...[...code.modules.values()].flatMap((module) => [module.path, module.source, module.reuse]),
  ])
  runner.ensureEnv(env.version, () => JSON.stringify(env.variables))
}

/** A limit that the developer's function hit and could not catch; its logs are lost with its runner. */
function developerLimit(message: string): ExecuteOutcome {
  return { kind: 'userError', message, data: undefined, logLines: [], observed: { time: false, env: [] } }
}

export function systemTimeout(): PlatformError {
  return new PlatformError(503, 'SystemTimeoutError', 'Your request timed out performing too many system operations.')
}
