/**
 * Frames between the supervisor and a runner on the inherited socket. A frame is a kind and a list of texts: texts
 * pass through as they are, so that documents and arguments are never parsed on the way.
 *
 * Layout, little endian: u32 length of the rest, u8 kind, u16 number of texts, u32 length of each text in UTF-16 code
 * units, then all texts as one piece of UTF-8: one crossing into the engine each way, however many texts there are.
 */
import type { LogLine, Observed } from './execution.ts'
import type { DefinitionKind, ErrorDescription, Inspection } from './isolate-interface.ts'

export const frameKinds = {
  // supervisor → runner
  boot: 0,
  loadCode: 1,
  dropCode: 2,
  loadEnv: 3,
  dropEnv: 4,
  invoke: 5,
  prepare: 6,
  replyOk: 7,
  replyCatchable: 8,
  replyAbort: 9,
  analyze: 10,
  // To runners of actions; `actions/action-frames.ts` has their texts.
  startAction: 11,
  deliver: 12,
  wake: 13,
  abortRequest: 14,
  endAction: 15,
  /** Calls whose writes have not happened, as numbers joined by commas: the runner counts its calls from 1. */
  forget: 16,
  /** To processes of Node actions; `node-actions/node-frames.ts` has their texts. */
  ping: 17,
  connected: 18,
  resolved: 19,
  // runner → supervisor
  ready: 20,
  syscall: 21,
  nextPage: 22,
  beginNested: 23,
  endNested: 24,
  done: 25,
  analyzed: 26,
  /** Sent ahead: nobody waits for an answer; what comes next finds out if one of them was wrong. A write: [notes, op, arguments]. */
  write: 27,
  /** What a first page is taken to be: [notes, query id, query, `1` if there is nothing more, rows]. */
  expectPage: 28,
  /** What a syscall is taken to answer: [notes, op, arguments, answer]. */
  expectAnswer: 29,
  actionOperation: 30,
  actionTurn: 31,
  actionEnded: 32,
  pong: 33,
  connect: 34,
  resolve: 35,
  /** The next frame is a large one: getting it across is not the time of user code. */
  transferring: 36,
  /** A large reply has come across: from here on it is the time of user code again. */
  received: 37,
  actionAccepted: 38,
} as const

export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds]

export type Frame = { readonly kind: number; readonly texts: readonly string[] }

const largeFrameLength = 256 * 1024

/** Whether both sides announce and acknowledge a frame with these texts. */
export function isLarge(texts: readonly string[]): boolean {
  let length = 0
  for (const text of texts) length += text.length
  return length >= largeFrameLength
}

const headerBytes = 7

export function encodeFrame(kind: FrameKind, texts: readonly string[]): Buffer {
  let joined = ''
  for (const text of texts) joined += text
  const start = headerBytes + 4 * texts.length
  const frame = Buffer.allocUnsafe(start + Buffer.byteLength(joined))
  frame.writeUInt32LE(frame.length - 4, 0)
  frame[4] = kind
  frame.writeUInt16LE(texts.length, 5)
  for (let i = 0; i < texts.length; i++) frame.writeUInt32LE((texts[i] as string).length, headerBytes + 4 * i)
  frame.write(joined, start, 'utf8')
  return frame
}

/** What comes before the texts of a frame. `totalBytes`: of the whole frame. Lone surrogates take the bytes of U+FFFD. */
export function encodeFrameHead(
  kind: FrameKind,
  texts: readonly string[],
): { readonly head: Buffer; readonly totalBytes: number } {
  const head = Buffer.allocUnsafe(headerBytes + 4 * texts.length)
  let totalBytes = head.length
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i] as string
    totalBytes += Buffer.byteLength(text)
    head.writeUInt32LE(text.length, headerBytes + 4 * i)
  }
  head.writeUInt32LE(totalBytes - 4, 0)
  head[4] = kind
  head.writeUInt16LE(texts.length, 5)
  return { head, totalBytes }
}

/** Decodes a frame without its leading length. */
export function decodeFrame(body: Buffer): Frame {
  const kind = body[0] as number
  const count = body.readUInt16LE(1)
  const joined = body.toString('utf8', 3 + 4 * count)
  if (count === 1) return { kind, texts: [joined] }
  const texts: string[] = []
  let start = 0
  for (let i = 0; i < count; i++) {
    const end = start + body.readUInt32LE(3 + 4 * i)
    texts.push(joined.slice(start, end))
    start = end
  }
  return { kind, texts }
}

