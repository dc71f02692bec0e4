import { expect, test } from 'vitest'
import { UserTime } from './user-time.ts'

function timeOf(cpuTimeMs: () => number | undefined): { time: UserTime; advance: (ms: number) => void } {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n, monotonicMs: () => nowMs }
  return { time: new UserTime({ clock, cpuTimeMs, limitMs: 1_000 }), advance: (ms) => void (nowMs += ms) }
}

test('is used up after its limit of a busy processor', () => {
  let cpuMs = 0
  const { time, advance } = timeOf(() => cpuMs)
  time.resume()
  for (let step = 0; step < 4; step++) {
    advance(200)
    cpuMs += 200
    expect(time.isUsedUp()).toBe(false)
  }
  advance(200)
  cpuMs += 200
  expect(time.isUsedUp()).toBe(true)
})

test('does not run while a host call is outstanding', () => {
  const { time, advance } = timeOf(() => undefined)
  time.resume()
  advance(900)
  time.pause()
  advance(60_000)
  time.resume()
  advance(90)
  expect(time.isUsedUp()).toBe(false)
  advance(20)
  expect(time.isUsedUp()).toBe(true)
})

test('is patient with a machine that gives no processor, up to a cap', () => {
  const { time, advance } = timeOf(() => 0)
  time.resume()
  advance(200)
  expect(time.isUsedUp()).toBe(false)
  advance(3_000)
  expect(time.isUsedUp()).toBe(false)
  advance(800)
  expect(time.isUsedUp()).toBe(true)
})
