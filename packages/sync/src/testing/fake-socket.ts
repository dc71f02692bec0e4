/** Stands in for the server's side of a `ws` socket: the test is the client, and decides when data has left. */
import { EventEmitter } from 'node:events'
import type { WebSocket } from 'ws'

export type ServerMessage = { readonly type: string } & Readonly<Record<string, unknown>>

export class FakeSocket extends EventEmitter {
  readonly sent: ServerMessage[] = []
  closed: { readonly code: number | undefined; readonly reason: string } | undefined
  isTerminated = false
  isPaused = false
  bufferedAmount = 0
  pings = 0
  /** While set, callbacks of `send` are kept in `unsent`. */
  isStuck = false
  readonly unsent: (() => void)[] = []

  get asWebSocket(): WebSocket {
    return this as unknown as WebSocket
  }

  /** A message from the client. */
  deliver(message: object | string): void {
    this.emit('message', Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), false)
  }

  /** Sent messages of a type, oldest first. */
  ofType(type: string): readonly ServerMessage[] {
    return this.sent.filter((message) => message.type === type)
  }

  send(text: string, _options: { readonly compress: boolean }, onSent: () => void): void {
    this.sent.push(JSON.parse(text) as ServerMessage)
    if (this.isStuck) this.unsent.push(onSent)
    else setImmediate(onSent)
  }

  ping(): void {
    this.pings += 1
  }

  close(code?: number, reason = ''): void {
    this.closed = { code, reason }
    this.emit('close')
  }

  terminate(): void {
    this.isTerminated = true
    this.emit('close')
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }
}
