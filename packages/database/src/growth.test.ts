// Work per request and at start-up must not grow with the data: counted in rows that storage hands out.
import { createLog, systemClock, systemRandom } from '@concave/base'
import { MemoryDisk, MemoryStorage, type ReadOp, type ReadResult, type Ts } from '@concave/storage'
import { parseValue, type ValueObject } from '@concave/values'
import { expect, test } from 'vitest'
import { Database } from './database.ts'

class CountingStorage extends MemoryStorage {
  rows = 0
  override async read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]> {
    const results = await super.read(at, ops)
    for (const result of results) {
      if (result.kind === 'get') this.rows += result.documents.length
      if (result.kind === 'scan') this.rows += result.rows.length
    }
    return results
  }
}

const log = createLog({ level: 'silent' })
const open = async (disk: MemoryDisk) => {
  const storage = new CountingStorage({ disk })
  const database = await Database.open({ storage, clock: systemClock, random: systemRandom, log })
  return { storage, database }
}

/** Rows read to open a database of `size` documents, and by a few requests on it. */
async function measure(size: number): Promise<{ readonly opening: number; readonly requests: number }> {
  const disk = new MemoryDisk()
  const filled = await open(disk)
  for (let start = 0; start < size; start += 500) {
    await filled.database.mutate('fill', async (tx) => {
      for (let n = start; n < start + 500; n += 1) {
        await tx.insert('items', parseValue(JSON.stringify({ n })) as ValueObject)
      }
    })
  }
  await filled.database.close()

  const { storage, database } = await open(disk)
  const opening = storage.rows
  storage.rows = 0
  await database.read(async (tx) => {
    expect(await tx.count('items')).toBe(size)
    for (const order of ['asc', 'desc']) {
      const source = { type: 'FullTableScan', tableName: 'items', order }
      const cursor = tx.openCursor({ source, operators: [{ limit: 3 }] })
      expect((await cursor.nextPage(3)).rows).toHaveLength(3)
      cursor.close()
    }
  })
  await database.mutate('insert', (tx) => tx.insert('items', parseValue('{"n":-1}')))
  const requests = storage.rows
  await database.close()
  return { opening, requests }
}

test('opening a database and using it reads as many rows when it holds ten times the documents', async () => {
  expect(await measure(10_000)).toEqual(await measure(1000))
})
