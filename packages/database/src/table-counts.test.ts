import { MemoryDisk, MemoryStorage } from '@concave/storage'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { createNamespace } from './bootstrap.ts'
import { Collection } from './collection.ts'
import type { Database } from './database.ts'
import { mutate, openTestDatabase } from './database-fixture.ts'
import { deleteNamespace } from './namespace-deletion.ts'

type Job = { readonly name: string; readonly nextTs?: bigint | undefined }
const jobs = new Collection<Job>('_scheduled_jobs')

type Counts = { readonly all: number; readonly waiting: number }

async function counted(database: Database): Promise<Counts> {
  const { value } = await database.read(async (tx) => ({
    all: await tx.count('_scheduled_jobs', { scope: 'private' }),
    waiting: tx.countOutstanding(),
  }))
  return value
}

async function listed(database: Database): Promise<Counts> {
  const { value } = await database.read((tx) => jobs.list(tx))
  return { all: value.length, waiting: value.filter(({ nextTs }) => nextTs !== undefined).length }
}

test('counts what waits, whatever happens to it, also after the database was closed or lost', async () => {
  const step = fc.record({
    kind: fc.constantFrom('insert', 'finish', 'move', 'delete', 'rollback', 'reopen', 'forget', 'crash'),
    at: fc.nat({ max: 20 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      const disk = new MemoryDisk()
      let database = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
      const ids: string[] = []
      for (const { kind, at } of steps) {
        const id = ids[at % Math.max(1, ids.length)]
        if (kind === 'reopen' || kind === 'forget' || kind === 'crash') {
          if (kind === 'crash') await database.committer.close()
          else await database.close()
          if (kind === 'forget') forgetWatched(disk)
          database = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
        } else if (kind === 'insert') {
          ids.push(await mutate(database, (tx) => jobs.insert(tx, { name: 'j', nextTs: BigInt(at) })))
        } else if (id !== undefined) {
          await mutate(database, async (tx) => {
            const savepoint = tx.savepoint()
            if (kind === 'move') await jobs.patch(tx, id, { nextTs: BigInt(at) })
            else if (kind === 'delete') await jobs.delete(tx, id)
            else await jobs.patch(tx, id, { nextTs: undefined })
            if (kind === 'rollback') tx.rollbackTo(savepoint)
          })
          if (kind === 'delete') ids.splice(ids.indexOf(id), 1)
        }
        expect(await counted(database)).toEqual(await listed(database))
      }
      await database.close()
    }),
    { numRuns: 20 },
  )
}, 60_000)

/** Makes the checkpoint one of an older version. */
function forgetWatched({ meta }: MemoryDisk): void {
  const key = 'database/tableCounts'
  const record = meta.get(key)
  if (record === undefined) return
  const stored = JSON.parse(record.value) as { ts: string; counts: Record<string, number> }
  const counts = Object.fromEntries(Object.entries(stored.counts).filter(([tablet]) => !tablet.startsWith('-')))
  meta.set(key, { ...record, value: JSON.stringify({ ...stored, counts }) })
}

test('counts what waits in components too, as long as they are there', async () => {
  const disk = new MemoryDisk()
  const database = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
  await database.mutate('test', (tx) => createNamespace(tx, 'one'))
  await database.mutate('test', (tx) => jobs.insert(tx, { name: 'a', nextTs: 1n }), { namespace: 'one' })
  await mutate(database, (tx) => jobs.insert(tx, { name: 'b', nextTs: 1n }))
  await mutate(database, (tx) => jobs.insert(tx, { name: 'finished' }))
  expect(database.begin('query').countOutstanding()).toBe(2)
  expect(database.begin('query', { namespace: 'one' }).countOutstanding()).toBe(2)
  await database.close()
  const reopened = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
  expect(reopened.begin('query').countOutstanding()).toBe(2)
  await reopened.mutate('test', (tx) => deleteNamespace(tx, 'one'))
  expect(reopened.begin('query').countOutstanding()).toBe(1)
  await reopened.close()
})