/** Cuts a byte stream into frames. Refuses frames above `maxFrameBytes`: the other side may be hostile. */
export class FrameParser {
  readonly #maxFrameBytes: number
  #pending: Buffer[] = []
  #pendingBytes = 0

  constructor(options: { readonly maxFrameBytes: number }) {
    this.#maxFrameBytes = options.maxFrameBytes
  }

  /** Adds bytes and returns the frames completed by them. */
  push(chunk: Buffer): Frame[] {
    // Nearly always a chunk is one frame.
    if (
      this.#pendingBytes === 0 &&
      chunk.length >= 4 &&
      chunk.length === 4 + this.#checkLength(chunk.readUInt32LE(0))
    ) {
      return [decodeFrame(chunk.subarray(4))]
    }
    this.#pending.push(chunk)
    this.#pendingBytes += chunk.length
    if (this.#pendingBytes < this.#neededBytes()) return []
    let buffer = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending, this.#pendingBytes)
    const frames: Frame[] = []
    while (buffer.length >= 4) {
      const length = this.#checkLength(buffer.readUInt32LE(0))
      if (buffer.length < 4 + length) break
      frames.push(decodeFrame(buffer.subarray(4, 4 + length)))
      buffer = buffer.subarray(4 + length)
    }
    this.#pending = buffer.length === 0 ? [] : [buffer]
    this.#pendingBytes = buffer.length
    return frames
  }

  /** Bytes needed before the first frame can be complete; avoids joining chunks of a large frame again and again. */
  #neededBytes(): number {
    const first = this.#pending[0]
    if (first === undefined || first.length < 4) return 4
    return 4 + this.#checkLength(first.readUInt32LE(0))
  }

  #checkLength(length: number): number {
    if (length > this.#maxFrameBytes) throw new FrameTooLarge(length, this.#maxFrameBytes)
    return length
  }
}

export class FrameTooLarge extends Error {
  override readonly name = 'FrameTooLarge'
  constructor(length: number, maxFrameBytes: number) {
    super(`A frame of ${length} bytes is above the limit of ${maxFrameBytes}.`)
  }
}

/** What the runner did without asking: rows taken from cursors and cursors closed, in order. Rides with its next message. */
export type CursorNote =
  | { readonly kind: 'consumed'; readonly queryId: number; readonly rows: number }
  | { readonly kind: 'closed'; readonly queryId: number }

/** Joined by commas: `queryId:rows` for rows consumed, `queryId` for a cursor closed. Most messages carry no note. */
export function encodeNotes(notes: readonly CursorNote[]): string {
  let text = ''
  for (const note of notes) {
    if (text !== '') text += ','
    text += note.kind === 'consumed' ? `${note.queryId}:${note.rows}` : note.queryId
  }
  return text
}

export function decodeNotes(text: string): readonly CursorNote[] {
  if (text === '') return []
  return text.split(',').map((part) => {
    const colon = part.indexOf(':')
    if (colon < 0) return { kind: 'closed', queryId: Number(part) }
    return { kind: 'consumed', queryId: Number(part.slice(0, colon)), rows: Number(part.slice(colon + 1)) }
  })
}

/** First text of `boot`; then the isolate script, and its V8 snapshot in base64 or the empty text. */
export type BootHeader = {
  readonly isolateMemoryMb: number
  /** Data that the process may add to what it has after start. */
  readonly dataGrowthBytes: number
  readonly sandbox: boolean
}

/** First text of `ready`; the second is the V8 snapshot in base64 if none was given. `walls` names each wall that was tried; `open` those that did not hold. */
export type ReadyHeader = {
  readonly walls: readonly string[]
  readonly open: readonly string[]
  readonly reason?: string
}

/** First text of `loadCode`; then path, source and reuse tier of each module. */
export type LoadCodeHeader = { readonly version: string; readonly importSeed: string; readonly importTimeMs: number }

/** First text of `prepare`. */
export type GraphKey = { readonly codeVersion: string; readonly envVersion: string; readonly modulePath: string }

/**
 * What a call does not wait for: nothing, the answers to its writes, or also those to reads that the runner believes to
 * know. After something turned out wrong the call is run again with less.
 */
