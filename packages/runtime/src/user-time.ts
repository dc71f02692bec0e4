import type { Clock } from '@concave/base'
import { runtimeLimits } from './limits.ts'

/**
 * How long one call's own code has run: wall time without host calls, and processor time as the second witness, so that a
 * starved machine doesn't look like a slow function.
 */
export class UserTime {
  readonly #clock: Clock
  readonly #cpuTimeMs: () => number | undefined
  readonly #limitMs: number
  #usedMs = 0
  #resumedAtMs: number | undefined
  #firstLook: { readonly wallMs: number; readonly cpuMs: number } | undefined

  constructor(options: {
    readonly clock: Clock
    readonly cpuTimeMs: () => number | undefined
    readonly limitMs?: number
  }) {
    this.#clock = options.clock
    this.#cpuTimeMs = options.cpuTimeMs
    this.#limitMs = options.limitMs ?? runtimeLimits.userTimeMs
  }

  resume(): void {
    this.#resumedAtMs = this.#clock.monotonicMs()
  }

  pause(): void {
    this.#usedMs = this.#wallMs()
    this.#resumedAtMs = undefined
  }

  get isRunning(): boolean {
    return this.#resumedAtMs !== undefined
  }

  /** The wall time is over the limit and so is the processor time, or the wall time alone is far beyond it. */
  isUsedUp(): boolean {
    const wallMs = this.#wallMs()
    const cpuMs = this.#cpuTimeMs()
    if (cpuMs !== undefined) this.#firstLook ??= { wallMs, cpuMs }
    if (wallMs < this.#limitMs) return false
    if (cpuMs === undefined || this.#firstLook === undefined) return true
    if (wallMs >= this.#limitMs * (runtimeLimits.userWallCapMs / runtimeLimits.userTimeMs)) return true
    // Up to the first look the call is taken to have had a processor all the time.
    return this.#firstLook.wallMs + (cpuMs - this.#firstLook.cpuMs) >= this.#limitMs
  }

  #wallMs(): number {
    return this.#usedMs + (this.#resumedAtMs === undefined ? 0 : this.#clock.monotonicMs() - this.#resumedAtMs)
  }
}
