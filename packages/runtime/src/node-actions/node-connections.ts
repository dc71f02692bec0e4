import dns from 'node:dns'
import { isIP, Socket } from 'node:net'
import os from 'node:os'
import type { Egress } from '../actions/egress.ts'
import { runtimeLimits } from '../limits.ts'
import { frameKinds, type Frame, type FrameKind } from '../protocol.ts'
import { sendDescriptor } from '../sandbox/descriptors.ts'
import { findSyscallTable } from '../sandbox/syscall-tables.ts'
import type { NodeNetwork } from './node-frames.ts'

const refused = -os.constants.errno.EACCES
const tooMany = -os.constants.errno.EMFILE
const timedOut = -os.constants.errno.ETIMEDOUT
const connectMs = 10_000

const resolvers: Readonly<Record<string, (...args: never[]) => Promise<unknown>>> = {
  lookup: dns.promises.lookup,
  resolve: dns.promises.resolve,
  resolve4: dns.promises.resolve4,
  resolve6: dns.promises.resolve6,
  resolveAny: dns.promises.resolveAny,
  resolveCaa: dns.promises.resolveCaa,
  resolveCname: dns.promises.resolveCname,
  resolveMx: dns.promises.resolveMx,
  resolveNaptr: dns.promises.resolveNaptr,
  resolveNs: dns.promises.resolveNs,
  resolvePtr: dns.promises.resolvePtr,
  resolveSoa: dns.promises.resolveSoa,
  resolveSrv: dns.promises.resolveSrv,
  resolveTxt: dns.promises.resolveTxt,
  reverse: dns.promises.reverse,
}

/**
 * Connects for a process that may not: to addresses outside only. The connection is handed over as soon as it stands; no
 * byte of it passes through here.
 */
export class NodeConnections {
  readonly #descriptors: Socket
  readonly #send: (kind: FrameKind, texts: readonly string[]) => void
  readonly #isInside: (address: string) => boolean
  readonly #connecting = new Set<Socket>()
  #resolving = 0

  /** `descriptors`: a Unix socket to the process, for this alone. `isInside`: addresses that it may not reach. */
  constructor(options: {
    readonly descriptors: Socket
    readonly send: (kind: FrameKind, texts: readonly string[]) => void
    readonly isInside: (address: string) => boolean
  }) {
    this.#isInside = options.isInside
    this.#descriptors = options.descriptors
    this.#send = options.send
    // Nothing comes from there. A write fails when the process has ended, and its exit tells.
    this.#descriptors.on('error', () => this.close())
    this.#descriptors.resume()
  }

  /** False for a frame that is not about the network. */
  handle({ kind, texts }: Frame): boolean {
    const [id = '', first = '', second = ''] = texts
    if (kind === frameKinds.connect) this.#connect(id, first, Number(second))
    else if (kind === frameKinds.resolve) void this.#resolve(id, first, second)
    else return false
    return true
  }

  close(): void {
    for (const socket of this.#connecting) socket.destroy()
    this.#connecting.clear()
  }

  #connect(id: string, address: string, port: number): void {
    const answer = (status: number): void => this.#send(frameKinds.connected, [id, String(status)])
    if (isIP(address) === 0 || this.#isInside(address) || !Number.isInteger(port) || port < 1 || port > 65_535) {
      return answer(refused)
    }
    if (this.#connecting.size >= runtimeLimits.maxNodeConnecting) return answer(tooMany)
    const socket = new Socket()
    this.#connecting.add(socket)
    // Not a byte may be read here.
    socket.pause()
    let status: number = timedOut
    const timer = setTimeout(() => socket.destroy(), connectMs)
    socket.once('error', (error: NodeJS.ErrnoException) => (status = error.errno ?? refused))
    socket.once('connect', () => {
      status = this.#handOver(socket) ? 0 : tooMany
      socket.destroy()
    })
    socket.once('close', () => {
      clearTimeout(timer)
      this.#connecting.delete(socket)
    })
    socket.once('close', () => answer(status))
    socket.connect({ host: address, port })
  }

  #handOver(socket: Socket): boolean {
    const from = descriptorOf(this.#descriptors)
    const fd = descriptorOf(socket)
    return from !== undefined && fd !== undefined && sendDescriptor(from, fd)
  }

  async #resolve(id: string, method: string, argsText: string): Promise<void> {
    const answer = (isOk: boolean, value: unknown): void =>
      this.#send(frameKinds.resolved, [id, isOk ? '1' : '0', JSON.stringify(value)])
    try {
      const resolver = Object.hasOwn(resolvers, method) ? resolvers[method] : undefined
      if (resolver === undefined || this.#resolving >= runtimeLimits.maxNodeConnecting) throw new Error('Not now.')
      this.#resolving += 1
      try {
        answer(true, await resolver(...(JSON.parse(argsText) as never[])))
      } finally {
        this.#resolving -= 1
      }
    } catch (error) {
      const { message, code, errno, syscall, hostname } = error as NodeJS.ErrnoException & { hostname?: string }
      answer(false, { message, code, errno, syscall, hostname })
    }
  }
}

/** How a process reaches the network: whatever the rule for addresses is, it holds as far as the platform allows. */
export function networkFor({ allowsPrivate }: Pick<Egress, 'allowsPrivate'>): NodeNetwork {
  if (allowsPrivate) return 'own'
  const canHand = process.platform === 'linux' && findSyscallTable(process.arch) !== undefined
  return canHand ? 'handed' : 'guarded'
}

/** Node keeps the number of a socket's descriptor at its handle. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd: number } | null }
  return handle === null || handle.fd < 0 ? undefined : handle.fd
}
