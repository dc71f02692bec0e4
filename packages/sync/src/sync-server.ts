/** Accepts WebSocket handshakes of one deployment and keeps its sessions alive. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Log } from '@concave/base'
import { readRequestClient, type RequestClient } from '@concave/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import type { SyncBackend } from './backend.ts'
import { syncLimits } from './limits.ts'
import { SyncSession } from './sync-session.ts'

const tickMs = 1000

export class SyncServer {
  readonly #backend: SyncBackend
  readonly #clock: Clock
  readonly #log: Log
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: syncLimits.maxMessageBytes,
    perMessageDeflate: true,
    // The protocol has no subprotocols; browsers fail a connection that names one they did not offer.
    handleProtocols: () => false,
  })
  readonly #sessions = new Set<SyncSession>()
  #ticks = 0
  #ticker: NodeJS.Timeout | undefined

  constructor(deps: { readonly backend: SyncBackend; readonly clock: Clock; readonly log: Log }) {
    this.#backend = deps.backend
    this.#clock = deps.clock
    this.#log = deps.log
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  /** `/api/{version}/sync` and `/api/sync`; anything else is refused with 404. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = (request.url ?? '').replace(/\?.*$/, '').replace(/\/+/g, '/')
    const match = /^\/api\/(?:([^/]+)\/)?sync$/.exec(path)
    if (match === null) {
      // Without a listener a client that is gone already would end the process.
      socket.on('error', (error) => this.#log.debug({ err: error }, 'A socket failed.'))
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return
    }
    // Read before anything can close the socket: a closed one has no address.
    const sender = { headers: request.headers, remoteAddress: request.socket.remoteAddress }
    const { ip, userAgent } = readRequestClient(sender)
    this.#sockets.handleUpgrade(request, socket, head, (socket) => this.#accept(socket, { ip, userAgent }, match[1]))
  }

  /** Refuses new sockets and closes every session with a reason that makes clients come back soon. Calls go on. */
  close(code = 1012, reason = 'ServerShutdown'): void {
    clearInterval(this.#ticker)
    this.#ticker = undefined
    this.#sockets.close()
    this.closeSessions(code, reason)
  }

  /** Checks the keys of all admin sessions again: call when keys were revoked. */
  recheckAdmins(): void {
    for (const session of this.#sessions) session.recheckAdmin()
  }

  /** Sends every client away; they come back by themselves. For a deployment that is opened again from storage. */
  closeSessions(code: number, reason: string): void {
    const closing = [...this.#sessions]
    for (const session of closing) session.close(code, reason)
    setTimeout(() => {
      for (const session of closing) session.terminate()
    }, syncLimits.closeGraceMs).unref()
  }

  #accept(socket: WebSocket, client: RequestClient, npmVersion: string | undefined): void {
    const session = new SyncSession({
      socket,
      backend: this.#backend,
      clock: this.#clock,
      log: this.#log,
      client,
      knowsChunks: npmVersion !== undefined && isAtLeast(npmVersion, 1, 28),
    })
    this.#sessions.add(session)
    socket.once('close', () => this.#sessions.delete(session))
    this.#ticker ??= setInterval(() => this.#tick(), tickMs).unref()
  }

  #tick(): void {
    this.#ticks += 1
    const isPingTime = this.#ticks % (syncLimits.socketPingMs / tickMs) === 0
    for (const session of this.#sessions) {
      session.tick()
      if (isPingTime) session.pingSocket()
    }
    if (this.#sessions.size > 0) return
    clearInterval(this.#ticker)
    this.#ticker = undefined
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [actualMajor = 0, actualMinor = 0] = version.split('.').map(Number)
  return actualMajor > major || (actualMajor === major && actualMinor >= minor)
}
