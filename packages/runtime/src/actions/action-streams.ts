import type { ActionAnswer, ByteSink, ByteSource } from './action.ts'
import { FailedTransfer } from './failed-transfer.ts'

/** The byte streams of one action, by the names it knows them by. */
export class ActionStreams {
  readonly #sources = new Map<string, ByteSource>()
  readonly #sinks = new Map<string, ByteSink>()

  addSource(name: string, source: ByteSource): void {
    this.#sources.set(name, source)
  }

  addSink(name: string, sink: ByteSink): void {
    this.#sinks.set(name, sink)
  }

  /** `true` and the next piece, or `false` at the end. */
  async read(name: string): Promise<ActionAnswer> {
    const source = this.#sources.get(name)
    if (source === undefined) return { text: 'false' }
    let piece: Uint8Array | undefined
    try {
      piece = await source.read()
    } catch (error) {
      this.#sources.delete(name)
      throw new FailedTransfer(error instanceof Error ? error.message : 'terminated')
    }
    if (piece !== undefined) return { text: 'true', body: piece }
    this.#sources.delete(name)
    return { text: 'false' }
  }

  cancel(name: string): void {
    this.#sources.get(name)?.cancel()
    this.#sources.delete(name)
  }

  sink(name: string): ByteSink {
    const sink = this.#sinks.get(name)
    if (sink === undefined) throw new FailedTransfer('The stream is closed.')
    const failed = (error: unknown): never => {
      throw new FailedTransfer(error instanceof Error ? error.message : 'terminated')
    }
    return {
      write: (bytes) => sink.write(bytes).catch(failed),
      end: async () => {
        this.#sinks.delete(name)
        await sink.end().catch(failed)
      },
      abort: (message) => sink.abort(message),
    }
  }

  abort(name: string, message: string): void {
    this.#sinks.get(name)?.abort(message)
    this.#sinks.delete(name)
  }

  /** The action is over: what it has not read is not wanted, what it has not written will not come. */
  close(): void {
    for (const source of this.#sources.values()) source.cancel()
    for (const sink of this.#sinks.values()) sink.abort('The action has ended.')
    this.#sources.clear()
    this.#sinks.clear()
  }
}
