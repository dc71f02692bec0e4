/** Rings once after `delayMs`. Returns what takes it back. Injected, so that tests own the time. */
export type Alarm = (delayMs: number, ring: () => void) => () => void

export const systemAlarm: Alarm = (delayMs, ring) => {
  const timer = setTimeout(ring, delayMs)
  return () => clearTimeout(timer)
}
