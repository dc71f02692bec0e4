import { readSync, writeSync } from 'node:fs'
import { decodeFrame, encodeFrame, frameKinds, type Frame, type FrameKind } from '../protocol.ts'

const initialBufferBytes = 64 * 1024

/** The runner's end of the socket: blocking reads and writes, no event loop. A closed socket ends the process. */
export class BlockingChannel {
  readonly #fd: number
  #buffer = Buffer.allocUnsafe(initialBufferBytes)
  #held: Buffer[] = []
  readonly #early: Frame[] = []
  #start = 0
  #end = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Keeps a frame that nobody waits for until the next `send`. */
  hold(kind: FrameKind, texts: readonly string[]): void {
    this.#held.push(encodeFrame(kind, texts))
  }

  send(kind: FrameKind, texts: readonly string[]): void {
    const own = encodeFrame(kind, texts)
    const frame = this.#held.length === 0 ? own : Buffer.concat([...this.#held.splice(0), own])
    let offset = 0
    while (offset < frame.length) offset += writeSync(this.#fd, frame, offset)
  }

  /** The next frame that is no reply. */
  read(): Frame {
    return this.#early.shift() ?? this.#readFrame()
  }

  /**
   * The answer to what was just sent. Calls that were sent ahead come before it and wait for `read`; `onVersion` gets
   * what is loaded or dropped, because a nested call may need it at once.
   */
  readReply(onVersion: (frame: Frame) => void): Frame {
    for (;;) {
      const frame = this.#readFrame()
      if (isReply(frame)) return frame
      if (isVersion(frame)) onVersion(frame)
      else this.#early.push(frame)
    }
  }

  #readFrame(): Frame {
    this.#fill(4)
    const length = this.#buffer.readUInt32LE(this.#start)
    this.#fill(4 + length)
    const body = this.#buffer.subarray(this.#start + 4, this.#start + 4 + length)
    this.#start += 4 + length
    return decodeFrame(body)
  }

  /** Reads until `needed` bytes stand in the buffer. */
  #fill(needed: number): void {
    if (this.#end - this.#start >= needed) return
    if (this.#buffer.length - this.#start < needed) this.#makeRoom(needed)
    while (this.#end - this.#start < needed) {
      const count = readSync(this.#fd, this.#buffer, this.#end, this.#buffer.length - this.#end, null)
      if (count === 0) process.exit(0)
      this.#end += count
    }
  }

  /** Moves what is left to the front, of a larger buffer if need be, of the usual one again after a large frame. */
  #makeRoom(needed: number): void {
    const size = Math.max(initialBufferBytes, needed)
    const target = size === this.#buffer.length ? this.#buffer : Buffer.allocUnsafe(size)
    this.#buffer.copy(target, 0, this.#start, this.#end)
    this.#buffer = target
    this.#end -= this.#start
    this.#start = 0
  }
}

function isVersion({ kind }: Frame): boolean {
  return (
    kind === frameKinds.loadCode ||
    kind === frameKinds.dropCode ||
    kind === frameKinds.loadEnv ||
    kind === frameKinds.dropEnv
  )
}

function isReply({ kind }: Frame): boolean {
  return kind === frameKinds.replyOk || kind === frameKinds.replyCatchable || kind === frameKinds.replyAbort
}
