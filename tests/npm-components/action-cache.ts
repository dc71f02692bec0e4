import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

export function actionCacheSuite(app: () => ComponentApp): void {
  const fetched = async (args: object): Promise<number> => await app().action<number>('cache:fetch', args)
  /** How often the action has run. */
  const runs = async (subject: string): Promise<number> =>
    (await app().query<unknown[]>('events:list', { subject })).length

  it('runs an action once for equal arguments', async () => {
    const subject = 'cache hits'
    expect(await fetched({ subject, x: 3 })).toBe(9)
    expect(await fetched({ subject, x: 3 })).toBe(9)
    expect(await runs(subject)).toBe(1)
    expect(await fetched({ subject, x: 4 })).toBe(16)
    expect(await runs(subject)).toBe(2)
  })

  it('runs again when told to, and when the value was removed', async () => {
    const subject = 'cache misses'
    await fetched({ subject, x: 3 })
    await fetched({ subject, x: 3, force: true })
    expect(await runs(subject)).toBe(2)
    await app().mutation('cache:remove', { subject, x: 3 })
    await fetched({ subject, x: 3 })
    expect(await runs(subject)).toBe(3)
    await app().mutation('cache:removeAll')
    await fetched({ subject, x: 3 })
    expect(await runs(subject)).toBe(4)
  })

  it('runs again when the value is too old', async () => {
    const subject = 'cache expiry'
    await fetched({ subject, x: 5, ttl: 60_000 })
    await fetched({ subject, x: 5, ttl: 60_000 })
    expect(await runs(subject)).toBe(1)
    // No value is younger than this when it is asked for again.
    await fetched({ subject, x: 5, ttl: 1 })
    expect(await runs(subject)).toBe(2)
  })
}