export type Ahead = 'nothing' | 'writes' | 'writesAndReads'

/** Of one call, as positional texts: every call has one, and JSON would cost more than all the rest of the frame. */
export type Invoke = GraphKey & {
  readonly componentId: string
  readonly udfType: 'query' | 'mutation'
  readonly exportName: string
  readonly seed: string
  readonly nowMs: number
  /** The supervisor knows that this graph writes to frozen state. */
  readonly forceFresh: boolean
  readonly ahead: Ahead
  readonly argsText: string
}

export function encodeInvoke(invoke: Invoke): readonly string[] {
  const { codeVersion, envVersion, componentId, modulePath, udfType, exportName, seed, nowMs, argsText } = invoke
  return [
    codeVersion,
    envVersion,
    componentId,
    modulePath,
    udfType,
    exportName,
    seed,
    String(nowMs),
    invoke.forceFresh ? '1' : '0',
    invoke.ahead,
    argsText,
  ]
}

export function decodeInvoke(texts: readonly string[]): Invoke {
  const [codeVersion, envVersion, componentId, modulePath, udfType, exportName, seed, nowMs, forceFresh, ahead, args] =
    texts as [string, string, string, string, Invoke['udfType'], string, string, string, string, Ahead, string]
  return {
    codeVersion,
    envVersion,
    componentId,
    modulePath,
    udfType,
    exportName,
    seed,
    nowMs: Number(nowMs),
    forceFresh: forceFresh === '1',
    ahead,
    argsText: args,
  }
}

/** First text of the reply to `beginNested`; the second is the text of the arguments. */
export type NestedHeader = GraphKey & {
  readonly componentId: string
  readonly udfType: 'query' | 'mutation'
  readonly exportName: string
  readonly seed: string
  readonly udfPath: string
  readonly componentPath: string
  /** As in `Invoke`. */
  readonly forceFresh: boolean
}

/**
 * How a function ended. `done`: [notes, header, result text, logs, tier of its realm]; `endNested`: [notes, header, result text].
 * A `userError` carries raw frames: the supervisor has the source maps.
 */
export type EndHeader =
  | { readonly kind: 'success' }
  | { readonly kind: 'userError'; readonly error: ErrorDescription }
  /** A write to a frozen object: the call is run again, and this graph's functions in fresh contexts from now on. */
  | { readonly kind: 'notStateless'; readonly graph: Pick<GraphKey, 'codeVersion' | 'modulePath'> }
  /** Ran out of memory: not catchable, whatever the depth. */
  | { readonly kind: 'outOfMemory' }
  | { readonly kind: 'aborted' }

/** Most functions succeed: the empty text says so. */
export function encodeEnd(header: EndHeader): string {
  return header.kind === 'success' ? '' : JSON.stringify(header)
}

export function decodeEnd(text: string): EndHeader {
  return text === '' ? { kind: 'success' } : (JSON.parse(text) as EndHeader)
}

/** What the isolate recorded during one phase. */
export type CallLogs = {
  readonly logLines: readonly LogLine[]
  readonly observed: Observed
  readonly frozenWrite: boolean
}

/** Fourth text of `done`. */
export type RunLogs = Omit<CallLogs, 'frozenWrite'>

/** Most calls log and observe nothing: the empty text says so. */
export function encodeRunLogs(logs: RunLogs): string {
  const { logLines, observed } = logs
  const isEmpty = logLines.length === 0 && !observed.time && observed.env.length === 0
  return isEmpty ? '' : JSON.stringify(logs)
}

export function decodeRunLogs(text: string): RunLogs {
  return text === '' ? { logLines: [], observed: { time: false, env: [] } } : (JSON.parse(text) as RunLogs)
}

/** First text of `analyze`. */
export type AnalyzeHeader = GraphKey & {
  readonly inspections: readonly Inspection[]
  readonly importKind?: DefinitionKind
}

/** First text of `analyzed`. `envRead`: names that the module asked for, set or not. */
export type AnalyzedHeader = { readonly envRead: readonly string[] } & (
  | { readonly kind: 'inspected'; readonly texts: readonly string[] }
  | { readonly kind: 'failed'; readonly error: ErrorDescription; readonly logLines: readonly LogLine[] }
)
