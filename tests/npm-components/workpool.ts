import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

type Status = { readonly state: string }

export function workpoolSuite(app: () => ComponentApp): void {
  const events = async (subject: string): Promise<unknown[]> => await app().query<unknown[]>('events:list', { subject })
  const completed = async (subject: string, count: number): Promise<unknown[]> =>
    await app().queryUntil<unknown[]>(
      'events:list',
      { subject: `${subject} completed` },
      ({ length }) => length >= count,
    )

  it('runs one after another what a pool of one is given', async () => {
    const subject = 'serial'
    const args = { pool: 'serial', subject, names: ['a', 'b', 'c'], takesMs: 30 }
    const ids = await app().mutation<string[]>('pools:enqueueWork', args)
    expect(await completed(subject, 3)).toEqual(
      ['a', 'b', 'c'].map((name) => ({ kind: 'success', returnValue: `${name} done` })),
    )
    expect(await events(subject)).toEqual(['begin a', 'end a', 'begin b', 'end b', 'begin c', 'end c'])
    for (const id of ids)
      expect(await app().query('pools:status', { pool: 'serial', id })).toEqual({ state: 'finished' })
  })

  it('runs at the same time what a wider pool is given', async () => {
    const subject = 'wide'
    const names = ['a', 'b', 'c', 'd']
    await app().mutation('pools:enqueueWork', { pool: 'wide', subject, names, takesMs: 400 })
    await completed(subject, 4)
    const seen = (await events(subject)) as string[]
    const firstEnd = seen.findIndex((event) => event.startsWith('end'))
    expect(firstEnd).toBeGreaterThan(1)
    expect(seen).toHaveLength(8)
  })

  it('runs mutations and queries, and hands on what they return', async () => {
    const subject = 'others'
    await app().mutation('pools:enqueueOthers', { subject })
    expect(await completed(subject, 2)).toEqual(
      expect.arrayContaining([
        { kind: 'success', returnValue: 'one more' },
        { kind: 'success', returnValue: 'seen' },
      ]),
    )
    expect(await events(subject)).toEqual(['incremented'])
  })

  it('tries again what failed, unless it is said that this will not help', async () => {
    await app().mutation('pools:enqueueFailure', { subject: 'failure', isFinal: false })
    await app().mutation('pools:enqueueFailure', { subject: 'final failure', isFinal: true })
    const [failure] = (await completed('failure', 1)) as { kind: string; error: string }[]
    expect(failure).toMatchObject({ kind: 'failed', error: expect.stringContaining('this time') })
    expect(await events('failure')).toHaveLength(3)
    const [final] = (await completed('final failure', 1)) as { kind: string; error: string }[]
    expect(final).toMatchObject({ kind: 'failed', error: expect.stringContaining('never again') })
    expect(await events('final failure')).toHaveLength(1)
  })

  it('cancels what waits', async () => {
    const subject = 'canceled'
    const id = await app().mutation<string>('pools:enqueueLater', { subject })
    expect(await app().query('pools:status', { pool: 'wide', id })).toMatchObject({ state: 'pending' })
    await app().mutation('pools:cancel', { pool: 'wide', id })
    expect(await completed(subject, 1)).toEqual([{ kind: 'canceled' }])
    await app().queryUntil<Status>('pools:status', { pool: 'wide', id }, ({ state }) => state === 'finished')
    expect(await events(subject)).toEqual([])
  })
}
