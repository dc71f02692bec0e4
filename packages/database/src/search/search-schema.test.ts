import { createLog, systemClock } from '@concave/base'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { expect, it, describe } from 'vitest'

import { Collection } from '../collection.ts'
import { collect, mutate, openTestDatabase, value } from '../database-fixture.ts'
import { parseSchema } from '../schema.ts'
import { waitForSchema } from '../schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from '../schema-push.ts'
import { SchemaWorker } from '../schema-worker.ts'
import { textSearch } from './search-fixture.ts'

function schemaText(table: object): string {
  return JSON.stringify({
    tables: [{ tableName: 't', indexes: [], documentType: { type: 'any' }, ...table }],
    schemaValidation: true,
  })
}

const search = (indexDescriptor: string, searchField: string, filterFields: readonly string[] = []) => ({
  indexDescriptor,
  searchField,
  filterFields,
})

describe('search indexes of a schema', () => {
  it.each([
    [
      'too many filter fields',
      {
        searchIndexes: [
          search(
            's',
            'a',
            Array.from({ length: 17 }, (_, field) => `f${field}`),
          ),
        ],
      },
      'Search indexes may have up to 16 filter fields.',
    ],
    [
      'two of the same fields',
      { searchIndexes: [search('s', 'a', ['b'])], stagedSearchIndexes: [search('u', 'a', ['b'])] },
      'In table "t" search index "s" and search index "u" have the same `searchField`.',
    ],
    [
      'a name that another index has',
      { indexes: [{ indexDescriptor: 's', fields: ['a'] }], searchIndexes: [search('s', 'a')] },
      'Table "t" has two or more definitions of index "s".',
    ],
    [
      'a filter field twice',
      { searchIndexes: [search('s', 'a', ['b', 'b'])] },
      'Duplicate field "b". Index fields must be unique within an index.',
    ],
    ['a reserved field', { searchIndexes: [search('s', '_x')] }, 'Reserved fields (starting with `_`)'],
    [
      'a field that documents cannot have',
      { documentType: { type: 'object', value: {} }, searchIndexes: [search('s', 'a')] },
      'In table "t" the index "s" is invalid because it references the field "a" that does not exist.',
    ],
    [
      'no search field',
      { searchIndexes: [{ indexDescriptor: 's', filterFields: [] }] },
      'has no name, no search field',
    ],
  ])('with %s are refused', (_what, table, message) => {
    expect(() => parseSchema(schemaText(table))).toThrow(message)
  })

  it('may search and filter by the same field', () => {
    expect(parseSchema(schemaText({ searchIndexes: [search('s', 'a', ['a'])] })).tables[0]?.indexes).toHaveLength(1)
  })

  it('are filled, switched and named in the diffs of a push', async () => {
    const database = await openTestDatabase()
    const worker = SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }) })
    const push = async (table: object) => {
      const schema = schemaText(table)
      const { value: started } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
      expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
      await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId))
      return started.indexDiff
    }
    const json = { name: 't.s', type: 'search', searchField: 'a', filterFields: ['b'] }
    const none = { added_indexes: [], removed_indexes: [], enabled_indexes: [], disabled_indexes: [] }
    const states = async () => {
      const { value: rows } = await database.read(async (tx) => tx.findTable('t')?.indexes.map(({ state }) => state))
      return rows?.slice(2)
    }
    expect(await push({ stagedSearchIndexes: [search('s', 'a', ['b'])] })).toEqual({
      ...none,
      added_indexes: [{ ...json, staged: true }],
    })
    expect(await push({ searchIndexes: [search('s', 'a', ['b'])] })).toEqual({ ...none, enabled_indexes: [json] })
    expect(await states()).toEqual(['enabled'])
    expect(await push({ searchIndexes: [search('s', 'a', ['c'])] })).toEqual({
      ...none,
      added_indexes: [{ ...json, filterFields: ['c'] }],
      removed_indexes: [json],
    })
    expect(await push({ stagedSearchIndexes: [search('s', 'a', ['c'])] })).toEqual({
      ...none,
      disabled_indexes: [{ ...json, filterFields: ['c'], staged: true }],
    })
    expect(await states()).toEqual(['backfilled'])
    expect(await push({})).toEqual({ ...none, removed_indexes: [{ ...json, filterFields: ['c'], staged: true }] })
    await worker.stop()
    await database.close()
  })

  it('are there when the database is opened again', async () => {
    const disk = new MemoryDisk()
    const first = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    const worker = SchemaWorker.start({ database: first, clock: systemClock, log: createLog({ level: 'silent' }) })
    const vector = { indexDescriptor: 'v', vectorField: 'b', dimensions: 2, filterFields: [] }
    const schema = schemaText({ searchIndexes: [search('s', 'a')], vectorIndexes: [vector] })
    const { value: started } = await first.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
    await waitForSchema(first, started.schemaId, 5000)
    await first.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId))
    const id = await mutate(first, (tx) => tx.insert('t', value({ a: 'some text', b: [3, 4] })))
    await worker.stop()
    await first.close()
    const second = await openTestDatabase({ storage: new MemoryStorage({ disk }) })
    expect(await collect(second.begin('query'), textSearch('t.s', 'a', 'te'))).toMatchObject([{ _id: id }])
    expect(await second.vectorSearch({ indexName: 't.v', vector: [0, 1] })).toMatchObject([{ _id: id }])
    const { value: rows } = await second.read((tx) => new Collection<{ config: object }>('_index').list(tx))
    expect(rows.map(({ config }) => config)).toContainEqual({
      type: 'vector',
      vectorField: 'b',
      dimensions: 2n,
      filterFields: [],
      onDiskState: { state: 'snapshotted' },
    })
    await second.close()
  })
})
