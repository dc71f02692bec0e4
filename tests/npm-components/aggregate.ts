import { expect, it } from 'vitest'
import type { ComponentApp } from './component-app.ts'

/** Tests lean on those before them. */
export function aggregateSuite(app: () => ComponentApp): void {
  /** What the component should say, kept by hand. */
  const scores: { player: string; score: number }[] = []
  const sorted = (): number[] => scores.map(({ score }) => score).sort((a, b) => a - b)

  const expectStatistics = async (): Promise<void> => {
    const all = sorted()
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
    expect(await app().query('aggregates:statistics')).toEqual({
      count: all.length,
      sum: sum(all),
      min: all[0],
      max: all.at(-1),
    })
    const above = all.filter((score) => score > 50)
    expect(await app().query('aggregates:statistics', { above: 50 })).toMatchObject({
      count: above.length,
      sum: sum(above),
      min: above[0],
    })
  }

  it('counts and sums what is inserted, in the transaction that inserts it', async () => {
    for (let round = 0; round < 4; round++) {
      const added = Array.from({ length: 25 }, (_, index) => ({
        player: `player ${index % 5}`,
        score: (round * 37 + index * 61) % 101,
      }))
      await app().mutation('aggregates:addScores', { scores: added })
      scores.push(...added)
      await expectStatistics()
    }
    expect(await app().query('aggregates:statistics')).toMatchObject({ count: 100 })
  })

  it('finds by offset and by rank', async () => {
    const all = sorted()
    for (const offset of [0, 1, 37, 99]) expect(await app().query('aggregates:at', { offset })).toBe(all[offset])
    expect(await app().query('aggregates:at', { offset: -1 })).toBe(all.at(-1))
    expect(await app().query('aggregates:rank', { score: 90 })).toBe(all.filter((score) => score > 90).length)
  })

  it('gives pages in both directions', async () => {
    const pages = await app().query<number[][]>('aggregates:pages', { pageSize: 30, order: 'asc' })
    expect(pages.map((page) => page.length)).toEqual([30, 30, 30, 10])
    expect(pages.flat()).toEqual(sorted())
    const back = await app().query<number[][]>('aggregates:pages', { pageSize: 40, order: 'desc' })
    expect(back.flat()).toEqual(sorted().reverse())
  })

  it('follows replacements and deletions', async () => {
    await app().mutation('aggregates:raise', { player: 'player 1', by: 7 })
    for (const score of scores) if (score.player === 'player 1') score.score += 7
    await expectStatistics()
    await app().mutation('aggregates:removePlayer', { player: 'player 2' })
    scores.splice(0, scores.length, ...scores.filter(({ player }) => player !== 'player 2'))
    await expectStatistics()
    expect((await app().query<number[][]>('aggregates:pages', { pageSize: 50, order: 'asc' })).flat()).toEqual(sorted())
  })

  it('keeps a second mount of the component, and its namespaces, apart', async () => {
    await app().mutation('aggregates:addPhotos', { album: 'rome', names: ['forum', 'tiber', 'dome'] })
    await app().mutation('aggregates:addPhotos', { album: 'oslo', names: ['fjord'] })
    expect(await app().query('aggregates:photoCounts', { albums: ['rome', 'oslo', 'bonn'] })).toEqual([3, 1, 0])
    expect(await app().query('aggregates:photoAt', { album: 'rome', offset: 1 })).toBe('tiber')
    expect(await app().query<string[]>('aggregates:albums')).toEqual(expect.arrayContaining(['rome', 'oslo']))
    await expectStatistics()
  })

  it('applies what was queued in the background', async () => {
    await app().mutation('aggregates:addPhotos', { album: 'kyoto', names: ['moss', 'gate'], isQueued: true })
    // While something is queued, only what is said to be stale can be read.
    const counts = { albums: ['kyoto'], isStale: true }
    expect(await app().queryUntil<number[]>('aggregates:photoCounts', counts, ([kyoto]) => kyoto === 2)).toEqual([2])
  })

  it('is cleared by an action', async () => {
    await app().action('aggregates:clear')
    expect(await app().query('aggregates:statistics')).toEqual({ count: 0, sum: 0, min: null, max: null })
  })
}
