import type { Clock } from '@concave/base'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WakeTimes } from './wake-times.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const clock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => BigInt(Date.now()) * 1_000_000n,
  monotonicMs: () => performance.now(),
}

test('wakes each once when its time has come, with one timer', () => {
  const woken: string[] = []
  const times = new WakeTimes({ clock, wake: (name) => woken.push(name) })
  const now = Date.now()
  times.set('late', now + 3_000_000)
  times.set('early', now + 1000)
  times.set('moved', now + 1000)
  times.set('moved', now + 2000)
  times.set('past', now - 5)
  times.set('forgotten', now + 1000)
  times.set('forgotten', undefined)
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(999)
  expect(woken).toEqual(['past'])
  vi.advanceTimersByTime(1)
  expect(woken).toEqual(['past', 'early'])
  vi.advanceTimersByTime(1000)
  expect(woken).toEqual(['past', 'early', 'moved'])
  vi.advanceTimersByTime(3_000_000)
  expect(woken).toEqual(['past', 'early', 'moved', 'late'])
  expect(vi.getTimerCount()).toBe(0)
})

test('follows a wall clock that is set forward, and wakes nobody after it was closed', () => {
  const woken: string[] = []
  const times = new WakeTimes({ clock, wake: (name) => woken.push(name) })
  times.set('a', Date.now() + 86_400_000)
  times.set('b', Date.now() + 2 * 86_400_000)
  vi.setSystemTime(Date.now() + 86_400_000)
  vi.advanceTimersByTime(60_000)
  expect(woken).toEqual(['a'])
  times.close()
  vi.advanceTimersByTime(2 * 86_400_000)
  expect(woken).toEqual(['a'])
})
