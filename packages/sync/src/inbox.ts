/** Handles the messages of one socket strictly in order: a mutation after an `Authenticate` runs as the new identity. */

type Task = () => Promise<void> | void

export class Inbox {
  readonly #maxWaiting: number
  readonly #onFull: () => void
  readonly #onDrained: () => void
  readonly #onFailure: (error: unknown) => void
  readonly #tasks: Task[] = []
  #isHandling = false
  #isClosed = false

  constructor(options: {
    readonly maxWaiting: number
    /** Called when no more should come until `onDrained`. */
    readonly onFull: () => void
    readonly onDrained: () => void
    readonly onFailure: (error: unknown) => void
  }) {
    this.#maxWaiting = options.maxWaiting
    this.#onFull = options.onFull
    this.#onDrained = options.onDrained
    this.#onFailure = options.onFailure
  }

  /** Runs `task` after those before it; at once if there are none. */
  add(task: Task): void {
    if (this.#isClosed) return
    this.#tasks.push(task)
    if (this.#tasks.length === this.#maxWaiting) this.#onFull()
    void this.#handle()
  }

  /** Drops what waits. */
  close(): void {
    this.#isClosed = true
    this.#tasks.length = 0
  }

  async #handle(): Promise<void> {
    if (this.#isHandling) return
    this.#isHandling = true
    let wasFull = false
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      wasFull ||= this.#tasks.length + 1 >= this.#maxWaiting
      try {
        const pending = task()
        if (pending !== undefined) await pending
      } catch (error) {
        this.#onFailure(error)
      }
    }
    this.#isHandling = false
    if (wasFull) this.#onDrained()
  }
}
