import { expect, test } from 'vitest'
import { Patience } from './patience.ts'

function afterCalls(...durationsMs: readonly number[]): number {
  const patience = new Patience({ minMs: 20 })
  for (const ms of durationsMs) patience.record(ms)
  return patience.ms
}

test('patience is what was asked for while calls are short', () => {
  expect(afterCalls()).toBe(20)
  expect(afterCalls(...Array.from({ length: 100 }, () => 2))).toBe(20)
})

test('patience grows where calls usually take longer, and shrinks again', () => {
  const slow = Array.from({ length: 100 }, () => 15)
  expect(afterCalls(...slow)).toBeCloseTo(60, 0)
  expect(afterCalls(...slow, ...Array.from({ length: 100 }, () => 1))).toBe(20)
})

test('a single slow call changes little', () => {
  expect(afterCalls(...Array.from({ length: 100 }, () => 2), 800)).toBe(20)
})
