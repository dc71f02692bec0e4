/** Wall and monotonic time, injected so that tests and simulations own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch, integral. */
  nowMs(): number
  /** Nanoseconds since the Unix epoch; may step back as wall clocks do. */
  nowNs(): bigint
  /** Milliseconds of a clock that never steps back, with fraction. For durations only. */
  monotonicMs(): number
}

const monotonicOriginNs = BigInt(Math.round(performance.timeOrigin * 1e6))

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => {
    // performance.now() has sub-millisecond resolution but does not follow wall clock steps; Date.now() does.
    const fineNs = monotonicOriginNs + BigInt(Math.round(performance.now() * 1e6))
    const coarseNs = BigInt(Date.now()) * 1_000_000n
    const drift = fineNs - coarseNs
    return drift >= 0n && drift < 2_000_000n ? fineNs : coarseNs
  },
  monotonicMs: () => performance.now(),
}
