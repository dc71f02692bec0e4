import type { LogLine, ReuseTier } from '../execution.ts'
import type { ErrorDescription } from '../isolate-interface.ts'
import {
  encodeEnd,
  encodeNotes,
  encodeRunLogs,
  frameKinds,
  isLarge,
  type CallLogs,
  type EndHeader,
  type Frame,
  type FrameKind,
  type GraphKey,
  type Invoke,
  type NestedHeader,
} from '../protocol.ts'
import type { BlockingChannel } from './blocking-channel.ts'
import { describeCopiedError } from './copied-error.ts'
import { Cursors, type Page } from './cursors.ts'
import type { IsolateSlot } from './isolate-slot.ts'
import type { ReadMemory } from './read-memory.ts'
import { noLogs, Realm, type CallEnd } from './realm.ts'
import { runnerLimits } from './runner-limits.ts'

/** Syscalls that cannot change what an open cursor would read next. */
const readOps: ReadonlySet<string> = new Set([
  '1.0/get',
  '1.0/count',
  '1.0/queryPage',
  '1.0/db/normalizeId',
  '1.0/getSnapshotTs',
  '1.0/getUserIdentity',
  '1.0/getTransactionMetrics',
  '1.0/getFunctionMetadata',
  '1.0/getDeploymentMetadata',
  '1.0/getRequestMetadata',
  '1.0/createFunctionHandle',
  '1.0/componentArgument',
  '1.0/storageGetUrl',
  '1.0/storageGetMetadata',
  '1.0/storageGet',
  '1.0/auditLog',
])

/** Cursors of all functions of an execution are told apart by their ids alone. */
const queryIdsPerFunction = 2 ** 32

/** Writes whose result nobody can see but as "it worked": they need not be waited for. */
const writesAhead: ReadonlySet<string> = new Set(['1.0/shallowMerge', '1.0/replace', '1.0/remove'])

type Call = {
  readonly componentId: string
  readonly udfType: 'query' | 'mutation'
  readonly exportName: string
  readonly argsText: string
  readonly seed: string
  readonly nowMs: number
}

/** How one function of the execution ended, with its result's text if it succeeded. */
type End = { readonly header: EndHeader; readonly resultText: string; readonly logs: CallLogs }

/** One top-level execution with the calls nested in it. Every syscall is one blocking round trip at most. */
export class Execution {
  readonly #channel: BlockingChannel
  readonly #getSlot: (depth: number) => IsolateSlot
  readonly #onVersion: (frame: Frame) => void
  readonly #invoke: Invoke
  readonly #memory: ReadMemory
  /** Of this call, counted by the runner. */
  readonly #number: number
  readonly #cursors: Cursors
  readonly #nestedLogs: LogLine[] = []
  readonly #observedEnv = new Set<string>()
  #observedTime = false
  #framesHeld = 0
  /** Of the functions of this execution, in the order of their starts. */
  readonly #componentIds: string[] = []
  /** Of the realm of the outermost function. */
  #tier: ReuseTier = 'fresh'
  /** Set once nothing may go on: the execution ends as this says, whatever user code does. */
  #fatal: EndHeader | undefined

  constructor(options: {
    readonly channel: BlockingChannel
    readonly getSlot: (depth: number) => IsolateSlot
    /** Loads or drops a version of code or environment. */
    readonly onVersion: (frame: Frame) => void
    readonly invoke: Invoke
    readonly memory: ReadMemory
    readonly number: number
  }) {
    this.#channel = options.channel
    this.#memory = options.memory
    this.#number = options.number
    this.#getSlot = options.getSlot
    this.#onVersion = options.onVersion
    this.#invoke = options.invoke
    this.#cursors = new Cursors((queryId, query) => this.#loadPage(queryId, query))
  }

