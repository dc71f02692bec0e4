/**
 * What an action waits for. Every operation goes out to the host with a number and comes back by it, in any order;
 * user code runs in turns, each of which ends when its microtasks have drained.
 */
import { defineHidden, NativeError } from '../primordials.ts'

/** `body` holds bytes, one per code unit. */
export type HostPort = (operation: string, callId: number, argsText: string, body: string) => void
/** `namespace`: of a module that was loaded. */
export type Answer = { readonly text: string; readonly body: string; readonly namespace?: unknown }

type Pending = {
  readonly operation: string
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** Operations that one action may have under way (function-runtime.md §5). */
const maxPending = 1000
const pending = new Map<number, Pending>()
let port: HostPort | undefined
let nextCallId = 1

export function setPort(given: HostPort): void {
  port = given
}

/** The number that the next operation will have. */
export function upcomingCallId(): number {
  return nextCallId
}

/** Sends an operation out. The promise rejects with what the host says; it stays pending if the action ends first. */
export function request(operation: string, argsText: string, body = ''): Promise<Answer> {
  if (pending.size >= maxPending) {
    return Promise.reject(
      new NativeError(
        'Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.',
      ),
    )
  }
  const callId = nextCallId++
  return new Promise((resolve, reject) => {
    pending.set(callId, { operation, resolve, reject })
    port?.(operation, callId, argsText, body)
  })
}

/** Sends out what needs no answer. */
export function notify(operation: string, args: object): void {
  port?.(operation, 0, JSON.stringify(args), '')
}

/** The host's answer to operation `callId`; `text` of a failure is JSON `{message, data?, name?}`. */
export function settle(callId: number, isOk: boolean, text: string, body: string): void {
  const waiting = pending.get(callId)
  if (waiting === undefined) return
  pending.delete(callId)
  if (isOk) waiting.resolve({ text, body })
  else waiting.reject(toError(text))
}

/** The namespace of the module that operation `callId` has asked for. */
export function settleModule(callId: number, namespace: unknown): void {
  pending.get(callId)?.resolve({ text: '', body: '', namespace })
  pending.delete(callId)
}

/** Operations under way, by the name that developers know. */
export function pendingNames(): string[] {
  return [...pending.values()].map(({ operation }) => operation.replace(/^1\.0\/(actions\/)?/, ''))
}

export function pendingCount(): number {
  return pending.size
}

function toError(text: string): Error {
  const { message, data, name } = JSON.parse(text) as { message: string; data?: unknown; name?: string }
  const error = name === 'TypeError' ? new TypeError(message) : new NativeError(message)
  if (data !== undefined && data !== null) defineHidden(error, 'data', data)
  return error
}
