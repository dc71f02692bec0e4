import { expect, test } from 'vitest'
import { type CpuTime, UserTime } from './user-time.ts'

function timeOf(cpuTimeMs: () => number | undefined, beforeMs = 0): { time: UserTime; advance: (ms: number) => void } {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n, monotonicMs: () => nowMs }
  const readCpuTime = (): CpuTime | undefined => {
    const cpuMs = cpuTimeMs()
    return cpuMs === undefined ? undefined : { nowMs: cpuMs, beforeMs }
  }
  return { time: new UserTime({ clock, readCpuTime, limitMs: 1_000 }), advance: (ms) => void (nowMs += ms) }
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
  advance(7_000)
  expect(time.isUsedUp()).toBe(false)
  advance(800)
  expect(time.isUsedUp()).toBe(true)
})

test('does not count a processor that nobody has used since the look before', () => {
  let cpuMs = 5_000
  const { time, advance } = timeOf(() => cpuMs, 4_900)
  time.resume()
  // The first look comes late, as it does where the whole machine is slow.
  advance(2_000)
  expect(time.isUsedUp()).toBe(false)
  advance(1_000)
  cpuMs += 900
  expect(time.isUsedUp()).toBe(true)
})
