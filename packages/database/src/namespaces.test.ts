import { createLog, systemClock, WriteConflict } from '@concave/base'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createNamespace } from './bootstrap.ts'
import { Collection } from './collection.ts'
import type { Database } from './database.ts'
import { collect, mutate, openTestDatabase, scan, value } from './database-fixture.ts'
import { deleteNamespace } from './namespace-deletion.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'
import { componentTables } from './system-tables.ts'

const jobs = new Collection<{ readonly name: string }>('_scheduled_jobs')
const queue = new Collection<{ readonly name: string; readonly nextTs?: bigint }>('_scheduled_jobs')
const components = new Collection<{ readonly name: string }>('_components')

function schemaText(fieldType: string): string {
  const indexes = [{ indexDescriptor: 'by_name', fields: ['name'] }]
  const documentType = { type: 'object', value: { name: { fieldType: { type: fieldType }, optional: false } } }
  return JSON.stringify({ tables: [{ tableName: 'users', indexes, documentType }], schemaValidation: true })
}

describe('namespaces', () => {
  let database: Database

  beforeEach(async () => {
    database = await openTestDatabase()
    await database.mutate('test', (tx) => createNamespace(tx, 'one'))
    await database.mutate('test', (tx) => createNamespace(tx, 'two'))
  })

  afterEach(async () => {
    await database.close()
  })

  it('holds tables of its own under equal names and numbers', async () => {
    const ids = await mutate(database, async (tx) => {
      const own = await tx.insert('users', value({ name: 'app' }))
      const inOne = await tx.within('one', () => tx.insert('users', value({ name: 'one' })))
      return [own, inOne] as const
    })
    const tx = database.begin('query')
    expect(await collect(tx, scan('users'))).toMatchObject([{ name: 'app' }])
    expect(await tx.get(ids[1])).toBeNull()
    const leave = tx.enterNested({}, 'one')
    expect(await collect(tx, scan('users'))).toMatchObject([{ name: 'one' }])
    expect(await tx.get(ids[0])).toBeNull()
    leave()
    expect(tx.namespace).toBe('')
    const two = database.begin('query', { namespace: 'two' })
    expect(await collect(two, scan('users'))).toEqual([])
    expect(await two.get(ids[1])).toBeNull()
  })

  it('has system tables of its own, and shares those that exist once', async () => {
    await database.mutate('test', (tx) => jobs.insert(tx, { name: 'own' }), { namespace: 'one' })
    await database.mutate('test', (tx) => components.insert(tx, { name: 'shared' }), { namespace: 'one' })
    const seen = async (namespace: string) => {
      const tx = database.begin('query', { namespace })
      return [await jobs.list(tx), await components.list(tx)].map((rows) => rows.map(({ name }) => name))
    }
    expect(await seen('one')).toEqual([['own'], ['shared']])
    expect(await seen('two')).toEqual([[], ['shared']])
    expect(await seen('')).toEqual([[], ['shared']])
  })

  it('counts what waits in the queues of all', async () => {
    const due = { name: 'due', nextTs: 1n }
    for (const namespace of ['one', 'one', '']) {
      await database.mutate('test', (tx) => queue.insert(tx, due), { namespace })
    }
    await database.mutate('test', (tx) => queue.insert(tx, { name: 'done' }), { namespace: 'one' })
    expect(database.begin('query').countOutstanding()).toBe(3)
    // In the commit that makes the namespace.
    await database.mutate('test', async (tx) => {
      await createNamespace(tx, 'three')
      await tx.within('three', () => queue.insert(tx, due))
    })
    expect(database.begin('query', { namespace: 'three' }).countOutstanding()).toBe(4)
  })

  it('is not given the tables of the app when it has none', async () => {
    const { value: id } = await database.mutate('test', (tx) => jobs.insert(tx, { name: 'of the app' }))
    const tx = database.begin('mutation', { namespace: 'gone' })
    expect(await jobs.list(tx)).toEqual([])
    expect(await jobs.get(tx, id)).toBeNull()
    await expect(jobs.insert(tx, { name: 'lost' })).rejects.toThrow('there is no system table _scheduled_jobs')
    expect(await components.list(tx)).toEqual([])
  })

  it('depends on the tables of its own namespace', async () => {
    for (const table of ['users', 'marks']) await database.mutate('test', (tx) => tx.insert(table, value({})))
    const tx = database.begin('mutation')
    expect(await tx.within('one', () => collect(tx, scan('users')))).toEqual([])
    await tx.insert('marks', value({}))
    await database.mutate('test', (other) => other.insert('users', value({})))
    expect(database.commit(tx, 'test').ts).toBeGreaterThan(0n)

    const late = database.begin('mutation')
    await late.within('one', () => collect(late, scan('users')))
    await late.insert('marks', value({}))
    await database.mutate('test', (other) => other.insert('users', value({})), { namespace: 'one' })
    expect(() => database.commit(late, 'test')).toThrow(WriteConflict)
  })

  it('is held to a schema of its own', async () => {
    const worker = SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }) })
    for (const [namespace, type] of Object.entries({ one: 'string', two: 'number' })) {
      const { value: started } = await database.mutate(
        'push',
        (tx) => startSchemaPush(tx, { schema: schemaText(type), nowMs: systemClock.nowMs() }),
        { namespace },
      )
      expect(await waitForSchema(database, started.schemaId, 10_000)).toEqual({ type: 'complete' })
      await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId), { namespace })
    }
    await mutate(database, async (tx) => {
      await tx.insert('users', value({ name: true }))
      await tx.within('one', () => tx.insert('users', value({ name: 'text' })))
      await tx.within('two', () => tx.insert('users', value({ name: 1 })))
      await expect(tx.within('one', () => tx.insert('users', value({ name: 1 })))).rejects.toThrow(/does not match/)
      await expect(tx.within('two', () => tx.insert('users', value({ name: 'text' })))).rejects.toThrow(/not match/)
    })
    await worker.stop()
  })

  it('has those tables only that a component has for itself', async () => {
    const tables = [...database.catalog.tables()].filter(({ namespace }) => namespace === 'two')
    expect(new Set(tables.map(({ name }) => name))).toEqual(componentTables)
  })

  it('is deleted with all its tables, for good', async () => {
    const disk = new MemoryDisk()
    const first = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    await first.mutate('test', (tx) => createNamespace(tx, 'one'))
    await first.mutate('test', (tx) => startSchemaPush(tx, { schema: schemaText('string'), nowMs: 0 }), {
      namespace: 'one',
    })
    await first.mutate('test', (tx) => tx.insert('users', value({ name: 'gone' })), { namespace: 'one' })
    const late = first.begin('mutation', { namespace: 'one' })
    await late.insert('users', value({ name: 'late' }))
    await first.mutate('test', (tx) => deleteNamespace(tx, 'one'))
    expect(() => first.commit(late, 'test')).toThrow(WriteConflict)
    expect(first.catalog.schemas('one')).toEqual({ active: undefined, pending: undefined })
    expect(await collect(first.begin('query', { namespace: 'one' }), scan('users'))).toEqual([])
    await first.close()
    const second = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    const left = [...second.catalog.tables()].filter(({ namespace }) => namespace === 'one')
    expect(new Set(left.map(({ state }) => state))).toEqual(new Set(['deleting']))
    await second.close()
  })
})
