import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

type Outcome = { readonly ok: boolean; readonly retryAfter?: number }

export function rateLimiterSuite(app: () => ComponentApp): void {
  const limit = async (args: object): Promise<Outcome> => await app().mutation<Outcome>('rateLimits:limit', args)

  it('lets a fixed window pass its rate for each key, and says when to come again', async () => {
    const oks = [1, 2, 3, 4].map(async () => (await limit({ name: 'trial', key: 'ann' })).ok)
    expect((await Promise.all(oks)).sort()).toEqual([false, true, true, true])
    const refused = await limit({ name: 'trial', key: 'ann' })
    expect(refused.ok).toBe(false)
    expect(refused.retryAfter).toBeGreaterThan(0)
    expect(refused.retryAfter).toBeLessThanOrEqual(60_000)
    expect(await limit({ name: 'trial', key: 'bob' })).toMatchObject({ ok: true })
  })

  it('does not count what was undone', async () => {
    for (let run = 0; run < 4; run++)
      await expect(app().mutation('rateLimits:limitThenFail', { key: 'undone' })).rejects.toThrow('after the limit')
    expect(await app().query('rateLimits:value', { name: 'trial', key: 'undone' })).toMatchObject({ value: 3 })
  })

  it('fills a token bucket as time goes by', async () => {
    const key = 'time'
    expect(await limit({ name: 'message', key, count: 2 })).toMatchObject({ ok: true })
    expect((await limit({ name: 'message', key })).ok).toBe(false)
    await app().queryUntil<Outcome>('rateLimits:check', { name: 'message', key }, ({ ok }) => ok)
    expect(await limit({ name: 'message', key })).toMatchObject({ ok: true })
  })
}
