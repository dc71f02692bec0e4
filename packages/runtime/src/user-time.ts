import type { Clock } from '@concave/base'
import { runtimeLimits } from './limits.ts'

/** Of a process, since its start; `beforeMs`: at an earlier look. */
export type CpuTime = { readonly nowMs: number; readonly beforeMs: number }

/**
 * How long one call's own code has run: wall time without host calls, and processor time as the second witness, so that a
 * starved machine doesn't look like a slow function.
 */
export class UserTime {
  readonly #clock: Clock
  readonly #readCpuTime: () => CpuTime | undefined
  readonly #limitMs: number
  #usedMs = 0
  #resumedAtMs: number | undefined
  /** What the process had used before this call, at least. */
  #baseCpuMs: number | undefined

  constructor(options: {
    readonly clock: Clock
    readonly readCpuTime: () => CpuTime | undefined
    readonly limitMs?: number
  }) {
    this.#clock = options.clock
    this.#readCpuTime = options.readCpuTime
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
    const cpu = this.#readCpuTime()
    // Up to the first look the call is taken to have had a processor all the time, as far as one was used at all.
    if (cpu !== undefined) this.#baseCpuMs ??= Math.max(cpu.beforeMs, cpu.nowMs - wallMs)
    if (wallMs < this.#limitMs) return false
    if (cpu === undefined || this.#baseCpuMs === undefined) return true
    if (wallMs >= this.#limitMs * (runtimeLimits.userWallCapMs / runtimeLimits.userTimeMs)) return true
    return cpu.nowMs - this.#baseCpuMs >= this.#limitMs
  }

  #wallMs(): number {
    return this.#usedMs + (this.#resumedAtMs === undefined ? 0 : this.#clock.monotonicMs() - this.#resumedAtMs)
  }
}
