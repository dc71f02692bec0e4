import type { Readable } from 'node:stream'
import type { ByteSource } from './action.ts'

/** Pieces that one read may take: what crosses to an action at a time. */
const maxPieceBytes = 64 * 1024

/** A `ByteSource` over a Node stream, which is read only when a piece is asked for. */
export class ReadableSource implements ByteSource {
  readonly #stream: Readable
  #error: Error | undefined
  #wake: () => void = () => undefined
  #rest: Uint8Array | undefined

  constructor(stream: Readable, signal?: AbortSignal) {
    this.#stream = stream
    stream.on('readable', () => this.#wake())
    stream.on('end', () => this.#wake())
    stream.on('close', () => this.#wake())
    stream.on('error', (error) => {
      this.#error = error
      this.#wake()
    })
    signal?.addEventListener('abort', () => stream.destroy(), { once: true })
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#rest ?? (this.#stream.read() as Buffer | null)
      if (piece !== null) return this.#cut(piece)
      if (this.#error !== undefined) throw new Error('terminated', { cause: this.#error })
      if (this.#stream.readableEnded) return undefined
      if (this.#stream.destroyed) throw new Error('terminated')
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  cancel(): void {
    this.#stream.destroy()
  }

  #cut(piece: Uint8Array): Uint8Array {
    this.#rest = piece.length > maxPieceBytes ? piece.subarray(maxPieceBytes) : undefined
    return piece.subarray(0, maxPieceBytes)
  }
}
