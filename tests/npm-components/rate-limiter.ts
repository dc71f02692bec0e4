import { waitFor } from '@concave/testing'
import { expect, it } from 'vitest'
import { post } from '../e2e/http-calls.ts'
import type { ComponentApp } from './component-app.ts'

type Outcome = { readonly ok: boolean; readonly retryAfter?: number }

export function rateLimiterSuite(app: () => ComponentApp): void {
  const limit = async (args: object): Promise<Outcome> => await app().mutation<Outcome>('rateLimits:limit', args)

  it('lets a fixed window pass its rate for each key, and says when to come again', async () => {
    const oks = [1, 2, 3, 4].map(async () => (await limit({ name: 'trial', key: 'ann' })).ok)
    expect((await Promise.all(oks)).filter((ok) => ok)).toHaveLength(3)
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
    const all = { name: 'message', key: 'time', count: 2 }
    const before = Date.now()
    expect(await limit(all)).toMatchObject({ ok: true })
    await waitFor('tokens', async () => ((await limit(all)).ok ? true : undefined))
    // Two tokens take a second; the server's clock is this one.
    expect(Date.now() - before).toBeGreaterThanOrEqual(1000)
  })

  it('throws data that says which limit was hit', async () => {
    const args = { name: 'trial', key: 'thrown', count: 3, throws: true }
    await app().mutation('rateLimits:limit', args)
    const { body } = await post(app().url, '/api/mutation', { path: 'rateLimits:limit', args, format: 'json' })
    expect(body).toMatchObject({ status: 'error', errorData: { kind: 'RateLimited', name: 'trial' } })
  })

  it('reserves what will be there later, up to a bound', async () => {
    const reserve = { name: 'reserved', reserve: true }
    const outcomes: Outcome[] = []
    for (let call = 0; call < 4; call++) outcomes.push(await limit(reserve))
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, true, false])
    expect(outcomes[0]?.retryAfter).toBeUndefined()
    expect(outcomes[1]?.retryAfter).toBeGreaterThan(50_000)
    expect(outcomes[2]?.retryAfter).toBeGreaterThan(110_000)
  })

  it('never passes more than the rate over several shards', async () => {
    const oks = await Promise.all(Array.from({ length: 30 }, async () => (await limit({ name: 'sharded' })).ok))
    const passed = oks.filter((ok) => ok).length
    expect(passed).toBeLessThanOrEqual(20)
    expect(passed).toBeGreaterThan(10)
  })

  it('applies counts in the background', async () => {
    expect(await limit({ name: 'eventual', key: 'later', count: 4 })).toMatchObject({ ok: true })
    await app().queryUntil<{ readonly value: number }>(
      'rateLimits:value',
      { name: 'eventual', key: 'later' },
      ({ value }) => value < 1.5,
    )
    expect((await limit({ name: 'eventual', key: 'later', count: 4 })).ok).toBe(false)
  })

  it('forgets on request, and answers the hook of the browser', async () => {
    await limit({ name: 'trial', key: 'hook', count: 3 })
    expect(await app().query('rateLimits:getRateLimit', { key: 'hook' })).toMatchObject({ value: 0 })
    await app().mutation('rateLimits:reset', { name: 'trial', key: 'hook' })
    expect(await app().query('rateLimits:getRateLimit', { key: 'hook' })).toMatchObject({ value: 3 })
    expect(Math.abs((await app().mutation<number>('rateLimits:getServerTime')) - Date.now())).toBeLessThan(60_000)
  })
}
