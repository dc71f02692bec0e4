/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/** `console` as functions see it: lines collected for the caller, formatted by object-inspect (function-runtime.md §3.5). */
import inspect from 'object-inspect'
import { captureFrames, type Frame } from './errors.ts'
import { state } from './execution-state.ts'
import {
  arrayJoin,
  defineHidden,
  NativeMap,
  mapDelete,
  mapGet,
  mapSet,
  realNow,
  stringCharCodeAt,
  stringSlice,
} from './primordials.ts'

export type LogLevel = 'DEBUG' | 'ERROR' | 'WARN' | 'INFO' | 'LOG'

export type IsolateLogLine = {
  readonly messages: string[]
  readonly level: LogLevel
  readonly timestamp: number
  readonly isTruncated: boolean
  /** Of `console.trace`: the host appends the mapped stack as last message. */
  readonly traceFrames?: readonly Frame[]
}

const maxLines = 256
/** Messages of a line, joined by spaces, in UTF-8. */
const maxLineBytes = 32_768
const inspectOptions = { indent: 2, maxStringLength: 32_768, customInspect: true }

let lines: IsolateLogLine[] = []
/** Of the whole call; actions hand theirs over while they run. */
let lineCount = 0
let timers: Map<string, number> | undefined

export function resetConsole(): void {
  lines = []
  lineCount = 0
  timers = undefined
}

export function takeLogLines(): IsolateLogLine[] {
  const taken = lines
  lines = []
  return taken
}

/** Adds a line of texts that are taken as they are. */
export function addLine(level: LogLevel, messages: string[], traceFrames?: readonly Frame[]): void {
  if (state.phase === 'idle' || lineCount >= maxLines) return
  const timestamp = realNow()
  lineCount += 1
  if (lineCount === maxLines) {
    const overflow = `Log overflow (maximum ${maxLines}). Remaining log lines omitted.`
    lines[lines.length] = { messages: [overflow], level: 'ERROR', timestamp, isTruncated: false }
    return
  }
  const isTruncated = truncateMessages(messages)
  const line = { messages, level, timestamp, isTruncated }
  lines[lines.length] = traceFrames === undefined ? line : { ...line, traceFrames }
}

/** Cuts `messages` in place to the line limit; true if anything was cut. */
export function truncateMessages(messages: string[]): boolean {
  let remaining = maxLineBytes
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as string
    if (i > 0) remaining -= 1
    // Three bytes per code unit is the most UTF-8 needs.
    if (message.length * 3 <= remaining) {
      remaining -= utf8Length(message)
      continue
    }
    const end = fittingLength(message, remaining)
    if (end === message.length) {
      remaining -= utf8Length(message)
      continue
    }
    messages[i] = stringSlice(message, 0, end)
    messages.length = i + 1
    return true
  }
  return false
}

function codeUnitBytes(unit: number): number {
  if (unit < 0x80) return 1
  // A surrogate pair takes four bytes: two for each half.
  if (unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff)) return 2
  return 3
}

function utf8Length(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) bytes += codeUnitBytes(stringCharCodeAt(text, i))
  return bytes
}

function fittingLength(text: string, maxBytes: number): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = stringCharCodeAt(text, i)
    bytes += codeUnitBytes(unit)
    if (bytes > maxBytes) {
      const splitsPair = unit >= 0xdc00 && unit <= 0xdfff && i > 0
      return splitsPair ? i - 1 : i
    }
  }
  return text.length
}

/** Arguments of a console method as texts. */
export function formatArguments(args: readonly unknown[]): string[] {
  const messages: string[] = []
  for (let i = 0; i < args.length; i++) messages[i] = inspect(args[i], inspectOptions)
  return messages
}

function timerLabel(label: unknown): string {
  return label === undefined ? 'default' : `${label as string}`
}

function elapsed(label: string): number | undefined {
  const startedAt = timers === undefined ? undefined : mapGet(timers, label)
  if (startedAt !== undefined) return realNow() - startedAt
  addLine('WARN', [`Timer '${label}' does not exist`])
  return undefined
}

const methods = {
  debug(...args: unknown[]): void {
    addLine('DEBUG', formatArguments(args))
  },
  error(...args: unknown[]): void {
    addLine('ERROR', formatArguments(args))
  },
  info(...args: unknown[]): void {
    addLine('INFO', formatArguments(args))
  },
  log(...args: unknown[]): void {
    addLine('LOG', formatArguments(args))
  },
  warn(...args: unknown[]): void {
    addLine('WARN', formatArguments(args))
  },
  trace(...args: unknown[]): void {
    addLine('LOG', formatArguments(args), captureFrames(methods.trace))
  },
  time(label?: unknown): void {
    const name = timerLabel(label)
    timers ??= new NativeMap<string, number>()
    if (mapGet(timers, name) !== undefined) addLine('WARN', [`Timer '${name}' already exists`])
    else mapSet(timers, name, realNow())
  },
  timeLog(label?: unknown, ...args: unknown[]): void {
    const name = timerLabel(label)
    const duration = elapsed(name)
    if (duration !== undefined) addLine('INFO', [arrayJoin([`${name}: ${duration}ms`, ...formatArguments(args)], ' ')])
  },
  timeEnd(label?: unknown): void {
    const name = timerLabel(label)
    const duration = elapsed(name)
    if (duration === undefined) return
    if (timers !== undefined) mapDelete(timers, name)
    addLine('INFO', [`${name}: ${duration}ms`])
  },
}

export function installConsole(): void {
  defineHidden(globalThis, 'console', { ...methods })
}
