import { readSync, writeSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  decodeFrame,
  encodeFrame,
  encodeFrameHead,
  frameKinds,
  isLarge,
  type Frame,
  type FrameKind,
} from '../protocol.ts'

const initialBufferBytes = 64 * 1024
const largestKeptBytes = 1_048_576
const pieceLength = 256 * 1024
/** What large frames may leave behind before it is collected. */
const maxGarbageBytes = 16 * 1_048_576

/** The runner's end of the socket: blocking reads and writes, no event loop. A closed socket ends the process. */
export class BlockingChannel {
  readonly #fd: number
  #buffer = Buffer.allocUnsafe(initialBufferBytes)
  #held: Buffer[] = []
  readonly #early: Frame[] = []
  #start = 0
  #end = 0
  #garbageBytes = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Keeps a frame that nobody waits for until the next `send`. */
  hold(kind: FrameKind, texts: readonly string[]): void {
    this.#held.push(encodeFrame(kind, texts))
  }

  send(kind: FrameKind, texts: readonly string[]): void {
    if (isLarge(texts)) {
      this.#sendLarge(kind, texts)
      return
    }
    const own = encodeFrame(kind, texts)
    this.#write(this.#held.length === 0 ? own : Buffer.concat([...this.#held.splice(0), own]))
  }

  /** Piece by piece: neither the frame nor the joined texts are ever in memory as a whole. */
  #sendLarge(kind: FrameKind, texts: readonly string[]): void {
    for (const held of this.#held.splice(0)) this.#write(held)
    const { head, totalBytes } = encodeFrameHead(kind, texts)
    this.#write(head)
    for (const text of texts) {
      for (let start = 0; start < text.length;) {
        const end = pieceEnd(text, start)
        this.#write(Buffer.from(text.slice(start, end), 'utf8'))
        start = end
      }
    }
    this.#countGarbage(totalBytes)
  }

  #write(bytes: Buffer): void {
    let offset = 0
    while (offset < bytes.length) offset += writeSync(this.#fd, bytes, offset)
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
    const frame = decodeFrame(body)
    if (length > largestKeptBytes) {
      this.#makeRoom(initialBufferBytes)
      this.#countGarbage(length)
    }
    return frame
  }

  /**
   * V8 sees no reason to collect in this small heap, while the kernel's limit on data counts all that lies about: a few
   * large frames would reach it.
   */
  #countGarbage(frameBytes: number): void {
    this.#garbageBytes += frameBytes
    if (this.#garbageBytes < maxGarbageBytes) return
    this.#garbageBytes = 0
    collectGarbage()
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
    const size = Math.max(initialBufferBytes, needed, this.#end - this.#start)
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

/** Where the piece from `start` ends: not between the halves of a surrogate pair. */
function pieceEnd(text: string, start: number): number {
  const end = start + pieceLength
  if (end >= text.length) return text.length
  const last = text.charCodeAt(end - 1)
  return last >= 0xd800 && last <= 0xdbff ? end + 1 : end
}

const collectGarbage = findCollector()

/** V8 hands its collector to contexts that are made while the flag is set: to this one, and to none of user code. */
function findCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return collect
}

function isReply({ kind }: Frame): boolean {
  return kind === frameKinds.replyOk || kind === frameKinds.replyCatchable || kind === frameKinds.replyAbort
}
