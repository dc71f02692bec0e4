/**
 * The mutations of one connection: they run one after another in the order they came, and decide which transitions must
 * wait. A transition that shows a mutation's write before the client has its response would apply the client's
 * optimistic update a second time, on top of the write (sync-and-http.md §1.6).
 */
import { createDeferred, type Deferred } from '@concave/base'

/** Runs a mutation and sends its response. Never rejects. `onApplied` is called before anybody can see the commit. */
type RunMutation = (onApplied: (ts: bigint) => void) => Promise<void>

export class MutationQueue {
  #tail: Promise<void> = Promise.resolve()
  #size = 0
  /** Commit of the running mutation, once it is applied. */
  #appliedTs: bigint | undefined
  /** Mutations that an earlier connection may have run already: any timestamp may show their writes. */
  readonly #possibleRepeats = new Set<RunMutation>()
  #change: Deferred<void> = createDeferred()
  #isClosed = false

  /** Waiting and running. */
  get size(): number {
    return this.#size
  }

  add(run: RunMutation, options: { readonly mayBeRepeat: boolean }): void {
    this.#size += 1
    if (options.mayBeRepeat) this.#possibleRepeats.add(run)
    this.#tail = this.#tail.then(() => this.#run(run))
  }

  /** Resolves when a transition at `ts` shows no write of a mutation that is still to be answered, or at the end. */
  async whenMayShow(ts: bigint): Promise<void> {
    while (!this.#isClosed && this.#holdsBack(ts)) await this.#change.promise
  }

  /** Drops what has not begun. The running mutation goes on; a repeat finds out what became of it. */
  close(): void {
    this.#isClosed = true
    this.#signal()
  }

  async #run(run: RunMutation): Promise<void> {
    if (this.#isClosed) return
    try {
      await run((ts) => this.#applied(ts))
    } finally {
      this.#size -= 1
      this.#appliedTs = undefined
      this.#possibleRepeats.delete(run)
      this.#signal()
    }
  }

  #applied(ts: bigint): void {
    this.#appliedTs = ts
    // It is a first run, so those that were sent after it are too: the earlier connection ran them in order.
    this.#possibleRepeats.clear()
    this.#signal()
  }

  #holdsBack(ts: bigint): boolean {
    return this.#possibleRepeats.size > 0 || (this.#appliedTs !== undefined && this.#appliedTs <= ts)
  }

  #signal(): void {
    this.#change.resolve()
    this.#change = createDeferred()
  }
}
