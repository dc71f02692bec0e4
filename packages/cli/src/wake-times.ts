/** When each of many sleepers is to be woken, with one timer for the earliest. */
import type { Clock } from '@concave/base'

/** The timer never waits longer: the wall clock may have been set meanwhile. */
const maxTimerMs = 60_000

export class WakeTimes {
  readonly #clock: Clock
  readonly #wake: (name: string) => void
  readonly #times = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  /** `wake` is called once for a time that has come, which is forgotten then. It must not throw. */
  constructor(deps: { readonly clock: Clock; readonly wake: (name: string) => void }) {
    this.#clock = deps.clock
    this.#wake = deps.wake
  }

  /** Milliseconds since the epoch; undefined for a sleeper that sleeps on. Replaces what was set before. */
  set(name: string, atMs: number | undefined): void {
    if (atMs === undefined) this.#times.delete(name)
    else this.#times.set(name, atMs)
    this.#arm()
  }

  close(): void {
    this.#times.clear()
    clearTimeout(this.#timer)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#times.size === 0) return
    let earliestMs = Infinity
    for (const atMs of this.#times.values()) earliestMs = Math.min(earliestMs, atMs)
    const delayMs = Math.min(Math.max(0, earliestMs - this.#clock.nowMs()), maxTimerMs)
    this.#timer = setTimeout(() => this.#ring(), delayMs)
  }

  #ring(): void {
    const nowMs = this.#clock.nowMs()
    for (const [name, atMs] of this.#times) {
      if (atMs > nowMs) continue
      this.#times.delete(name)
      this.#wake(name)
    }
    this.#arm()
  }
}
