import { createDeferred, type Deferred } from '@concave/base'
import type { ByteSink, ByteSource } from './action.ts'

type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'cancelled' }

/** A sink whose pieces come out of a source: it holds one piece, so who writes goes as fast as who reads. */
export class BytePipe implements ByteSink, ByteSource {
  #state: State = { kind: 'open' }
  #piece: Uint8Array | undefined
  #change: Deferred<void> = createDeferred<void>()

  async write(bytes: Uint8Array): Promise<void> {
    while (this.#state.kind === 'open' && this.#piece !== undefined) await this.#change.promise
    if (this.#state.kind !== 'open') throw new Error('The stream is closed.')
    this.#piece = bytes
    this.#signal()
    while (this.#state.kind === 'open' && this.#piece === bytes) await this.#change.promise
  }

  async end(): Promise<void> {
    this.#settle({ kind: 'ended' })
  }

  abort(message: string): void {
    this.#settle({ kind: 'failed', error: new Error(message) })
  }

  cancel(): void {
    this.#settle({ kind: 'cancelled' })
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#state.kind === 'open' && this.#piece === undefined) await this.#change.promise
    if (this.#state.kind === 'failed') throw this.#state.error
    const piece = this.#piece
    this.#piece = undefined
    this.#signal()
    return piece
  }

  #settle(state: State): void {
    if (this.#state.kind !== 'open') return
    this.#state = state
    this.#signal()
  }

  #signal(): void {
    this.#change.resolve()
    this.#change = createDeferred<void>()
  }
}
