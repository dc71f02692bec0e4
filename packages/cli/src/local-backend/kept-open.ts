/**
 * A deployment that is opened again from its storage whenever it ends by itself, which is when the storage has failed:
 * clients come back and repeat what was open.
 */
type Endable = { readonly ended: Promise<void>; close(): Promise<void> }

export class KeptOpen<T extends Endable> {
  /** Resolves when it could not be opened again. */
  readonly failed: Promise<Error>
  readonly #open: () => Promise<T>
  readonly #fail: (error: Error) => void
  #current: Promise<T>
  #isClosing = false

  /** Throws what the first opening throws. */
  static async start<T extends Endable>(open: () => Promise<T>): Promise<KeptOpen<T>> {
    return new KeptOpen(open, await open())
  }

  private constructor(open: () => Promise<T>, first: T) {
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.failed = promise
    this.#fail = resolve
    this.#open = open
    this.#current = Promise.resolve(first)
    this.#watch(first)
  }

  /** The one that is open, or about to be. Rejects once `failed` has resolved. */
  get current(): Promise<T> {
    return this.#current
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await (await this.#current.catch(() => undefined))?.close()
  }

  #watch(open: T): void {
    void open.ended.then(() => {
      if (this.#isClosing) return
      this.#current = this.#open()
      this.#current.then(
        (next) => this.#watch(next),
        (error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))),
      )
    })
  }
}
