/**
 * Recent function executions of one deployment, for `convex logs` and the console (sync-and-http.md §8.1): a ring of
 * entries with strictly rising cursors, read by long polls.
 */
import { type Clock, createDeferred, type Deferred } from '@concave/base'
import type { Identity } from '@concave/protocol'
import type { LogLine } from '@concave/runtime'

export type Caller = 'SyncWorker' | 'HttpApi' | 'HttpEndpoint' | 'Tester' | 'Scheduler' | 'Cron' | 'Action'

export type Completion = {
  readonly udfType: 'Query' | 'Mutation' | 'Action' | 'HttpAction'
  /** '' for the app. */
  readonly componentPath: string
  /** `module:fn` without `.js`. */
  readonly identifier: string
  readonly logLines: readonly LogLine[]
  readonly startedAtMs: number
  readonly durationMs: number
  readonly cachedResult: boolean
  readonly error: string | undefined
  readonly caller: Caller
  readonly requestId: string
  readonly identityType: 'instance_admin' | 'user' | 'unknown' | 'member_acting_user'
  readonly usage: {
    readonly readDocuments: number
    readonly readBytes: number
    readonly writeDocuments: number
    readonly writeBytes: number
    readonly fileReadBytes?: number
    readonly fileWriteBytes?: number
  }
  readonly returnBytes: number | undefined
  readonly willRetry: boolean
  /** Status of an HTTP action's response. */
  readonly httpStatus?: number
}

/** Lines of an action that still runs; its completion has none (sync-and-http.md §8.1). */
export type Progress = {
  readonly udfType: 'Action' | 'HttpAction'
  /** '' for the app. */
  readonly componentPath: string
  readonly identifier: string
  readonly logLines: readonly LogLine[]
  readonly startedAtMs: number
  readonly requestId: string
}

type Entry = { readonly cursor: number; readonly requestId: string } & (
  | { readonly kind: 'Completion'; readonly completion: Completion; readonly endedAtMs: number }
  | { readonly kind: 'Progress'; readonly progress: Progress }
)

export type LogPage = { readonly entries: readonly unknown[]; readonly newCursor: number }

export class FunctionLog {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #maxCharacters: number
  /** The newest `capacity` and up to as many older ones; fewer if they are long. */
  #entries: Entry[] = []
  #characters = 0
  #lastCursor: number
  /** Set while somebody waits. */
  #arrival: Deferred<void> | undefined

  /** `maxCharacters`: of all log lines and errors that are kept, the newest entry apart. */
  constructor(deps: { readonly clock: Clock; readonly capacity: number; readonly maxCharacters: number }) {
    this.#clock = deps.clock
    this.#capacity = deps.capacity
    this.#maxCharacters = deps.maxCharacters
    this.#lastCursor = deps.clock.nowMs()
  }

  record(completion: Completion): void {
    const endedAtMs = this.#clock.nowMs()
    const { requestId } = completion
    this.#add({ kind: 'Completion', cursor: this.#nextCursor(endedAtMs), requestId, completion, endedAtMs })
  }

  recordProgress(progress: Progress): void {
    const { requestId } = progress
    this.#add({ kind: 'Progress', cursor: this.#nextCursor(this.#clock.nowMs()), requestId, progress })
  }

