import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

export function shardedCounterSuite(app: () => ComponentApp): void {
  it('loses no count of many clients at once', async () => {
    const adds = Array.from({ length: 30 }, async (_, index) => {
      const counter = index % 3 === 0 ? 'few' : 'many'
      await app().mutation(index % 10 === 9 ? 'counters:subtract' : 'counters:add', { name: counter, by: 2 })
    })
    await Promise.all(adds)
    const expected = (isFew: boolean): number =>
      Array.from({ length: 30 }, (_, index) => index)
        .filter((index) => (index % 3 === 0) === isFew)
        .reduce((total, index) => total + (index % 10 === 9 ? -2 : 2), 0)
    expect(await app().query('counters:count', { name: 'few' })).toBe(expected(true))
    expect(await app().query('counters:count', { name: 'many' })).toBe(expected(false))
  })

  it('does not count what was undone', async () => {
    await expect(app().mutation('counters:addThenFail', { name: 'undone' })).rejects.toThrow('after the count')
    expect(await app().query('counters:count', { name: 'undone' })).toBe(0)
  })

  it('estimates, balances and forgets', async () => {
    await app().mutation('counters:add', { name: 'balanced', by: 80 })
    expect(await app().query('counters:estimate', { name: 'balanced' })).toBe(80)
    await app().mutation('counters:rebalance', { name: 'balanced' })
    expect(await app().query('counters:count', { name: 'balanced' })).toBe(80)
    await app().mutation('counters:reset', { name: 'balanced' })
    expect(await app().query('counters:count', { name: 'balanced' })).toBe(0)
  })
}
