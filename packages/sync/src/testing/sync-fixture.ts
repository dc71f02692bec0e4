/** A session whose client is the test, and a server for real clients. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLog, systemClock, type Clock } from '@concave/base'
import { SyncServer } from '../sync-server.ts'
import { SyncSession } from '../sync-session.ts'
import { FakeBackend } from './fake-backend.ts'
import { FakeSocket } from './fake-socket.ts'

export const silentLog = createLog({ level: 'silent' })

export class ManualClock implements Clock {
  ms = 1_700_000_000_000
  nowMs = (): number => this.ms
  nowNs = (): bigint => BigInt(this.ms) * 1_000_000n
  monotonicMs = (): number => this.ms
}

export const sessionId = '7d9a3c4e-52b8-4f0e-9b1a-0c6a5f1e2d3b'

export function connectMessage(fields: object = {}): object {
  return { type: 'Connect', sessionId, connectionCount: 0, lastCloseReason: 'InitialConnect', clientTs: 0, ...fields }
}

export function addQuery(queryId: number, udfPath: string, args: object, fields: object = {}): object {
  return { type: 'Add', queryId, udfPath, args: [args], ...fields }
}

export function modifyQuerySet(baseVersion: number, ...modifications: readonly object[]): object {
  return { type: 'ModifyQuerySet', baseVersion, newVersion: baseVersion + 1, modifications }
}

export function callMessage(type: 'Mutation' | 'Action', requestId: number, udfPath: string, args: object): object {
  return { type, requestId, udfPath, args: [args] }
}

export function openSession(options: { readonly knowsChunks?: boolean; readonly backend?: FakeBackend } = {}) {
  const backend = options.backend ?? new FakeBackend()
  const socket = new FakeSocket()
  const clock = new ManualClock()
  const session = new SyncSession({
    socket: socket.asWebSocket,
    backend,
    clock,
    log: silentLog,
    knowsChunks: options.knowsChunks ?? true,
  })
  return { backend, socket, clock, session }
}

export async function openServer() {
  const backend = new FakeBackend()
  const sync = new SyncServer({ backend, clock: systemClock, log: silentLog })
  const server = createServer((_request, response) => response.writeHead(404).end())
  const sockets = new Set<{ destroy(): void }>()
  server.on('upgrade', (request, socket, head: Buffer) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    sync.handleUpgrade(request, socket, head)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    backend,
    sync,
    url: `http://127.0.0.1:${port}`,
    /** Ends every session as a failure of the server does. */
    closeSessions: (code: number, reason: string) => sync.closeSessions(code, reason),
    /** Cuts every connection without a closing handshake. */
    cutAll: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: async () => {
      sync.close()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
