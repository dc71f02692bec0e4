import { createLog, systemRandom } from '@concave/base'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { describe, expect, it } from 'vitest'

import { ManualClock } from './committer-fixture.ts'
import { collect, mutate, openTestDatabase, scan, value } from './database-fixture.ts'
import { RetentionWorker } from './retention-worker.ts'
import { startSchemaPush } from './schema-push.ts'
import { deleteTable } from './table-definitions.ts'

const minuteNs = 60_000_000_000n

describe('RetentionWorker', () => {
  it('removes a deleted table with all its rows once no snapshot can see it', async () => {
    const disk = new MemoryDisk()
    const clock = new ManualClock()
    const log = createLog({ level: 'silent' })
    const database = await openTestDatabase({ storage: new MemoryStorage({ disk }), clock, random: systemRandom, log })
    const worker = RetentionWorker.start({ database, clock, log, intervalMs: 1_000_000 })
    await mutate(database, (tx) => tx.insert('old', value({ n: 1 })))
    const { tablet } = database.catalog.findTable('', 'old') ?? { tablet: 0 }
    const before = database.begin('query')
    clock.wallNs += minuteNs
    await database.mutate('test', (tx) => deleteTable(tx, 'old'))
    expect(await collect(database.begin('query'), scan('old'))).toEqual([])
    expect(await collect(before, scan('old'))).toHaveLength(1)

    await worker.runOnce()
    expect(disk.tablets.has(tablet)).toBe(true)
    await mutate(database, (tx) => tx.insert('new', value({})))
    expect(database.catalog.findTable('', 'new')?.number).toBe(10_002)

    clock.wallNs += 6n * minuteNs
    await worker.runOnce()
    clock.wallNs += 6n * minuteNs
    await worker.runOnce()
    expect(disk.tablets.get(tablet)?.size ?? 0).toBe(0)
    await mutate(database, (tx) => tx.insert('newer', value({})))
    expect(database.catalog.findTable('', 'newer')?.number).toBe(10_001)
    expect(() => database.begin('query', { at: before.beginTs })).toThrow('older than the history kept')
    await worker.stop()
    await database.close()
  })

  it('refuses to delete a table that a schema names', async () => {
    const database = await openTestDatabase()
    const documentType = {
      type: 'object',
      value: { u: { fieldType: { type: 'id', tableName: 'users' }, optional: false } },
    }
    const schema = JSON.stringify({
      tables: [{ tableName: 'posts', indexes: [], documentType }],
      schemaValidation: true,
    })
    await mutate(database, (tx) => tx.insert('users', value({})))
    await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
    await expect(database.mutate('test', (tx) => deleteTable(tx, 'posts'))).rejects.toThrow(
      'Failed to delete table "posts" because it appears in the schema',
    )
    await expect(database.mutate('test', (tx) => deleteTable(tx, 'users'))).rejects.toThrow(
      'Failed to delete table "users" because `v.id("users")` appears in the schema of table "posts"',
    )
    await database.close()
  })
})
