/** How many runs of one kind a deployment has at once, whichever component they belong to. Free ones go to who asked first. */
import { createDeferred } from '@concave/base'

type Waiter = { isServed: boolean; readonly wake: () => void }

export class RunSlots {
  #free: number
  readonly #waiting: Waiter[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Takes a slot, to be given back with `release`. False if `abandoned` resolved before there was one. */
  async take(abandoned: Promise<void>): Promise<boolean> {
    if (this.#free > 0) {
      this.#free -= 1
      return true
    }
    const { promise, resolve } = createDeferred<void>()
    const waiter: Waiter = { isServed: false, wake: resolve }
    this.#waiting.push(waiter)
    await Promise.race([promise, abandoned])
    if (!waiter.isServed) this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
    return waiter.isServed
  }

  release(): void {
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#free += 1
      return
    }
    next.isServed = true
    next.wake()
  }
}
