/** One stream as two (WHATWG Streams §4.2.4, tee): what either reads, both get. */
import { createSettable } from './queue.ts'
import type { ReadableStream, ReadableStreamDefaultController, ReadableStreamDefaultReader } from './readable-stream.ts'

type Source = {
  readonly start: (controller: ReadableStreamDefaultController) => void
  readonly pull: () => Promise<void>
  readonly cancel: (reason: unknown) => Promise<void>
}

export function splitReader(
  reader: ReadableStreamDefaultReader,
  open: (source: Source) => ReadableStream,
): [ReadableStream, ReadableStream] {
  const controllers: ReadableStreamDefaultController[] = []
  const isCancelled = [false, false]
  const reasons: unknown[] = [undefined, undefined]
  const cancelled = createSettable<undefined>()
  let reading: Promise<void> | undefined
  const readOne = async (): Promise<void> => {
    try {
      const { value, done } = await reader.read()
      // A stream of bytes keeps what it is given for itself.
      const copy = value instanceof Uint8Array ? value.slice() : value
      controllers.forEach((controller, index) => {
        if (isCancelled[index] === true) return
        if (done) {
          controller.close()
          controller.byobRequest?.respond(0)
        } else controller.enqueue(index === 0 ? value : copy)
      })
      if (done) cancelled.resolve(undefined)
    } catch (error) {
      for (const controller of controllers) controller.error(error)
      cancelled.resolve(undefined)
    } finally {
      reading = undefined
    }
  }
  const branch = (index: number): ReadableStream =>
    open({
      start: (controller) => {
        controllers[index] = controller
      },
      pull: async () => await (reading ??= readOne()),
      cancel: async (reason) => {
        isCancelled[index] = true
        reasons[index] = reason
        if (isCancelled.every(Boolean)) cancelled.resolve(await reader.cancel(reasons))
        await cancelled.promise
      },
    })
  const first = branch(0)
  return [first, branch(1)]
}
