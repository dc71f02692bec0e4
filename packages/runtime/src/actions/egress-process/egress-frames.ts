/**
 * Frames between the server and its egress process. Little endian: u32 length of the rest, u8 kind, u32 request, u32 length
 * of the text in bytes, the text (JSON or nothing), and the rest as bytes.
 */
export const egressKinds = {
  // server → egress process
  /** Text: the request; `body` says whether the bytes are its body, or it has to be asked for. */
  fetch: 0,
  /** One more piece of the response's body is welcome. */
  read: 1,
  /** The rest of the response's body is not wanted. */
  cancel: 2,
  abort: 3,
  /** The piece that was asked for. */
  sentPiece: 4,
  sentEnd: 5,
  sentFailed: 6,
  // egress process → server
  head: 20,
  failed: 21,
  piece: 22,
  end: 23,
  /** The response's body failed; text: the message. */
  broken: 24,
  /** One more piece of the request's body is welcome. */
  wantBody: 25,
} as const

export type EgressKind = (typeof egressKinds)[keyof typeof egressKinds]

export type EgressFrame = {
  readonly kind: number
  readonly id: number
  readonly text: string
  readonly bytes: Uint8Array
}

const headerBytes = 13
const noBytes = new Uint8Array(0)

export function encodeEgressFrame(kind: EgressKind, id: number, text = '', bytes: Uint8Array = noBytes): Buffer {
  const textBytes = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerBytes + textBytes + bytes.length)
  frame.writeUInt32LE(frame.length - 4, 0)
  frame[4] = kind
  frame.writeUInt32LE(id, 5)
  frame.writeUInt32LE(textBytes, 9)
  frame.write(text, headerBytes, 'utf8')
  frame.set(bytes, headerBytes + textBytes)
  return frame
}

/** Cuts a byte stream into frames. Throws for one above `maxFrameBytes`. */
export class EgressFrameParser {
  readonly #maxFrameBytes: number
  #pending: Buffer[] = []
  #pendingBytes = 0

  constructor(options: { readonly maxFrameBytes: number }) {
    this.#maxFrameBytes = options.maxFrameBytes
  }

  push(chunk: Buffer): EgressFrame[] {
    this.#pending.push(chunk)
    this.#pendingBytes += chunk.length
    const frames: EgressFrame[] = []
    while (this.#pendingBytes >= 4) {
      if ((this.#pending[0] as Buffer).length < 4) this.#join()
      const length = (this.#pending[0] as Buffer).readUInt32LE(0)
      if (length > this.#maxFrameBytes || length < headerBytes - 4) throw new Error(`A frame of ${length} bytes.`)
      if (this.#pendingBytes < 4 + length) break
      this.#join()
      const all = this.#pending[0] as Buffer
      frames.push(decode(all.subarray(0, 4 + length)))
      this.#pending = [all.subarray(4 + length)]
      this.#pendingBytes -= 4 + length
    }
    return frames
  }

  #join(): void {
    if (this.#pending.length > 1) this.#pending = [Buffer.concat(this.#pending, this.#pendingBytes)]
  }
}

function decode(frame: Buffer): EgressFrame {
  const textEnd = headerBytes + frame.readUInt32LE(9)
  return {
    kind: frame[4] as number,
    id: frame.readUInt32LE(5),
    text: frame.toString('utf8', headerBytes, textEnd),
    bytes: frame.subarray(textEnd),
  }
}
