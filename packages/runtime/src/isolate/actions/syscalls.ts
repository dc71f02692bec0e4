/** `Convex` in actions: every operation is answered in a later turn. */
import { state } from '../execution-state.ts'
import { defineHidden, NativeError, NativeString, objectFreeze, promiseReject } from '../primordials.ts'
import { jsSyscalls } from './js-syscalls.ts'
import { request } from './operations.ts'

export type HostCall = (operation: string, argsText: string) => string

/** The interface of queries and mutations; an action talks to its host through `setPort`. */
export function setHost(_call: HostCall): void {}

const convex = {
  syscall(operation: unknown, _argsText: unknown): string {
    const name = NativeString(operation)
    if (state.phase !== 'action') throw new NativeError(`Syscall ${name} unsupported at import time`)
    throw new NativeError(`Unknown operation ${name}`)
  },
  asyncSyscall(operation: unknown, argsText: unknown): Promise<unknown> {
    const name = NativeString(operation)
    if (state.phase !== 'action') return promiseReject(new NativeError("Can't use database at import time"))
    return askText(name, NativeString(argsText))
  },
  jsSyscall(operation: unknown, args: unknown): unknown {
    const name = NativeString(operation)
    if (state.phase !== 'action') throw new NativeError(`Syscall ${name} unsupported at import time`)
    const syscall = Object.hasOwn(jsSyscalls, name) ? jsSyscalls[name] : undefined
    if (syscall === undefined) throw new NativeError(`Unknown JS syscall: ${name}`)
    return syscall(args as Readonly<Record<string, unknown>>)
  },
}

async function askText(operation: string, argsText: string): Promise<string> {
  return (await request(operation, argsText)).text
}

export function installSyscalls(): void {
  defineHidden(globalThis, 'Convex', objectFreeze({ ...convex }))
}
