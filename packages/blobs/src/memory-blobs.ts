import { Readable } from 'node:stream'
import { type Blobs, type ByteRange, checkBlobKey, type Content } from './blobs.ts'

/** For tests: blobs that live as long as this object. */
export class MemoryBlobs implements Blobs {
  readonly #blobs = new Map<string, Buffer>()

  /** How many there are. */
  get count(): number {
    return this.#blobs.size
  }

  async put(key: string, content: Content): Promise<{ readonly sizeBytes: number }> {
    checkBlobKey(key)
    const chunks: Buffer[] = []
    for await (const chunk of content) chunks.push(Buffer.from(chunk))
    const bytes = Buffer.concat(chunks)
    this.#blobs.set(key, bytes)
    return { sizeBytes: bytes.length }
  }

  async read(key: string, range?: ByteRange): Promise<Readable | undefined> {
    checkBlobKey(key)
    const bytes = this.#blobs.get(key)
    if (bytes === undefined) return undefined
    const { start, end } = range ?? { start: 0, end: bytes.length }
    return Readable.from([bytes.subarray(start, end)], { objectMode: false })
  }

  async delete(key: string): Promise<void> {
    checkBlobKey(key)
    this.#blobs.delete(key)
  }
}
