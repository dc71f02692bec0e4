/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * Errors as the host reports them (function-runtime.md §1.11): V8's structured frames are kept when a stack is formatted,
 * so that the host can map them through source maps; the text of a thrown value is built here.
 */
import { areContextsUsed } from './async-context.ts'
import { state } from './execution-state.ts'
import { isGraphFrozen, noteFrozenWrite } from './frozen-state.ts'
import { frozenWriteMessages } from './frozen-write-messages.ts'
import {
  defineHidden,
  getOwnPropertyDescriptor,
  hasOwn,
  isArray,
  jsonParse,
  jsonStringify,
  max,
  min,
  NativeError,
  NativeString,
  NativeTypeError,
  NativeWeakMap,
  objectCreate,
  ownKeys,
  reflectApply,
  regExpExec,
  stringSlice,
  symbolToString,
  weakMapGet,
  weakMapSet,
} from './primordials.ts'

/** One call site; names follow V8's stack trace API. Lines and columns count from 1. */
export type Frame = {
  readonly typeName: string | null
  readonly functionName: string | null
  readonly methodName: string | null
  readonly fileName: string | null
  readonly lineNumber: number | null
  readonly columnNumber: number | null
  readonly evalOrigin: string | null
  readonly isToplevel: boolean
  readonly isEval: boolean
  readonly isNative: boolean
  readonly isConstructor: boolean
  readonly isAsync: boolean
  readonly isPromiseAll: boolean
  readonly promiseIndex: number | null
}

export type ErrorDescription = {
  /** `Uncaught Error: text`; without frames. */
  readonly message: string
  readonly name: string
  readonly frames: readonly Frame[]
  /** JSON text of a ConvexError's data. */
  readonly data?: string
  /** The error says that something frozen was written. */
  readonly frozenWrite: boolean
  /** The execution failed in the host; the text is not the developer's business. */
  readonly uncatchable?: true
}

/** V8's CallSite; methods are called as such because user code cannot reach their prototype from a frozen graph. */
type CallSite = {
  getTypeName(): string | null
  getFunctionName(): string | null
  getMethodName(): string | null
  getFileName(): string | null
  getScriptNameOrSourceURL(): string | null
  getLineNumber(): number | null
  getColumnNumber(): number | null
  getEvalOrigin(): string | undefined
  isToplevel(): boolean
  isEval(): boolean
  isNative(): boolean
  isConstructor(): boolean
  isAsync(): boolean
  isPromiseAll(): boolean
  getPromiseIndex(): number | null
  toString(): string
}

type V8Error = ErrorConstructor & {
  stackTraceLimit: number
  prepareStackTrace: unknown
  captureStackTrace(target: object, below?: unknown): void
}

const nativeError = NativeError as V8Error
const { captureStackTrace } = nativeError
const nativeObjectToString = Object.prototype.toString
const nativeErrorToString = Error.prototype.toString
const maxMessageCodeUnits = 65_536
const stackTraceLimit = 10
/** Each call of a lowered function takes four frames. */
const loweredStackTraceLimit = 40
// Created on first use: a V8 snapshot should not have to carry it.
let framesOf: WeakMap<object, readonly Frame[]> | undefined

function frameOf(site: CallSite): Frame {
  return {
    typeName: site.getTypeName(),
    functionName: site.getFunctionName(),
    methodName: site.getMethodName(),
    fileName: site.getFileName() ?? site.getScriptNameOrSourceURL(),
    lineNumber: site.getLineNumber(),
    columnNumber: site.getColumnNumber(),
    evalOrigin: site.getEvalOrigin() ?? null,
    isToplevel: site.isToplevel(),
    isEval: site.isEval(),
    isNative: site.isNative(),
    isConstructor: site.isConstructor(),
    isAsync: site.isAsync(),
    isPromiseAll: site.isPromiseAll(),
    promiseIndex: site.getPromiseIndex(),
  }
}

/**
 * A lowered function's call stands in the stack as its generator, which has its name, two functions that resume it,
 * `__concave_async`, and the function itself. The first of these remains.
 */
function leaveOutLowering(sites: readonly CallSite[]): readonly CallSite[] {
  if (!areContextsUsed()) return sites
  const kept: CallSite[] = []
  for (let i = 0; i < sites.length; i++) {
    const site = sites[i] as CallSite
    if (site.getFunctionName() === '__concave_async') {
      kept.length = max(0, kept.length - 2)
      i += 1
    } else kept[kept.length] = site
  }
  kept.length = min(kept.length, stackTraceLimit)
  return kept
}

/** V8 calls this when `error.stack` is read first. Returns the text V8 would give. */
function prepareStackTrace(error: object, sites: readonly CallSite[]): string {
  const kept = leaveOutLowering(sites)
  const frames: Frame[] = []
  let text = headerOf(error)
  for (let i = 0; i < kept.length; i++) {
    const site = kept[i] as CallSite
    frames[i] = frameOf(site)
    text += `\n    at ${site.toString()}`
  }
  framesOf ??= new NativeWeakMap()
  weakMapSet(framesOf, error, frames)
  return text
}

function headerOf(error: unknown): string {
  try {
    return NativeString(reflectApply(nativeErrorToString, error, []))
  } catch {
    return '<error>'
  }
}

/**
 * User code may set `Error.stackTraceLimit` and `Error.prepareStackTrace`; every phase starts with ours.
 * NOTE: never while the V8 snapshot is made: V8 adds `stackTraceLimit` to every new context and aborts if it is there.
 */
export function resetErrors(): void {
  nativeError.stackTraceLimit = areContextsUsed() ? loweredStackTraceLimit : stackTraceLimit
  if (hasOwn(nativeError, 'prepareStackTrace')) nativeError.prepareStackTrace = prepareStackTrace
  else defineHidden(nativeError, 'prepareStackTrace', prepareStackTrace)
}