  /** Runs the function and sends `done`. */
  run(): void {
    const end = this.#runAt(0, this.#invoke, this.#invoke)
    this.#memory.endCall(this.#number, this.#fatal === undefined && end.header.kind === 'success')
    this.#noteLogs(end.logs)
    const logLines = mergeByTime(end.logs.logLines, this.#nestedLogs)
    const observed = { time: this.#observedTime, env: [...this.#observedEnv] }
    this.#send(frameKinds.done, [
      this.#takeNotes(),
      encodeEnd(this.#fatal ?? end.header),
      end.resultText,
      encodeRunLogs({ logLines, observed }),
      this.#tier,
    ])
  }

  #runAt(depth: number, key: GraphKey & { readonly forceFresh: boolean }, call: Call): End {
    const slot = this.#getSlot(depth)
    if (slot.isDisposed) slot.renew()
    let realm: Realm | undefined
    slot.host = (op, argsText, opened, closed) => {
      if (closed !== undefined) this.#closeCursors(closed)
      return this.#answer(depth, call, op, argsText, opened)
    }
    const firstQueryId = this.#componentIds.length * queryIdsPerFunction
    this.#componentIds.push(call.componentId)
    let thrown: unknown
    try {
      const taken = slot.take(key, key.forceFresh)
      if (!(taken instanceof Realm)) return { ...failed(taken.error), logs: taken.logs }
      realm = taken
      if (depth === 0) this.#tier = realm.tier
      realm.invoke(call, firstQueryId)
    } catch (error) {
      thrown = error
    } finally {
      slot.host = undefined
    }
    if (slot.isDisposed) {
      // Disposed by ourselves if the execution was aborted, by isolated-vm if the heap is full.
      this.#fatal ??= { kind: 'outOfMemory' }
      return { header: this.#fatal, resultText: '', logs: noLogs }
    }
    const { settled, closed, logs }: CallEnd = realm?.endCall() ?? { settled: undefined, closed: '', logs: noLogs }
    this.#closeCursors(closed)
    const end = this.#endOf(realm, key, settled, thrown, logs)
    const clean = thrown === undefined && settled !== undefined
    const mayReuse = clean && this.#fatal === undefined && (realm?.tier === 'stateless' || settled?.ok === true)
    if (realm !== undefined) slot.giveBack(key, realm, mayReuse)
    return end
  }

  #endOf(
    realm: Realm | undefined,
    { codeVersion, modulePath }: GraphKey,
    settled: CallEnd['settled'],
    thrown: unknown,
    logs: CallLogs,
  ): End {
    // What isolated-vm throws after the microtasks have run is an unhandled rejection; it fails the function (§1.6).
    const rejection = thrown === undefined ? undefined : describeCopiedError(thrown)
    const wroteToFrozen = rejection?.frozenWrite === true || this.#wroteToFrozen(settled, logs)
    if (realm?.tier === 'stateless' && wroteToFrozen) {
      this.#fatal ??= { kind: 'notStateless', graph: { codeVersion, modulePath } }
      return { header: this.#fatal, resultText: '', logs }
    }
    if (rejection !== undefined) return { ...failed(rejection), logs }
    if (settled === undefined) return { ...failed(plainError('Returned promise will never resolve')), logs }
    if (settled.ok) return { header: { kind: 'success' }, resultText: settled.text, logs }
    return { ...failed(JSON.parse(settled.text) as ErrorDescription), logs }
  }

  /** Noticed by the isolate's own code even if user code caught the error, otherwise by the error itself. */
  #wroteToFrozen(settled: CallEnd['settled'], logs: CallLogs): boolean {
    if (logs.frozenWrite) return true
    return settled?.ok === false && (JSON.parse(settled.text) as ErrorDescription).frozenWrite
  }

  /** Answers one syscall of the function at `depth`. */
  #answer(depth: number, { udfType, componentId }: Call, op: string, argsJson: string, opened?: string): string {
    if (this.#fatal !== undefined) return this.#stop(depth)
    switch (op) {
      case '1.0/queryStreamNext':
        return this.#answerNext(depth, argsJson, opened)
      case '1.0/runUdf':
        return this.#answerNested(depth, udfType, argsJson)
      default: {
        if (op === '1.0/get') return this.#answerGet(depth, componentId, argsJson)
        if (udfType === 'mutation' && !readOps.has(op)) return this.#answerWrite(depth, componentId, op, argsJson)
        this.#request(frameKinds.syscall, [op, argsJson])
        return this.#answerText(depth, this.#readReply())
      }
    }
  }

