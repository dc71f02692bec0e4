import { createLog, systemClock } from '@concave/base'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Database } from './database.ts'
import { collect, indexRange, mutate, openTestDatabase, patchOf, scan, value } from './database-fixture.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush, type FinishedSchemaPush, type StartedSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'

type Table = {
  fields?: Record<string, unknown>
  indexes?: Record<string, string[]>
  staged?: Record<string, string[]>
}

const string = { fieldType: { type: 'string' }, optional: false }
const number = { fieldType: { type: 'number' }, optional: false }

function schemaText(tables: Record<string, Table>, schemaValidation = true): string {
  const toIndexes = (indexes: Record<string, string[]> = {}) =>
    Object.entries(indexes).map(([indexDescriptor, fields]) => ({ indexDescriptor, fields }))
  return JSON.stringify({
    tables: Object.entries(tables).map(([tableName, { fields, indexes, staged }]) => ({
      tableName,
      indexes: toIndexes(indexes),
      stagedDbIndexes: toIndexes(staged),
      searchIndexes: [],
      vectorIndexes: [],
      documentType: fields === undefined ? { type: 'any' } : { type: 'object', value: fields },
    })),
    schemaValidation,
  })
}

describe('schema push', () => {
  let database: Database
  let worker: SchemaWorker

  beforeEach(async () => {
    database = await openTestDatabase()
    worker = SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }) })
  })

  afterEach(async () => {
    await worker.stop()
    await database.close()
  })

  async function start(schema: string | null): Promise<StartedSchemaPush> {
    const { value: started } = await database.mutate('push', (tx) =>
      startSchemaPush(tx, { schema, nowMs: systemClock.nowMs() }),
    )
    return started
  }

  async function finish(schemaId: string | null): Promise<FinishedSchemaPush> {
    const { value: finished } = await database.mutate('push', (tx) => finishSchemaPush(tx, schemaId))
    return finished
  }

  async function push(schema: string | null): Promise<FinishedSchemaPush> {
    const { schemaId } = await start(schema)
    expect(await waitForSchema(database, schemaId, 5000)).toEqual({ type: 'complete' })
    return finish(schemaId)
  }

  const byName = indexRange('users.by_name', [{ type: 'Eq', fieldPath: 'name', value: 'b' }])

  it('fills an index from old documents and writes of the meantime, then enables it', async () => {
    const ids: string[] = []
    for (const name of ['a', 'b', 'c']) ids.push(await mutate(database, (tx) => tx.insert('users', value({ name }))))
    const started = await start(schemaText({ users: { fields: { name: string }, indexes: { by_name: ['name'] } } }))
    expect(started.indexDiff.added_indexes).toEqual([
      { name: 'users.by_name', type: 'database', fields: ['name', '_creationTime'] },
    ])
    expect(() => database.begin('query').openCursor(byName)).toThrow(
      'Index users.by_name is currently backfilling and not available to query yet.',
    )
    await mutate(database, (tx) => tx.patch(ids[0] as string, patchOf({ name: 'b' })))
    await mutate(database, (tx) => tx.patch(ids[1] as string, patchOf({ name: 'z' })))
    expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
    const finished = await finish(started.schemaId)
    expect(finished.schemaDiff?.previous_schema).toBeNull()
    expect(await collect(database.begin('query'), byName)).toMatchObject([{ _id: ids[0] }])
    const again = await push(schemaText({ users: { fields: { name: string }, indexes: { by_name: ['name'] } } }))
    expect(again).toEqual({
      indexDiff: { added_indexes: [], removed_indexes: [], enabled_indexes: [], disabled_indexes: [] },
      schemaDiff: null,
    })
  })

  it('fails a pending schema on an old document, and enforces an active one', async () => {
    const id = await mutate(database, (tx) => tx.insert('users', value({ name: 1 })))
    const schema = schemaText({ users: { fields: { name: string } } })
    const first = await start(schema)
    expect(await waitForSchema(database, first.schemaId, 5000)).toEqual({
      type: 'failed',
      tableName: 'users',
      error: `Document with ID "${id}" in table "users" does not match the schema: Value does not match validator.\nPath: .name\nValue: 1.0\nValidator: v.string()`,
    })
    await expect(finish(first.schemaId)).rejects.toMatchObject({ code: 'SchemaAlreadyFailed' })
    await mutate(database, (tx) => tx.patch(id, patchOf({ name: 'x' })))
    await push(schema)
    await expect(database.begin('mutation').insert('users', value({ name: 2 }))).rejects.toMatchObject({
      code: 'SchemaEnforcementError',
      message:
        'Failed to insert or update a document in table "users" because it does not match the schema: Value does not match validator.\nPath: .name\nValue: 2.0\nValidator: v.string()',
    })
  })

  it('lets a write succeed that only the pending schema forbids', async () => {
    await worker.stop()
    const started = await start(schemaText({ users: { fields: { name: string } } }))
    await mutate(database, (tx) => tx.insert('users', value({ name: 5 })))
    expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({
      type: 'failed',
      tableName: 'users',
      error:
        'New document in table "users" does not match the schema: Value does not match validator.\nPath: .name\nValue: 5.0\nValidator: v.string()',
    })
    expect(await database.begin('query').count('users')).toBe(1)
  })

  it('never validates a schema that a document contradicts, however writes race with the walk', async () => {
    await worker.stop()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat({ max: 50 }), isBad: fc.boolean(), pause: fc.nat({ max: 2 }) }), {
          minLength: 1,
          maxLength: 20,
          size: 'max',
        }),
        async (steps) => {
          const racing = await openTestDatabase()
          const ids: string[] = []
          for (let n = 0; n < 12; n += 1)
            ids.push(await mutate(racing, (tx) => tx.insert('users', value({ name: 'x' }))))
          const schema = schemaText({ users: { fields: { name: string } } })
          const { value: started } = await racing.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
          const slow = SchemaWorker.start({
            database: racing,
            clock: systemClock,
            log: createLog({ level: 'silent' }),
            slice: { rows: 2, bytes: 1024 },
            saveEvery: 4,
          })
          for (const { at, isBad, pause } of steps) {
            await mutate(racing, (tx) =>
              tx.patch(ids[at % ids.length] as string, patchOf({ name: isBad ? at : `n${at}` })),
            )
            for (let turn = 0; turn < pause; turn += 1) await new Promise(setImmediate)
          }
          const progress = await waitForSchema(racing, started.schemaId, 5000)
          const users = await collect(racing.begin('query'), scan('users'))
          const areValid = users.every((user) => typeof user['name'] === 'string')
          expect(['complete', 'failed']).toContain(progress.type)
          expect(progress.type === 'complete' && !areValid).toBe(false)
          await slow.stop()
          await racing.close()
        },
      ),
      { numRuns: 25 },
    )
  }, 60_000)

  it('keeps serving the old definition of an index until the new one is enabled', async () => {
    await mutate(database, (tx) => tx.insert('users', value({ name: 'b', age: 7 })))
    const fields = { name: string, age: number }
    await push(schemaText({ users: { fields, indexes: { by_name: ['name'] } } }))
    const second = await start(schemaText({ users: { fields, indexes: { by_name: ['age'] } } }))
    expect(await waitForSchema(database, second.schemaId, 5000)).toEqual({ type: 'complete' })
    expect(await collect(database.begin('query'), byName)).toHaveLength(1)
    const { indexDiff } = await finish(second.schemaId)
    expect(indexDiff.removed_indexes).toHaveLength(1)
    expect(() => database.begin('query').openCursor(byName)).toThrow("doesn't index this field")
    const byAge = indexRange('users.by_name', [{ type: 'Eq', fieldPath: 'age', value: 7 }])
    expect(await collect(database.begin('query'), byAge)).toHaveLength(1)
  })

  it('overwrites an unfinished push, whose leftovers go away', async () => {
    await worker.stop()
    const first = await start(schemaText({ users: { indexes: { by_a: ['a'] } } }))
    const second = await start(schemaText({ users: { indexes: { by_b: ['b'] } } }))
    expect(await waitForSchema(database, first.schemaId, 5000)).toEqual({ type: 'raceDetected' })
    await expect(finish(first.schemaId)).rejects.toMatchObject({ code: 'SchemaAlreadyOverwritten' })
    expect(database.catalog.findTable('', 'users')?.indexes.map(({ descriptor }) => descriptor)).toEqual([
      'by_id',
      'by_creation_time',
      'by_b',
    ])
    expect(await waitForSchema(database, second.schemaId, 0)).toMatchObject({ type: 'inProgress', indexesTotal: 1 })
  })

  it('stages, enables and disables indexes', async () => {
    await mutate(database, (tx) => tx.insert('users', value({ name: 'b' })))
    const staged = await push(schemaText({ users: { staged: { by_name: ['name'] } } }))
    expect(staged.indexDiff.added_indexes).toEqual([])
    expect(() => database.begin('query').openCursor(byName)).toThrow(
      'Index users.by_name is currently staged and not available to query until it is enabled.',
    )
    const enabled = await push(schemaText({ users: { indexes: { by_name: ['name'] } } }))
    expect(enabled.indexDiff.enabled_indexes).toHaveLength(1)
    expect(await collect(database.begin('query'), byName)).toHaveLength(1)
    const disabled = await push(schemaText({ users: { staged: { by_name: ['name'] } } }))
    expect(disabled.indexDiff.disabled_indexes).toHaveLength(1)
    await mutate(database, (tx) => tx.insert('users', value({ name: 'b' })))
    const dropped = await push(null)
    expect(dropped.indexDiff.removed_indexes).toHaveLength(1)
    expect(() => database.begin('query').openCursor(byName)).toThrow('Index users.by_name not found.')
  })
})
