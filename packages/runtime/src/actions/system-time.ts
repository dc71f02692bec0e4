import type { Clock } from '@concave/base'
import type { Timers } from '../timers.ts'

/** How long one action's syscalls have taken, those that run at the same time counted once; `onUsedUp` at the limit. */
export class SystemTime {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #limitMs: number
  readonly #onUsedUp: () => void
  #running = 0
  #usedMs = 0
  #sinceMs = 0
  #stopLimit: (() => void) | undefined

  constructor(options: {
    readonly clock: Clock
    readonly timers: Timers
    readonly limitMs: number
    readonly onUsedUp: () => void
  }) {
    this.#clock = options.clock
    this.#timers = options.timers
    this.#limitMs = options.limitMs
    this.#onUsedUp = options.onUsedUp
  }

  async during<T>(syscall: () => Promise<T>): Promise<T> {
    this.#begin()
    try {
      return await syscall()
    } finally {
      this.#end()
    }
  }

  /** Nobody wants to know any more. */
  stop(): void {
    this.#stopLimit?.()
    this.#stopLimit = undefined
  }

  #begin(): void {
    this.#running += 1
    if (this.#running > 1) return
    this.#sinceMs = this.#clock.monotonicMs()
    this.#stopLimit = this.#timers.after(Math.max(0, this.#limitMs - this.#usedMs), this.#onUsedUp)
  }

  #end(): void {
    this.#running -= 1
    if (this.#running > 0) return
    this.#usedMs += this.#clock.monotonicMs() - this.#sinceMs
    this.stop()
  }
}
