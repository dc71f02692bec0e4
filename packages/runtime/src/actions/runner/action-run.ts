import ivm from 'isolated-vm'
import type { ErrorDescription } from '../../isolate-interface.ts'
import { frameKinds } from '../../protocol.ts'
import type { BlockingChannel } from '../../runner/blocking-channel.ts'
import type { LoadedCode } from '../../runner/code-store.ts'
import { describeCopiedError } from '../../runner/copied-error.ts'
import { answerCrypto } from '../../runner/crypto.ts'
import { evaluateGraph, type ModuleGraph, resolveSpecifier } from '../../runner/module-graph.ts'
import type { ActionEnd, ActionStart } from '../action-frames.ts'
import type { FreshIsolate } from './action-isolates.ts'

const compute = new ivm.Callback(answerCrypto)

const memberNames = [
  'beginImport',
  'endImport',
  'start',
  'deliver',
  'deliverModule',
  'wake',
  'abortRequest',
  'poll',
  'lockDown',
] as const
type Members = Record<(typeof memberNames)[number], ivm.Reference>

type ImportCall = { readonly callId: number; readonly referrer: string; readonly specifier: string }

/** isolated-vm's way to say that a turn took too long. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Script execution timed out.'
}

/**
 * One action in its isolate. Every method is a turn: user code runs until its microtasks have drained, then the
 * supervisor is told what became of it. Nothing is told after the end.
 */
export class ActionRun {
  readonly #id: string
  readonly #header: ActionStart
  readonly #channel: BlockingChannel
  readonly #code: LoadedCode
  readonly #envJson: string
  readonly #isolate: ivm.Isolate
  readonly #context: ivm.Context
  readonly #isShared: () => boolean
  readonly #onEnded: () => void
  readonly #modules = new Map<string, ivm.Module>()
  /** Modules that user code has asked for in this turn. */
  readonly #imports: ImportCall[] = []
  #members: Members | undefined
  /** What this turn has sent since its response; it goes out when the turn has ended well. */
  #held: (readonly string[])[] | undefined
  #isOver = false

  constructor(options: {
    readonly id: string
    readonly header: ActionStart
    readonly channel: BlockingChannel
    readonly code: LoadedCode
    readonly envJson: string
    readonly fresh: FreshIsolate
    readonly isShared: () => boolean
    readonly onEnded: () => void
  }) {
    this.#id = options.id
    this.#header = options.header
    this.#channel = options.channel
    this.#code = options.code
    this.#envJson = options.envJson
    this.#isolate = options.fresh.isolate
    this.#context = options.fresh.context
    this.#isShared = options.isShared
    this.#onEnded = options.onEnded
  }

  start(text: string): void {
    this.#turn(() => {
      const members = this.#open()
      this.#members = members
      members.beginImport.applySync(undefined, [this.#code.importSeed, this.#code.importTimeMs, this.#envJson])
      this.#evaluate(members)
      const { kind, name, seed, nowMs } = this.#header
      members.start.applySync(undefined, [kind, name, text, seed, nowMs], { timeout: this.#turnMs() })
    })
  }

  deliver(callId: number, isOk: boolean, text: string, body: string): void {
    this.#apply('deliver', [callId, isOk, text, body])
  }

  wake(): void {
    this.#apply('wake', [])
  }

  abortRequest(): void {
    this.#apply('abortRequest', [])
  }

  end(): void {
    this.#finish({ kind: 'ended' }, '', '')
  }

  #apply(name: 'deliver' | 'wake' | 'abortRequest', args: readonly unknown[]): void {
    this.#turn(() => this.#members?.[name].applySync(undefined, [...args], { timeout: this.#turnMs() }))
  }

  #turn(run: () => void): void {
    if (this.#isOver) return
    let thrown: { readonly error: unknown } | undefined
    try {
      run()
    } catch (error) {
      thrown = { error }
    }
    if (this.#isolate.isDisposed) {
      this.#finish({ kind: 'outOfMemory' }, '', '')
      return
    }
    if (thrown !== undefined && isTimeout(thrown.error)) {
      this.#finish({ kind: 'timedOut', limitMs: this.#turnMs() }, '', '')
      return
    }
    this.#sendHeld(thrown === undefined)
    const next = thrown === undefined ? this.#imports.shift() : undefined
    if (next === undefined) this.#report(thrown)
    else this.#turn(() => this.#import(next))
  }

  #sendHeld(isWell: boolean): void {
    const held = this.#held ?? []
    this.#held = undefined
    if (isWell) for (const frame of held) this.#channel.send(frameKinds.actionOperation, frame)
  }

