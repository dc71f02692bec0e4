/** Bodies on their way to and from the host, one piece at a time in each direction. */
import type { AbortSignal } from '../web/abort.ts'
import { bytesToText, textToBytes } from '../byte-text.ts'
import { toBytes } from './streams/read-all.ts'
import { notify, request } from './operations.ts'
import { ReadableStream, ReadableStreamDefaultReader } from './streams/readable-stream.ts'

/** What crosses at a time. */
const maxPieceBytes = 64 * 1024

/** The bytes that the host holds under `streamId`. `onOpen` gets a function that ends them with an error. */
export function openByteSource(streamId: string, onOpen?: (fail: (reason: unknown) => void) => void): ReadableStream {
  return new ReadableStream(
    {
      type: 'bytes',
      start: (controller) => onOpen?.((reason) => controller.error(reason)),
      pull: async (controller) => {
        const { text, body } = await request('stream/read', JSON.stringify({ streamId }))
        if (text === 'true') controller.enqueue(textToBytes(body))
        else controller.close()
      },
      cancel: () => notify('stream/cancel', { streamId }),
    },
    { highWaterMark: 0 },
  )
}

/** Gives the host all of `stream` as `streamId`. Rejects if either side fails; the other one is told. `signal` ends it. */
export async function sendBody(streamId: string, stream: object, signal?: AbortSignal): Promise<void> {
  const reader = new ReadableStreamDefaultReader(stream as ReadableStream)
  const args = JSON.stringify({ streamId })
  signal?.addEventListener('abort', () => void reader.cancel(signal.reason).catch(() => undefined))
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      await sendBytes(args, toBytes(value))
    }
  } catch (error) {
    notify('stream/abort', { streamId, message: error instanceof Error ? error.message : 'The stream failed' })
    reader.cancel(signal?.aborted === true ? signal.reason : error).catch(() => undefined)
    throw error
  }
  await request('stream/end', args)
}

async function sendBytes(args: string, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length; start += maxPieceBytes) {
    await request('stream/write', args, bytesToText(bytes.subarray(start, start + maxPieceBytes)))
  }
}

export async function sendAllBytes(streamId: string, bytes: Uint8Array): Promise<void> {
  const args = JSON.stringify({ streamId })
  await sendBytes(args, bytes)
  await request('stream/end', args)
}
