import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Database } from './database.ts'
import { mutate, openTestDatabase, scan, value } from './database-fixture.ts'
import type { PageOptions, PageResult } from './pagination.ts'

describe('paginate', () => {
  let database: Database

  beforeEach(async () => {
    database = await openTestDatabase()
    await mutate(database, async (tx) => {
      for (let n = 0; n < 8; n += 1) await tx.insert('numbers', value({ n }))
    })
  })

  afterEach(async () => {
    await database.close()
  })

  const defaults: PageOptions = {
    cursor: null,
    endCursor: null,
    numItems: 3,
    maximumRowsRead: null,
    maximumBytesRead: null,
    journal: null,
  }

  async function page(options: Partial<PageOptions> = {}, query: object = scan('numbers')): Promise<PageResult> {
    return database.begin('query').paginate(query, { ...defaults, ...options })
  }

  function numbers(result: PageResult): readonly number[] {
    return result.page.map((text) => (JSON.parse(text) as { n: number }).n)
  }

  it('is not done while a page fills up, and ends with an empty page', async () => {
    const first = await page({ numItems: 8 })
    expect(numbers(first)).toHaveLength(8)
    expect(first).toMatchObject({ isDone: false, pageStatus: null, journal: first.continueCursor })
    const second = await page({ numItems: 8, cursor: first.continueCursor })
    expect(second).toMatchObject({ page: [], isDone: true, splitCursor: null })
    expect(await page({ cursor: second.continueCursor })).toMatchObject({ page: [], isDone: true })
  })

  it('gives the same cursor for the same position', async () => {
    expect((await page()).continueCursor).toBe((await page()).continueCursor)
  })

  it('keeps the end of a page while rows come and go', async () => {
    const first = await page()
    const [, second] = first.page.map((text) => JSON.parse(text) as { _id: string })
    await mutate(database, (tx) => tx.delete(second?._id as string))
    expect(numbers(await page({ journal: first.journal }))).toEqual([0, 2])
    expect(numbers(await page({ endCursor: first.continueCursor, numItems: 1 }))).toEqual([0, 2])
    expect(numbers(await page({ cursor: first.continueCursor }))).toEqual([3, 4, 5])
    const toTheEnd = await page({ numItems: 100 })
    await mutate(database, (tx) => tx.insert('numbers', value({ n: 8 })))
    const again = await page({ numItems: 1, journal: toTheEnd.journal })
    expect(numbers(again)).toEqual([0, 2, 3, 4, 5, 6, 7, 8])
    expect(again.isDone).toBe(true)
  })

  it('stops early at row and byte limits, and says where to split', async () => {
    const rows = await page({ numItems: 8, maximumRowsRead: 4 })
    expect(numbers(rows)).toEqual([0, 1, 2, 3])
    expect(rows).toMatchObject({ isDone: false, pageStatus: 'SplitRequired' })
    expect(numbers(await page({ cursor: rows.splitCursor }))).toEqual([3, 4, 5])
    const bytes = await page({ numItems: 8, maximumBytesRead: 1 })
    expect(numbers(bytes)).toEqual([0])
    expect((await page({ numItems: 4, maximumRowsRead: 5 })).pageStatus).toBe('SplitRecommended')
  })

  it('counts scanned rows against the limits, and matches against the page size', async () => {
    const odd = scan('numbers', 'asc', [
      { filter: { $eq: [{ $mod: [{ $field: 'n' }, { $literal: 2 }] }, { $literal: 1 }] } },
    ])
    expect(numbers(await page({ numItems: 2 }, odd))).toEqual([1, 3])
    const limited = await page({ numItems: 2, maximumRowsRead: 3 }, odd)
    expect(numbers(limited)).toEqual([1])
    expect(numbers(await page({ numItems: 2, cursor: limited.continueCursor }, odd))).toEqual([3, 5])
  })

  it('tells a cursor of another query by its data', async () => {
    const { continueCursor } = await page()
    await expect(page({ cursor: continueCursor }, scan('numbers', 'desc'))).rejects.toMatchObject({
      code: 'InvalidCursor',
      message:
        'InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.',
      data: { isConvexSystemError: true, paginationError: 'InvalidCursor' },
    })
    await expect(page({ cursor: 'garbage' })).rejects.toMatchObject({ message: 'Failed to parse cursor' })
    await expect(page({ cursor: `${continueCursor.slice(0, -2)}AA` })).rejects.toMatchObject({ code: 'InvalidCursor' })
  })

  it('refuses bad options and a second paginated query', async () => {
    await expect(page({ numItems: 0 })).rejects.toThrow('Must request at least 1 document while paginating')
    await expect(page({ numItems: 32_001 })).rejects.toThrow('Requested too many items: 32001')
    await expect(page({ maximumRowsRead: 0 })).rejects.toThrow(
      'maximumRowsRead and maximumBytesRead must be greater than 0',
    )
    const tx = database.begin('query')
    await tx.paginate(scan('numbers'), defaults)
    await expect(tx.paginate(scan('numbers'), defaults)).rejects.toMatchObject({
      code: 'MultiplePaginatedDatabaseQueries',
    })
  })

  it('pages over a missing table', async () => {
    expect(await page({}, scan('none'))).toMatchObject({ page: [], isDone: true })
  })
})