  #answerGet(depth: number, componentId: string, argsJson: string): string {
    const expected = this.#mayExpect() ? this.#memory.findDocument(argsJson, componentId) : undefined
    if (expected !== undefined) {
      this.#sendAhead(frameKinds.expectAnswer, ['1.0/get', argsJson, expected])
      return `0${expected}`
    }
    this.#request(frameKinds.syscall, ['1.0/get', argsJson])
    const reply = this.#readReply()
    if (reply.kind === frameKinds.replyOk && this.#isMutation) {
      this.#memory.rememberDocument(argsJson, reply.texts[0] as string, componentId)
    }
    return this.#answerText(depth, reply)
  }

  #answerWrite(depth: number, componentId: string, op: string, argsJson: string): string {
    this.#memory.write(op, argsJson, componentId)
    if (writesAhead.has(op) && this.#invoke.ahead !== 'nothing' && this.#framesHeld < runnerLimits.framesAhead) {
      this.#sendAhead(frameKinds.write, [op, argsJson])
      this.#cursors.dropPrefetched()
      return '0null'
    }
    this.#request(frameKinds.syscall, [op, argsJson])
    this.#cursors.dropPrefetched()
    return this.#answerText(depth, this.#readReply())
  }

  /** What was sent ahead and turns out wrong makes the whole call run again (see `Call`). */
  #sendAhead(kind: FrameKind, texts: readonly string[]): void {
    this.#channel.hold(kind, [this.#takeNotes(), ...texts])
    this.#framesHeld += 1
  }

  get #isMutation(): boolean {
    return this.#invoke.udfType === 'mutation'
  }

  #mayExpect(): boolean {
    return this.#isMutation && this.#invoke.ahead === 'writesAndReads' && this.#framesHeld < runnerLimits.framesAhead
  }

  #closeCursors(ids: string): void {
    if (ids === '') return
    for (const id of ids.split(',')) this.#cursors.close(Number(id))
  }

  #answerNext(depth: number, argsJson: string, opened: string | undefined): string {
    const { queryId } = JSON.parse(argsJson) as { queryId: number }
    if (opened !== undefined && opened !== '') {
      const query: unknown = (JSON.parse(opened) as { query?: unknown }).query
      this.#cursors.open(queryId, JSON.stringify(query))
    }
    try {
      const row = this.#cursors.next(queryId)
      if (row === undefined) return `1${JSON.stringify({ message: 'in-progress query not found' })}`
      if (row === null) return '0{"value":null,"done":true}'
      return `${this.#cursors.isExhausted(queryId) ? 2 : 0}{"value":${row},"done":false}`
    } catch (error) {
      if (error instanceof Refused) return this.#answerText(depth, error.frame)
      throw error
    }
  }

  #answerNested(depth: number, udfType: 'query' | 'mutation', argsJson: string): string {
    this.#request(frameKinds.beginNested, [argsJson])
    const begun = this.#readReply()
    if (begun.kind !== frameKinds.replyOk) return this.#answerText(depth, begun)
    const header = JSON.parse(begun.texts[0] as string) as NestedHeader
    if (udfType === 'mutation' && header.udfType === 'mutation') this.#cursors.dropPrefetched()
    const end = this.#runAt(depth + 1, header, {
      componentId: header.componentId,
      udfType: header.udfType,
      exportName: header.exportName,
      argsText: begun.texts[1] as string,
      seed: header.seed,
      nowMs: this.#invoke.nowMs,
    })
    if (this.#fatal !== undefined) return this.#stop(depth)
    this.#noteLogs(end.logs)
    const { udfPath, componentPath } = header
    const source = componentPath === '' ? { udfPath } : { udfPath, componentPath }
    for (const line of end.logs.logLines) this.#nestedLogs.push({ ...source, ...line })
    this.#request(frameKinds.endNested, [encodeEnd(end.header), end.resultText])
    return this.#answerText(depth, this.#readReply())
  }

  /** Turns a reply into what the host function returns; an abort ends the execution. */
  #answerText(depth: number, reply: Frame): string {
    if (reply.kind === frameKinds.replyOk) return `0${reply.texts[0]}`
    if (reply.kind === frameKinds.replyCatchable) return `1${reply.texts[0]}`
    this.#fatal ??= { kind: 'aborted' }
    return this.#stop(depth)
  }

  /** Ends the function at `depth` uncatchably. Its callers end when they are returned to, by the same way. */
  #stop(depth: number): string {
    this.#getSlot(depth).terminate()
    return '0null'
  }

  #loadPage(queryId: number, query: string | undefined): Page {
    const componentId = this.#componentIds[Math.floor(queryId / queryIdsPerFunction)] as string
    const expected = query !== undefined && this.#mayExpect() ? this.#memory.findPage(query, componentId) : undefined
    if (expected !== undefined) {
      const { done, rows } = expected
      this.#sendAhead(frameKinds.expectPage, [String(queryId), query as string, done ? '1' : '0', ...rows])
      return expected
    }
    this.#request(frameKinds.nextPage, query === undefined ? [String(queryId)] : [String(queryId), query])
    const reply = this.#readReply()
    if (reply.kind !== frameKinds.replyOk) throw new Refused(reply)
    const page = { done: reply.texts[0] === '1', rows: reply.texts.slice(1) }
    if (query !== undefined && this.#isMutation) this.#memory.rememberPage(query, page, componentId)
    return page
  }

  #request(kind: FrameKind, texts: readonly string[]): void {
    this.#framesHeld = 0
    this.#send(kind, [this.#takeNotes(), ...texts])
  }

  #send(kind: FrameKind, texts: readonly string[]): void {
    if (isLarge(texts)) this.#channel.send(frameKinds.transferring, [])
    this.#channel.send(kind, texts)
  }

  #readReply(): Frame {
    const reply = this.#channel.readReply(this.#onVersion)
    if (isLarge(reply.texts)) this.#channel.send(frameKinds.received, [])
    return reply
  }

  #takeNotes(): string {
    return encodeNotes(this.#cursors.takeNotes())
  }

  #noteLogs(logs: CallLogs): void {
    this.#observedTime ||= logs.observed.time
    for (const name of logs.observed.env) this.#observedEnv.add(name)
  }
}

/** The supervisor did not send a page. */
class Refused extends Error {
  readonly frame: Frame
  constructor(frame: Frame) {
    super('The page was refused.')
    this.frame = frame
  }
}

function failed(error: ErrorDescription): End {
  return { header: { kind: 'userError', error }, resultText: '', logs: noLogs }
}

/** An error of ours that is shown to the developer as it stands. */
function plainError(message: string): ErrorDescription {
  return { message, frames: [], frozenWrite: false }
}

/** Both lists are in order; at equal times the caller's lines come first. */
function mergeByTime(lines: readonly LogLine[], nested: readonly LogLine[]): readonly LogLine[] {
  if (nested.length === 0) return lines
  return [...lines, ...nested].sort((a, b) => a.timestamp - b.timestamp)
}