  /** Cursors are milliseconds with a fraction: two entries of one millisecond must differ. */
  #nextCursor(nowMs: number): number {
    this.#lastCursor = Math.max(nowMs, this.#lastCursor + 0.001)
    return this.#lastCursor
  }

  #add(entry: Entry): void {
    this.#entries.push(entry)
    this.#characters += countCharacters(entry)
    if (this.#entries.length >= 2 * this.#capacity) this.#drop(this.#entries.length - this.#capacity)
    while (this.#characters > this.#maxCharacters && this.#entries.length > 1) this.#drop(1)
    this.#arrival?.resolve()
    this.#arrival = undefined
  }

  /** Forgets that many of the oldest entries. */
  #drop(count: number): void {
    for (const entry of this.#entries.splice(0, count)) this.#characters -= countCharacters(entry)
  }

  /**
   * Entries after `cursor`. Cursor 0 is answered at once; otherwise waits for an entry, `signal` or `timeoutMs`.
   * `requestId` restricts the answer to one request. `structured` decides the form of log lines.
   */
  async poll(options: {
    readonly cursor: number
    readonly requestId: string | undefined
    readonly structured: boolean
    readonly timeoutMs: number
    readonly signal: AbortSignal
  }): Promise<LogPage> {
    const deadline = AbortSignal.timeout(options.timeoutMs)
    const stop = AbortSignal.any([deadline, options.signal])
    const stopped = aborted(stop)
    for (;;) {
      const entries = this.#entries
        .slice(-this.#capacity)
        .filter(
          (entry) =>
            entry.cursor > options.cursor && (options.requestId === undefined || entry.requestId === options.requestId),
        )
      if (entries.length > 0 || options.cursor === 0) {
        return {
          entries: entries.map((entry) => toWire(entry, options.structured)),
          newCursor: entries.at(-1)?.cursor ?? this.#lastCursor,
        }
      }
      if (stop.aborted) return { entries: [], newCursor: options.cursor }
      this.#arrival ??= createDeferred<void>()
      await Promise.race([this.#arrival.promise, stopped])
    }
  }
}

/** `[LEVEL] message`, the form that clients print (function-runtime.md §3.5). */
export function formatLogLine(line: LogLine): string {
  const suffix = line.isTruncated ? ' (truncated due to length)' : ''
  return `[${line.level}] ${line.messages.join(' ')}${suffix}`
}

/** A line that the platform adds to a function's log; `code` tells log streams what it is about. */
export function warningLine(code: string, message: string, timestamp: number): LogLine {
  return { level: 'WARN', messages: [message], timestamp, isTruncated: false, systemMetadata: { code } }
}

function countCharacters(entry: Entry): number {
  const { logLines } = entry.kind === 'Completion' ? entry.completion : entry.progress
  const error = entry.kind === 'Completion' ? (entry.completion.error ?? '') : ''
  let characters = error.length
  for (const { messages } of logLines) for (const message of messages) characters += message.length
  return characters
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function toWire(entry: Entry, structured: boolean): unknown {
  const lines = (logLines: readonly LogLine[]): readonly unknown[] =>
    logLines.map((line) =>
      structured ? { ...line, systemMetadata: line.systemMetadata ?? null } : formatLogLine(line),
    )
  if (entry.kind === 'Progress') {
    const { progress } = entry
    return {
      kind: 'Progress',
      udfType: progress.udfType,
      componentPath: progress.componentPath === '' ? null : progress.componentPath,
      identifier: progress.identifier,
      timestamp: progress.startedAtMs / 1000,
      logLines: lines(progress.logLines),
      requestId: progress.requestId,
      executionId: `${progress.requestId}-${entry.cursor}`,
    }
  }
  const { completion } = entry
  return {
    kind: 'Completion',
    udfType: completion.udfType,
    componentPath: completion.componentPath === '' ? null : completion.componentPath,
    identifier: completion.identifier,
    logLines: lines(completion.logLines),
    timestamp: entry.endedAtMs / 1000,
    cachedResult: completion.cachedResult,
    caller: completion.caller,
    parentExecutionId: null,
    executionTime: completion.durationMs / 1000,
    userExecutionTime: null,
    // Not null: the published schema takes that for both of two alternatives.
    ...(completion.httpStatus === undefined ? {} : { success: { status: String(completion.httpStatus) } }),
    error: completion.error ?? null,
    requestId: completion.requestId,
    executionId: `${completion.requestId}-${entry.cursor}`,
    usageStats: {
      databaseReadBytes: completion.usage.readBytes,
      databaseWriteBytes: completion.usage.writeBytes,
      databaseIoReadBytes: completion.usage.readBytes,
      databaseIoWriteBytes: completion.usage.writeBytes,
      databaseReadDocuments: completion.usage.readDocuments,
      databaseWriteDocuments: completion.usage.writeDocuments,
      storageReadBytes: completion.usage.fileReadBytes ?? 0,
      storageWriteBytes: completion.usage.fileWriteBytes ?? 0,
      vectorIndexReadBytes: 0,
      vectorIndexWriteBytes: 0,
      textIndexQueryBytes: 0,
      textIndexWriteQueryBytes: 0,
      vectorIndexReadQueryBytes: 0,
      vectorIndexWriteQueryBytes: 0,
      networkEgressBytes: 0,
      memoryUsedMb: 0,
    },
    returnBytes: completion.returnBytes ?? null,
    occInfo: null,
    willRetry: completion.willRetry,
    executionTimestamp: completion.startedAtMs / 1000,
    identityType: completion.identityType,
    environment: 'isolate',
  }
}

export function identityTypeOf(identity: Identity): Completion['identityType'] {
  switch (identity.kind) {
    case 'anonymous':
      return 'unknown'
    case 'user':
      return 'user'
    case 'admin':
      return identity.actingAs === undefined ? 'instance_admin' : 'member_acting_user'
  }
}
