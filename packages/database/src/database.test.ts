import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { describe, expect, it } from 'vitest'

import { Collection } from './collection.ts'
import { collect, mutate, openTestDatabase, patchOf, scan, value } from './database-fixture.ts'

describe('Database', () => {
  it('inserts, reads, patches and deletes', async () => {
    const database = await openTestDatabase()
    const id = await mutate(database, (tx) => tx.insert('messages', value({ body: 'hello', n: 1 })))
    await mutate(database, (tx) => tx.patch(id, patchOf({ n: 2, body: { $undefined: null } })))
    const tx = database.begin('query')
    expect((await tx.get(id))?.value).toMatchObject({ _id: id, n: 2 })
    expect(await tx.count('messages')).toBe(1)
    await mutate(database, (tx2) => tx2.delete(id))
    expect(await database.begin('query').get(id)).toBeNull()
    expect((await tx.get(id))?.value).toEqual(expect.objectContaining({ n: 2 }))
    expect(await tx.count('messages')).toBe(1)
    expect(await database.begin('query').count('messages')).toBe(0)
    await database.close()
  })

  it('keeps tables, numbers and counts over a reopen', async () => {
    const disk = new MemoryDisk()
    const database = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    const id = await mutate(database, (tx) => tx.insert('a', value({ x: 1 })))
    await mutate(database, (tx) => tx.insert('b', value({ x: 1 })))
    await database.close()
    const reopened = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    expect(await reopened.begin('query').count('a')).toBe(1)
    expect(reopened.catalog.findTable('', 'a')?.number).toBe(10_001)
    expect(reopened.catalog.findTable('', 'b')?.number).toBe(10_002)
    expect((await reopened.begin('query').get(id))?.id).toBe(id)
    await reopened.close()
  })

  it('knows its counts after a crash, at every snapshot that can be read', async () => {
    const disk = new MemoryDisk()
    const database = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    const ids: string[] = []
    for (let n = 0; n < 5; n += 1) ids.push(await mutate(database, (tx) => tx.insert('t', value({ n }))))
    const before = database.begin('query')
    await mutate(database, (tx) => tx.delete(ids[0] as string))
    expect(await before.count('t')).toBe(5)
    const open = database.begin('mutation')
    await open.delete(ids[1] as string)
    await open.insert('t', value({}))
    await open.delete(ids[2] as string)
    expect(await open.count('t')).toBe(3)
    await database.committer.close()
    const reopened = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    expect(await reopened.begin('query').count('t')).toBe(4)
    await reopened.close()
  })

  it('adds system tables and indexes that a newer version expects', async () => {
    const disk = new MemoryDisk()
    const table = { name: '_things', number: 700, indexes: [] }
    const things = new Collection<{ kind: string; size?: number }>('_things')
    const first = await openTestDatabase({ storage: new MemoryStorage({ disk }), tables: [table] })
    for (const kind of ['b', 'a', 'b']) await first.mutate('test', (tx) => things.insert(tx, { kind }))
    await first.close()
    const newer = { ...table, indexes: [{ name: 'by_kind', fields: ['kind'] }] }
    const other = { name: '_other', number: 701, indexes: [] }
    const second = await openTestDatabase({ storage: new MemoryStorage({ disk }), tables: [newer, other] })
    const { value: found } = await second.read((tx) => things.byIndex(tx, 'by_kind', ['b']))
    expect(found).toHaveLength(2)
    expect(second.catalog.findTable('', '_other')?.number).toBe(701)
    await second.close()
  })

  it('retries native transactions until they meet no conflict', async () => {
    type Counter = { n: number }
    const database = await openTestDatabase({ tables: [{ name: '_counters', number: 700, indexes: [] }] })
    const counters = new Collection<Counter>('_counters')
    const { value: id } = await database.mutate('test', (tx) => counters.insert(tx, { n: 0 }))
    const increment = () =>
      database.mutate('test', async (tx) => {
        const record = await counters.get(tx, id)
        await counters.patch(tx, id, { n: (record?.n ?? 0) + 1 })
      })
    await Promise.all([increment(), increment(), increment()])
    const { value: record } = await database.read((tx) => counters.get(tx, id))
    expect(record?.n).toBe(3)
    await database.close()
  })

  it('reads its own writes in every index and tells conflicts', async () => {
    const database = await openTestDatabase()
    const id = await mutate(database, (tx) => tx.insert('counters', value({ n: 0 })))
    const first = database.begin('mutation')
    const second = database.begin('mutation')
    await first.patch(id, patchOf({ n: 1 }))
    await second.patch(id, patchOf({ n: 1 }))
    expect(await collect(first, scan('counters'))).toMatchObject([{ n: 1 }])
    await database.commit(first, 'first').durable
    expect(() => database.commit(second, 'second')).toThrow(
      `Documents read from or written to the "counters" table changed while this mutation was being run and on every subsequent retry. A call to "first" changed the document with ID "${id}". See https://docs.convex.dev/error#1`,
    )
    await database.close()
  })

  it('serves native records through a collection', async () => {
    type Team = { slug: string; name: string; deletedAt?: number | undefined }
    const database = await openTestDatabase({
      tables: [{ name: '_teams', number: 600, indexes: [{ name: 'by_slug', fields: ['slug'] }] }],
    })
    const teams = new Collection<Team>('_teams')
    const { value: id } = await database.mutate('test', (tx) =>
      teams.insert(tx, { slug: 'a', name: 'A', deletedAt: undefined }),
    )
    await database.mutate('test', (tx) => teams.patch(tx, id, { name: 'B' }))
    const { value: found } = await database.read((tx) => teams.first(tx, 'by_slug', ['a']))
    expect(found).toMatchObject({ _id: id, name: 'B' })
    await database.close()
  })
})
