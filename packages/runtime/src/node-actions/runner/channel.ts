import { Socket } from 'node:net'
import { encodeFrame, FrameParser, frameKinds, type Frame } from '../../protocol.ts'

/** The socket to the supervisor. It is held here only; user code does not see it. */
export class Channel {
  onFrame: (frame: Frame) => void = () => undefined
  readonly #socket: Socket
  readonly #write: (bytes: Buffer) => boolean

  constructor(fd: number, maxFrameBytes: number) {
    this.#socket = new Socket({ fd, readable: true, writable: true })
    // Whatever user code makes of the prototype later.
    this.#write = this.#socket.write.bind(this.#socket) as (bytes: Buffer) => boolean
    const parser = new FrameParser({ maxFrameBytes })
    this.#socket.on('data', (chunk: Buffer) => {
      for (const frame of parser.push(chunk)) this.onFrame(frame)
    })
    // The supervisor is gone: nobody wants what this process could still do.
    this.#socket.on('close', () => process.kill(process.pid, 'SIGKILL'))
    this.#socket.on('error', () => process.kill(process.pid, 'SIGKILL'))
  }

  send(kind: keyof typeof frameKinds, texts: readonly string[]): void {
    this.#write(encodeFrame(frameKinds[kind], texts))
  }
}
