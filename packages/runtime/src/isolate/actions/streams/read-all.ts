/** All bytes of a stream that is a body. */
import { concatenate } from '../../web/blob.ts'
import { type ReadableStream, ReadableStreamDefaultReader } from './readable-stream.ts'

export async function readAll(stream: ReadableStream): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new ReadableStreamDefaultReader(stream)
  const chunks: Uint8Array[] = []
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return concatenate(chunks)
    chunks.push(toBytes(value))
  }
}

/** A chunk of a body's stream; anything but bytes is an error. */
export function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  throw new TypeError('Received a chunk of a body that is not a Uint8Array')
}
