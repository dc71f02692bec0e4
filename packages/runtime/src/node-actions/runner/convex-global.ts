/** The global `Convex` (function-runtime.md §0): every operation goes to the host of the action that asks. */
import { Blob } from 'node:buffer'
import { currentCall, type NodeCall } from './node-call.ts'

type Args = Readonly<Record<string, unknown>>

function callOf(operation: string): NodeCall {
  const call = currentCall.getStore()
  if (call === undefined) throw new Error(`Syscall ${operation} unsupported at import time`)
  return call
}

async function storeBlob({ blob, ...rest }: Args): Promise<unknown> {
  if (!(blob instanceof Blob)) throw new TypeError('Expected a Blob')
  const args = JSON.stringify({ ...rest, contentType: blob.type === '' ? null : blob.type })
  const body = Buffer.from(await blob.arrayBuffer()).toString('latin1')
  return JSON.parse((await callOf('storage/storeBlob').request('storage/storeBlob', args, body)).text)
}

async function getBlob(args: Args): Promise<Blob | null> {
  const { text, body } = await callOf('storage/getBlob').request('storage/getBlob', JSON.stringify(args))
  const found = JSON.parse(text) as { readonly contentType: string | null } | null
  return found === null ? null : new Blob([Buffer.from(body, 'latin1')], { type: found.contentType ?? '' })
}

const jsSyscalls: Readonly<Record<string, (args: Args) => unknown>> = {
  'storage/storeBlob': storeBlob,
  'storage/getBlob': getBlob,
}

const convex = {
  syscall(operation: unknown, _argsText: unknown): string {
    const name = String(operation)
    callOf(name)
    throw new Error(`Unknown operation ${name}`)
  },
  async asyncSyscall(operation: unknown, argsText: unknown): Promise<string> {
    const name = String(operation)
    return (await callOf(name).request(name, String(argsText))).text
  },
  jsSyscall(operation: unknown, args: unknown): unknown {
    const name = String(operation)
    callOf(name)
    const syscall = Object.hasOwn(jsSyscalls, name) ? jsSyscalls[name] : undefined
    if (syscall === undefined) throw new Error(`Unknown JS syscall: ${name}`)
    return syscall(args as Args)
  },
}

export function installConvex(): void {
  Object.defineProperty(globalThis, 'Convex', { value: Object.freeze(convex), configurable: true, writable: true })
}
