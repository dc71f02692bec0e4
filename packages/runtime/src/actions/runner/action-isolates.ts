import ivm from 'isolated-vm'

/** An isolate and the one context in it. */
export type FreshIsolate = { readonly isolate: ivm.Isolate; readonly context: ivm.Context }

/** Isolates of actions: one each, thrown away with it. One that nobody has used yet waits for the next action. */
export class ActionIsolates {
  /** Called before there are more isolates at a time than there have ever been. */
  onGrowth: () => void = () => undefined
  readonly #snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #memoryMb: number
  #spare: FreshIsolate | undefined
  #peak = 1

  constructor(options: { readonly snapshot: ivm.ExternalCopy<ArrayBuffer>; readonly memoryMb: number }) {
    this.#snapshot = options.snapshot
    this.#memoryMb = options.memoryMb
    this.#spare = this.#create()
  }

  /** An unused isolate for one more than the `running` actions. */
  take(running: number): FreshIsolate {
    const spare = this.#spare
    this.#spare = undefined
    return spare ?? this.#make(running + 1)
  }

  /** Makes the spare one while nothing runs: then it is in nobody's way. */
  keepSpare(running: number): void {
    if (this.#spare === undefined && running === 0) this.#spare = this.#make(1)
  }

  #make(count: number): FreshIsolate {
    if (count > this.#peak) {
      this.#peak = count
      this.onGrowth()
    }
    return this.#create()
  }

  #create(): FreshIsolate {
    const isolate = new ivm.Isolate({ memoryLimit: this.#memoryMb, snapshot: this.#snapshot })
    return { isolate, context: isolate.createContextSync() }
  }
}