  /** Loads a module that user code has asked for, and hands over its namespace or what went wrong. */
  #import({ callId, referrer, specifier }: ImportCall): void {
    const { deliver, deliverModule } = this.#members as Members
    const timeout = this.#turnMs()
    try {
      const graph = this.#evaluateGraph(resolveSpecifier(specifier, referrer))
      deliverModule.applySync(undefined, [callId, graph.namespace.derefInto()], { timeout })
    } catch (error) {
      if (this.#isolate.isDisposed || isTimeout(error) || !(error instanceof Error)) throw error
      const { message, name } = error
      deliver.applySync(undefined, [callId, false, JSON.stringify({ message, name }), ''], { timeout })
    }
  }

  #evaluateGraph(entryPath: string): ModuleGraph {
    return evaluateGraph({
      isolate: this.#isolate,
      context: this.#context,
      code: this.#code,
      entryPath,
      known: this.#modules,
      timeoutMs: this.#turnMs(),
    })
  }

  /** Tells what the turn has led to. An error that came out of it is an unhandled one, which fails the action (§1.6). */
  #report(thrown: { readonly error: unknown } | undefined): void {
    const poll = this.#members?.poll.applySync(undefined, []) as string | undefined
    const [state = '2', logs = '', ...rest] = poll === undefined ? [] : splitLines(poll)
    if (thrown !== undefined) {
      this.#fail(
        thrown.error instanceof ImportFailed ? thrown.error.description : describeCopiedError(thrown.error),
        logs,
      )
      return
    }
    const text = rest[0] ?? ''
    if (state.startsWith('0')) {
      this.#finish({ kind: 'success' }, logs, text)
      return
    }
    if (state.startsWith('1')) {
      this.#fail(JSON.parse(text) as ErrorDescription, logs)
      return
    }
    const [awaited = '0', wakeMs = '-1'] = state.slice(1).split(',')
    if (awaited === '0' && wakeMs === '-1') {
      this.#fail({ message: 'Returned promise will never resolve', frames: [], frozenWrite: false }, logs)
      return
    }
    this.#channel.send(frameKinds.actionTurn, [this.#id, wakeMs, logs])
  }

  #fail(error: ErrorDescription, logs: string): void {
    this.#finish({ kind: 'userError', error }, logs, '')
  }

  #finish(end: ActionEnd, logs: string, resultText: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onEnded()
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
    this.#channel.send(frameKinds.actionEnded, [this.#id, JSON.stringify(end), logs, resultText])
  }

  /** How long one turn may take: an action that shares its process has to give way. */
  #turnMs(): number {
    const { timeMs, sharedTurnMs } = this.#header
    return this.#isShared() ? Math.min(sharedTurnMs, timeMs) : timeMs
  }

  #open(): Members {
    const runner = this.#context.global.getSync('__runner', { reference: true }) as ivm.Reference
    const members: Partial<Members> = {}
    for (const name of memberNames) members[name] = runner.getSync(name, { reference: true }) as ivm.Reference
    const port = new ivm.Callback((operation: string, callId: number, argsText: string, body: string) => {
      if (operation === 'module/import') {
        this.#imports.push({ callId, ...(JSON.parse(argsText) as Pick<ImportCall, 'referrer' | 'specifier'>) })
        return
      }
      const frame = [this.#id, String(callId), operation, argsText, body]
      // A rejection that nobody handles fails the action when the turn ends: its response must not be out by then.
      if (operation === 'http/respond') this.#held ??= []
      if (this.#held === undefined) this.#channel.send(frameKinds.actionOperation, frame)
      else this.#held.push(frame)
    })
    ;(members as Members).lockDown.applySync(undefined, [port, compute])
    return members as Members
  }

  #evaluate(members: Members): void {
    const { modulePath } = this.#header
    try {
      const graph = this.#evaluateGraph(modulePath)
      members.endImport.applySync(undefined, [graph.namespace.derefInto(), modulePath])
    } catch (error) {
      if (this.#isolate.isDisposed || isTimeout(error)) throw error
      throw new ImportFailed(describeCopiedError(error))
    }
  }
}

/** Evaluating the modules failed: no function of theirs can run. */
class ImportFailed extends Error {
  readonly description: ErrorDescription
  constructor(description: ErrorDescription) {
    super(description.message)
    this.description = description
  }
}

/** The first two lines, and the rest, which may have line breaks of its own. */
function splitLines(text: string): readonly [string, string, string] {
  const first = text.indexOf('\n')
  const second = text.indexOf('\n', first + 1)
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)]
}
