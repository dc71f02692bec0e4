/**
 * `Convex`, the only way out of the isolate. The host answers every call before it returns, so asynchronous syscalls
 * come back as settled promises and their order is the order of the calls (function-runtime.md §2.10).
 */
import { notAllowedError, state } from './execution-state.ts'
import {
  defineHidden,
  jsonParse,
  NativeError,
  NativePromise,
  NativeString,
  objectFreeze,
  promiseReject,
  promiseResolve,
  stringSlice,
} from './primordials.ts'

/** Takes an operation and its arguments as JSON text. Answers `0` + result JSON, or `1` + JSON `{message, data}`. */
export type HostCall = (operation: string, argsText: string) => string

let hostCall: HostCall | undefined

export function setHost(call: HostCall): void {
  hostCall = call
}

/** The execution is lost; user code that catches this error cannot save it. */
function abort(reason: unknown): never {
  state.isAborted = true
  throw reason
}

function callHost(operation: string, argsText: string): string {
  if (hostCall === undefined || state.isAborted) abort(new NativeError('The execution has ended'))
  let answer: string
  try {
    answer = hostCall(operation, argsText)
  } catch {
    abort(new NativeError('The execution was ended by the host'))
  }
  if (typeof answer !== 'string') abort(new NativeError('The execution was ended by the host'))
  if (answer[0] === '0') return stringSlice(answer, 1)
  if (answer[0] === '1') throw createHostError(stringSlice(answer, 1))
  return abort(new NativeError('The execution was ended by the host'))
}

function createHostError(failureText: string): Error {
  const failure = jsonParse(failureText) as { readonly message: string; readonly data?: unknown }
  const error = new NativeError(failure.message)
  if (failure.data !== undefined && failure.data !== null) defineHidden(error, 'data', failure.data)
  return error
}

function isExecuting(): boolean {
  return state.phase === 'query' || state.phase === 'mutation'
}

/** Only user errors are answered by rejection: after an abort the promise stays pending, so that no `catch` runs. */
function callHostAsync(operation: string, argsText: string): Promise<unknown> {
  try {
    return promiseResolve(callHost(operation, argsText))
  } catch (error) {
    if (state.isAborted) return new NativePromise(() => undefined)
    return promiseReject(error)
  }
}

const convex = {
  syscall(operation: unknown, argsText: unknown): string {
    const name = NativeString(operation)
    if (!isExecuting()) throw new NativeError(`Syscall ${name} unsupported at import time`)
    return callHost(name, NativeString(argsText))
  },
  asyncSyscall(operation: unknown, argsText: unknown): Promise<unknown> {
    const name = NativeString(operation)
    if (!isExecuting()) return promiseReject(new NativeError("Can't use database at import time"))
    return callHostAsync(name, NativeString(argsText))
  },
  jsSyscall(operation: unknown, _args: unknown): unknown {
    const name = NativeString(operation)
    if (name === 'storage/storeBlob') throw notAllowedError('storage.store()')
    if (name === 'storage/getBlob') throw notAllowedError('storage.get()')
    throw new NativeError(`Unknown JS syscall: ${name}`)
  },
}

export function installSyscalls(): void {
  defineHidden(globalThis, 'Convex', objectFreeze({ ...convex }))
}
