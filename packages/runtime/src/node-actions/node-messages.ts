/**
 * What a process of Node actions says, taken apart. User code can write to its socket, so nothing is believed: what does
 * not have its form throws.
 */
import type { LogLevel, LogLine } from '../execution.ts'
import type { ErrorDescription, RawFrame } from '../isolate-interface.ts'
import type { NodeActionEnd } from './node-frames.ts'

const levels: ReadonlySet<unknown> = new Set<LogLevel>(['DEBUG', 'ERROR', 'WARN', 'INFO', 'LOG'])
const maxFrames = 200

type Json = Readonly<Record<string, unknown>>

export function parseActionEnd(text: string): NodeActionEnd {
  const { kind, isBroken, error } = asObject(JSON.parse(text))
  if (kind === 'success') return { kind, isBroken: isBroken === true }
  if (kind !== 'userError') throw new Error('not the end of an action')
  return { kind, isBroken: isBroken === true, error: parseError(error) }
}

export function parseError(json: unknown): ErrorDescription {
  const { message, frames, data } = asObject(json)
  if (typeof message !== 'string' || !Array.isArray(frames) || frames.length > maxFrames) {
    throw new Error('not the description of an error')
  }
  const parsed: ErrorDescription = { message, frames: frames.map(parseFrame), frozenWrite: false }
  if (data === undefined) return parsed
  if (typeof data !== 'string') throw new Error('not the data of an error')
  // Throws where it is no JSON.
  JSON.parse(data)
  return { ...parsed, data }
}

/** Lines as an action writes them. */
export function parseLogLines(text: string): readonly LogLine[] {
  const lines: unknown = JSON.parse(text)
  if (!Array.isArray(lines)) throw new Error('not a list of log lines')
  return lines.map((line) => {
    const { messages, level, timestamp, isTruncated } = asObject(line)
    if (!Array.isArray(messages) || messages.some((message) => typeof message !== 'string')) throw new Error('no texts')
    if (!levels.has(level) || !Number.isFinite(timestamp)) throw new Error('not a log line')
    return {
      messages: messages as string[],
      level: level as LogLevel,
      timestamp: timestamp as number,
      isTruncated: isTruncated === true,
    }
  })
}

function parseFrame(json: unknown): RawFrame {
  const { functionName, methodName, fileName, lineNumber, columnNumber, isConstructor, isAsync, ...rest } =
    asObject(json)
  return {
    functionName: text(functionName),
    methodName: text(methodName),
    fileName: text(fileName),
    lineNumber: count(lineNumber),
    columnNumber: count(columnNumber),
    isConstructor: isConstructor === true,
    isAsync: isAsync === true,
    isPromiseAll: rest['isPromiseAll'] === true,
    promiseIndex: count(rest['promiseIndex']),
  }
}

function asObject(json: unknown): Json {
  if (typeof json !== 'object' || json === null) throw new Error('not an object')
  return json as Json
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** Positions count from 1, and promises from 0. */
function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null
}
