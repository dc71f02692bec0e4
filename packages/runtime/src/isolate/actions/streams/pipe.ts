/** How chunks get from a reader to a writer (WHATWG Streams §4.2.4, pipeTo): as fast as the destination takes them. */
import { createSettable, quiet } from './queue.ts'
import type { ReadableStreamDefaultReader } from './readable-stream.ts'
import type { WritableStreamDefaultWriter } from './writable-stream.ts'

export type PipeOptions = {
  readonly preventClose?: unknown
  readonly preventAbort?: unknown
  readonly preventCancel?: unknown
  readonly signal?: AbortSignalLike | null
}
type AbortSignalLike = {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export async function pipe(
  reader: ReadableStreamDefaultReader,
  writer: WritableStreamDefaultWriter,
  options: PipeOptions,
): Promise<undefined> {
  const { signal } = options
  const aborted = quiet(createSettable<never>())
  const onAbort = (): void => aborted.reject(signal?.reason)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort)
  // The destination may end while the source is silent.
  const ended = quiet(createSettable<never>())
  writer.closed.then(
    () => ended.reject(new TypeError('The destination of the pipe is closed')),
    (error: unknown) => ended.reject(error),
  )
  const failed: { side: 'source' | 'destination' | 'signal' } = { side: 'signal' }
  const told = async <T>(which: 'source' | 'destination', promise: Promise<T>): Promise<T> => {
    try {
      return await promise
    } catch (error) {
      failed.side = which
      throw error
    }
  }
  try {
    for (;;) {
      await Promise.race([told('destination', writer.ready), aborted.promise, told('destination', ended.promise)])
      const { value, done } = await Promise.race([
        told('source', reader.read()),
        aborted.promise,
        told('destination', ended.promise),
      ])
      if (done) break
      writer.write(value).catch(() => undefined)
    }
    if (options.preventClose !== true) await told('destination', writer.close())
    else await told('destination', writer.ready)
    return undefined
  } catch (error) {
    const endings: Promise<unknown>[] = []
    if (failed.side !== 'destination' && options.preventAbort !== true) endings.push(writer.abort(error))
    if (failed.side !== 'source' && options.preventCancel !== true) endings.push(reader.cancel(error))
    await Promise.allSettled(endings)
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    reader.releaseLock()
    writer.releaseLock()
  }
}
