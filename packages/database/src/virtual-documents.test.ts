import { expect, test } from 'vitest'
import { Collection } from './collection.ts'
import { collect, mutate, openTestDatabase, scan } from './database-fixture.ts'

const jobs = new Collection<{
  readonly udfPath: string
  readonly args: string
  readonly originalScheduledTs: bigint
  readonly nextTs?: bigint | undefined
  readonly completedTs?: bigint | undefined
  readonly state: { readonly type: string; readonly error?: string }
}>('_scheduled_jobs')

const pending = {
  udfPath: 'a.js:b',
  args: '{"n":{"$integer":"AQAAAAAAAAA="}}',
  originalScheduledTs: 1_763_775_000_123_456_000n,
  nextTs: 1_763_775_000_123_456_000n,
  state: { type: 'pending' },
}
const failed = {
  ...pending,
  originalScheduledTs: 1_763_775_000_123_000_000n,
  nextTs: undefined,
  completedTs: 1_763_775_001_000_000_000n,
  state: { type: 'failed', error: 'no' },
}

test('a scheduled function is shown as functions know it, by id, by query, by page, and to filters', async () => {
  const database = await openTestDatabase()
  const ids = await mutate(database, async (tx) => [await jobs.insert(tx, pending), await jobs.insert(tx, failed)])
  const [pendingId = '', failedId = ''] = ids
  const shownPending = {
    _id: pendingId,
    _creationTime: expect.any(Number),
    name: 'a.js:b',
    args: [{ n: { $integer: 'AQAAAAAAAAA=' } }],
    scheduledTime: 1_763_775_000_123.456,
    state: { kind: 'pending' },
  }
  const shownFailed = {
    ...shownPending,
    _id: failedId,
    scheduledTime: 1_763_775_000_123,
    completedTime: 1_763_775_001_000,
    state: { kind: 'failed', error: 'no' },
  }

  const tx = database.begin('query')
  const system = { scope: 'system' } as const
  const table = '_scheduled_functions'
  expect(JSON.parse((await tx.get(pendingId, { ...system, table }))?.text ?? '')).toEqual(shownPending)
  expect(await collect(tx, scan(table), system)).toEqual([shownPending, shownFailed])
  expect(await collect(tx, scan(table, 'desc'), system)).toEqual([shownFailed, shownPending])
  const isFailed = { filter: { $eq: [{ $field: 'state.kind' }, { $literal: 'failed' }] } }
  expect(await collect(tx, scan(table, 'asc', [isFailed]), system)).toEqual([shownFailed])
  const page = await tx.paginate(
    scan(table),
    { cursor: null, endCursor: null, numItems: 1, maximumRowsRead: null, maximumBytesRead: null, journal: null },
    system,
  )
  expect(page.page.map((text) => JSON.parse(text) as unknown)).toEqual([shownPending])
  await database.close()
})

test('what a transaction has just written is shown in the same form', async () => {
  const database = await openTestDatabase()
  await mutate(database, async (tx) => {
    const id = await jobs.insert(tx, pending)
    expect(JSON.parse((await tx.get(id, { scope: 'system' }))?.text ?? '')).toMatchObject({ name: 'a.js:b' })
    expect(await collect(tx, scan('_scheduled_functions'), { scope: 'system' })).toMatchObject([
      { _id: id, state: { kind: 'pending' } },
    ])
    expect(await jobs.get(tx, id)).toMatchObject(pending)
  })
  await database.close()
})
