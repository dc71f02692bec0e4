import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import type { CodeBundle, LogLine, ModuleSource } from './execution.ts'
import type { ErrorDescription, RawFrame } from './isolate-interface.ts'

const maps = new WeakMap<ModuleSource, TraceMap | null>()

/**
 * The text of an error as developers see it: its message, then one line per frame that a source map knows, each with
 * its newline (function-runtime.md §1.11). Texts of the platform's own have no frames.
 */
export function renderError(error: ErrorDescription, code: CodeBundle): string {
  if (!error.message.startsWith('Uncaught')) return error.message
  return `${error.message}\n${renderFrames(error.frames, code)
    .map((line) => `${line}\n`)
    .join('')}`
}

/** A line as the isolate has it; those of `console.trace` have frames. */
export type RawLogLine = LogLine & { readonly traceFrames?: readonly RawFrame[] }

/** The lines as developers see them: the stack of a `console.trace` is its last message. */
export function renderTraces(lines: readonly RawLogLine[], code: CodeBundle): readonly LogLine[] {
  if (!lines.some((line) => line.traceFrames !== undefined)) return lines
  return lines.map(({ traceFrames, ...line }) =>
    traceFrames === undefined
      ? line
      : { ...line, messages: [...line.messages, `\n${renderFrames(traceFrames, code).join('\n')}`] },
  )
}

function renderFrames(frames: readonly RawFrame[], code: CodeBundle): readonly string[] {
  return trimLibrary(frames.map((frame) => mapFrame(frame, code)).filter((frame) => frame !== undefined)).map(
    (frame) => `    at ${frame.label} (${frame.source}:${frame.line}:${frame.column})`,
  )
}

type MappedFrame = { readonly label: string; readonly source: string; readonly line: number; readonly column: number }

function mapFrame(frame: RawFrame, code: CodeBundle): MappedFrame | undefined {
  if (frame.fileName === null || frame.lineNumber === null || frame.columnNumber === null) return undefined
  const module = code.modules.get(frame.fileName)
  const map = module === undefined ? undefined : findMap(module)
  if (map === undefined) return undefined
  const position = originalPositionFor(map, { line: frame.lineNumber, column: frame.columnNumber - 1 })
  if (position.source === null) return undefined
  return { label: labelOf(frame), source: position.source, line: position.line, column: position.column + 1 }
}

function labelOf(frame: RawFrame): string {
  if (frame.isPromiseAll === true) return `async Promise.all (index ${frame.promiseIndex ?? 0})`
  const name = frame.functionName ?? '<anonymous>'
  return `${frame.isAsync ? 'async ' : ''}${frame.isConstructor === true ? 'new ' : ''}${name}`
}

/** Frames of the library's own glue at both ends tell the developer nothing. */
function trimLibrary(frames: readonly MappedFrame[]): readonly MappedFrame[] {
  const isOwn = (frame: MappedFrame): boolean => !/convex\/src\/server\/(impl\/|router\.)/.test(frame.source)
  const first = frames.findIndex(isOwn)
  const last = frames.findLastIndex(isOwn)
  return first < 0 ? [] : frames.slice(first, last + 1)
}

/** Undefined for a module without a map. */
export function findMap(module: ModuleSource): TraceMap | undefined {
  let map = maps.get(module)
  if (map === undefined) {
    map = parseMap(module.sourceMap)
    maps.set(module, map)
  }
  return map ?? undefined
}

/** Null for a module without a map, or with one that was not made by a bundler. */
function parseMap(text: string | undefined): TraceMap | null {
  if (text === undefined) return null
  try {
    return new TraceMap(text)
  } catch {
    return null
  }
}