/** Frames of the current call stack, above `below`. */
export function captureFrames(below: unknown): readonly Frame[] {
  const holder = objectCreate(null) as { stack?: unknown }
  captureStackTrace(holder, below)
  return recordedFrames(holder)
}

function recordedFrames(error: object): readonly Frame[] {
  try {
    // Reading formats the stack if nobody has done so yet.
    void (error as { stack?: unknown }).stack
  } catch {
    return []
  }
  return (framesOf === undefined ? undefined : weakMapGet(framesOf, error)) ?? []
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** Reads a property of a thrown value, whose getters and traps may throw themselves. */
function read(object: object, key: PropertyKey): unknown {
  try {
    return (object as Record<PropertyKey, unknown>)[key]
  } catch {
    return undefined
  }
}

function isError(value: unknown): value is Error {
  try {
    return value instanceof NativeError
  } catch {
    return false
  }
}

function text(value: unknown): string {
  try {
    return typeof value === 'symbol' ? symbolToString(value) : NativeString(value)
  } catch {
    return ''
  }
}

function descriptionOf(thrown: unknown, name: string): string {
  if (!isError(thrown)) return describeThrownValue(thrown)
  const messageValue = read(thrown, 'message')
  const message = messageValue === undefined ? '' : stringSlice(text(messageValue), 0, maxMessageCodeUnits)
  if (name === '') return message
  return message === '' ? name : `${name}: ${message}`
}

/** What V8 prints for a thrown value that is no error: no user code runs for it. */
function describeThrownValue(thrown: unknown): string {
  if (!isObject(thrown)) return stringSlice(text(thrown), 0, maxMessageCodeUnits)
  if (typeof thrown === 'function') return stringSlice(text(thrown), 0, maxMessageCodeUnits)
  const toString = read(thrown, 'toString')
  if (toString === nativeErrorToString) return headerOf(thrown)
  if (toString === nativeObjectToString) {
    const constructor = read(thrown, 'constructor')
    const name = typeof constructor === 'function' ? getOwnPropertyDescriptor(constructor, 'name')?.value : undefined
    if (typeof name === 'string' && name !== '') return `#<${name}>`
  }
  const tag = read(thrown, Symbol.toStringTag)
  if (typeof tag === 'string') return `[object ${tag}]`
  return isArray(thrown) ? '[object Array]' : '[object Object]'
}

/** A ConvexError is known by its mark, never by class: every bundle carries its own copy of the library. */
function isConvexError(thrown: unknown): thrown is object {
  if (!isObject(thrown)) return false
  const mark = read(thrown, 'ConvexErrorSymbol')
  return typeof mark === 'symbol' && read(thrown, mark) === true
}

export function isFrozenWriteError(thrown: unknown): boolean {
  if (!(isError(thrown) && thrown instanceof NativeTypeError)) return false
  const message = read(thrown, 'message')
  if (typeof message !== 'string') return false
  for (let i = 0; i < frozenWriteMessages.length; i++) {
    if (regExpExec(frozenWriteMessages[i] as RegExp, message) !== null) return true
  }
  return false
}

/** `__concave_caught`: user code is about to handle `error`, which the write of something frozen may have thrown. */
export function noteCaught(error: unknown): void {
  if (isGraphFrozen() && isFrozenWriteError(error)) noteFrozenWrite()
}

/** `__concave_watch`: an executor that shows what it throws, which a promise may ignore. */
export function watchErrors(executor: unknown): unknown {
  if (typeof executor !== 'function' || !isGraphFrozen()) return executor
  return (...args: unknown[]): unknown => {
    try {
      return reflectApply(executor as () => unknown, undefined, args)
    } catch (error) {
      noteCaught(error)
      throw error
    }
  }
}

function isConvexValueJson(data: unknown): data is string {
  if (typeof data !== 'string') return false
  try {
    return isEncodedValue(jsonParse(data))
  } catch {
    return false
  }
}

/** The encoding of a value: no key starts with `$` but the tags of int64, bytes and special floats. */
function isEncodedValue(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  const keys = ownKeys(value)
  const isList = isArray(value)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    const item = (value as Record<string, unknown>)[key]
    if (!isList && key[0] === '$') {
      const isTag = key === '$integer' || key === '$bytes' || key === '$float'
      return isTag && keys.length === 1 && typeof item === 'string'
    }
    if (!isEncodedValue(item)) return false
  }
  return true
}

/** Everything the host needs to report `thrown`. Never throws, whatever user code threw. */
export function describe(thrown: unknown): ErrorDescription {
  const frames = isObject(thrown) ? recordedFrames(thrown) : []
  const name = isError(thrown) ? nameOf(thrown) : ''
  const frozenWrite = state.frozenWrite || isFrozenWriteError(thrown)
  const plain = { message: `Uncaught ${descriptionOf(thrown, name)}`, name, frames, frozenWrite }
  if (!isConvexError(thrown)) return plain
  const data = read(thrown, 'data')
  if (isConvexValueJson(data)) return { ...plain, data }
  return { ...plain, message: `ConvexError with invalid data: ${text(data)}` }
}

function nameOf(error: Error): string {
  const name = read(error, 'name')
  return name === undefined ? 'Error' : text(name)
}

/** A failure that the platform words itself, without `Uncaught`. */
export function describePlatformError(message: string): ErrorDescription {
  return { message, name: '', frames: [], frozenWrite: state.frozenWrite }
}

export function describeError(thrown: unknown): string {
  return jsonStringify(describe(thrown))
}
