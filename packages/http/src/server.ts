/** A listening node:http server with a graceful end: refuse, drain, close. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { assert } from '@concave/base'
import { httpLimits } from './limits.ts'
import type { NodeHandler } from './routes.ts'

export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export type ServerOptions = {
  readonly handler: NodeHandler
  /** WebSocket handshakes. Without it they are refused. Who takes a socket closes it; `close` cuts what is left. */
  readonly onUpgrade?: UpgradeHandler
  /** 0 = any free port. */
  readonly port: number
  readonly host: string
  readonly drainMs?: number
}

export interface RunningServer extends AsyncDisposable {
  readonly port: number
  readonly host: string
  /** `http://host:port`, without a trailing slash. */
  readonly url: string
  /** Stops accepting, waits for requests in flight up to `drainMs`, then cuts. May be called twice. */
  close(): Promise<void>
}

/** Resolves when the port is bound; rejects if it cannot be. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const server = createServer({ keepAliveTimeout: httpLimits.keepAliveMs }, (request, response) => {
    if (isClosing) response.setHeader('Connection', 'close')
    response.once('close', () => {
      if (isClosing) server.closeIdleConnections()
    })
    options.handler(request, response)
  })
  const upgraded = new Set<Duplex>()
  let isClosing = false
  if (options.onUpgrade !== undefined) {
    const onUpgrade = options.onUpgrade
    server.on('upgrade', (request, socket, head) => {
      if (isClosing) {
        socket.destroy()
        return
      }
      upgraded.add(socket)
      socket.once('close', () => upgraded.delete(socket))
      onUpgrade(request, socket, head)
    })
  }
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen({ port: options.port, host: options.host }, listening.resolve)
  await listening.promise
  server.off('error', listening.reject)

  const address: AddressInfo | string | null = server.address()
  assert(address !== null && typeof address === 'object', 'A bound TCP server has an address.')
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    isClosing = true
    const finished = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeIdleConnections()
    const cut = setTimeout(() => {
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
    }, options.drainMs ?? httpLimits.drainMs)
    await finished
    clearTimeout(cut)
  }
  const closeOnce = (): Promise<void> => (closed ??= close())
  const hostInUrl = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    port: address.port,
    host: options.host,
    url: `http://${hostInUrl}:${address.port}`,
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  }
}
