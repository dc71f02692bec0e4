/**
 * The network of a process that may not connect by itself: connections are made by the supervisor, which checks the
 * address, and come as descriptors; names are resolved there too. Everything above, from `fetch` to database drivers,
 * works on sockets as ever. What cannot work is refused by the kernel: datagrams, servers, sockets of worker threads and of
 * other programs.
 */
import { AsyncResource } from 'node:async_hooks'
import dns from 'node:dns'
import { closeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isIP } from 'node:net'
import os from 'node:os'
import { loadMessageCalls, type MessageHeader } from '../../sandbox/descriptors.ts'
import type { Channel } from './channel.ts'
import { warnOfRefusal } from './refused-address.ts'

type TcpHandle = { open(fd: number): number; close(done?: () => void): void }
type ConnectRequest = {
  oncomplete(status: number, handle: TcpHandle, request: ConnectRequest, readable: boolean, writable: boolean): void
}
type TcpPrototype = TcpHandle & Record<'connect' | 'connect6', (...args: never[]) => number>
type Binding = { readonly TCP: { readonly prototype: TcpPrototype } }

const descriptorsFd = 4
const refused = -os.constants.errno.EACCES
const closeOnExec = 0x40000000

/** Must be called before user code runs. `receive` gets the texts of the supervisor's answers. */
export function installNetwork(channel: Channel): {
  receive(kind: 'connected' | 'resolved', texts: readonly string[]): void
} {
  const waiting = new Map<string, (texts: readonly string[]) => void>()
  let nextId = 1
  const ask = (
    kind: 'connect' | 'resolve',
    texts: readonly string[],
    done: (texts: readonly string[]) => void,
  ): void => {
    const id = String(nextId++)
    const resource = new AsyncResource(kind)
    waiting.set(id, (answer) => resource.runInAsyncScope(done, undefined, answer))
    channel.send(kind, [id, ...texts])
  }
  connectThrough(ask)
  resolveThrough(ask)
  syncBuiltinESMExports()
  return {
    receive: (_kind, [id = '', ...texts]) => {
      const done = waiting.get(id)
      waiting.delete(id)
      done?.(texts)
    },
  }
}

type Ask = (kind: 'connect' | 'resolve', texts: readonly string[], done: (texts: readonly string[]) => void) => void

function connectThrough(ask: Ask): void {
  const { prototype } = (process as unknown as { binding(name: string): Binding }).binding('tcp_wrap').TCP
  const receive = openDescriptors()
  const closed = new WeakSet<TcpHandle>()
  const close = Reflect.get(prototype, 'close') as TcpHandle['close']
  prototype.close = function (this: TcpHandle, done) {
    closed.add(this)
    Reflect.apply(close, this, [done])
  }
  const connect = function (this: TcpHandle, request: ConnectRequest, address: string, port: number): number {
    ask('connect', [address, String(port)], ([status = '0']) => {
      let result = Number(status)
      if (result === refused) warnOfRefusal(address)
      if (result === 0) {
        const fd = receive()
        if (closed.has(this)) return closeSync(fd)
        result = this.open(fd)
      }
      request.oncomplete(result, this, request, true, true)
    })
    return 0
  }
  prototype.connect = connect
  prototype.connect6 = connect
}

/** The next descriptor that the supervisor has sent: they come in the order of its answers. */
function openDescriptors(): () => number {
  const { receive } = loadMessageCalls()
  return () => {
    const control = Buffer.alloc(24)
    const message: MessageHeader = {
      name: null,
      namelen: 0,
      iov: { base: Buffer.alloc(1), len: 1 },
      iovlen: 1,
      control,
      controllen: control.length,
      flags: 0,
    }
    if (receive(descriptorsFd, message, closeOnExec) !== 1) throw new Error('No descriptor came.')
    return control.readInt32LE(16)
  }
}

type LookupAddress = { readonly address: string; readonly family: number }
type Callback = (error: Error | null, ...results: unknown[]) => void

const recordNames = [
  'resolve',
  'resolve4',
  'resolve6',
  'resolveAny',
  'resolveCaa',
  'resolveCname',
  'resolveMx',
  'resolveNaptr',
  'resolveNs',
  'resolvePtr',
  'resolveSoa',
  'resolveSrv',
  'resolveTxt',
  'reverse',
] as const

function resolveThrough(ask: Ask): void {
  const resolve = async (method: string, args: readonly unknown[]): Promise<unknown> =>
    await new Promise((fulfil, reject) => {
      ask('resolve', [method, JSON.stringify(args)], ([isOk, text = 'null']) => {
        const answer: unknown = JSON.parse(text)
        if (isOk === '1') fulfil(answer)
        else reject(Object.assign(new Error((answer as Error).message), answer))
      })
    })
  const lookup = async (hostname: string, given: unknown): Promise<LookupAddress | readonly LookupAddress[]> => {
    const options = (typeof given === 'number' ? { family: given } : (given ?? {})) as dns.LookupOptions
    const family = isIP(hostname)
    const found =
      family === 0
        ? ((await resolve('lookup', [hostname, { ...options, all: true }])) as readonly LookupAddress[])
        : [{ address: hostname, family }]
    return options.all === true ? found : (found[0] as LookupAddress)
  }
  const lookupWithCallback = (hostname: string, given: unknown, callback: unknown): void => {
    const done = (typeof given === 'function' ? given : callback) as Callback
    const options = typeof given === 'function' ? {} : given
    if (typeof done !== 'function') throw new TypeError('The "callback" argument must be of type function.')
    lookup(hostname, options).then(
      (found) => {
        if (Array.isArray(found)) done(null, found)
        else done(null, (found as LookupAddress).address, (found as LookupAddress).family)
      },
      (error: Error) => done(error),
    )
  }
  const put = (target: object, name: string, value: unknown): void =>
    void Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: true })
  put(dns, 'lookup', lookupWithCallback)
  put(dns.promises, 'lookup', lookup)
  for (const name of recordNames) {
    const withPromise = async (...args: unknown[]): Promise<unknown> => await resolve(name, args)
    const withCallback = (...args: unknown[]): void => {
      const done = args.pop() as Callback
      resolve(name, args).then(
        (records) => done(null, records),
        (error: Error) => done(error),
      )
    }
    put(dns, name, withCallback)
    put(dns.Resolver.prototype, name, withCallback)
    put(dns.promises, name, withPromise)
    put(dns.promises.Resolver.prototype, name, withPromise)
  }
}
