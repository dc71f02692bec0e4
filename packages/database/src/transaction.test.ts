import { encodeDocumentId } from '@concave/values'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Database } from './database.ts'
import { collect, indexRange, mutate, openTestDatabase, patchOf, scan, value } from './database-fixture.ts'
import { isDeveloperError } from './developer-error.ts'
import type { Transaction } from './transaction.ts'
import { defaultTransactionLimits } from './transaction-limits.ts'

describe('Transaction', () => {
  let database: Database
  let tx: Transaction

  beforeEach(async () => {
    database = await openTestDatabase()
    await mutate(database, async (setup) => {
      await setup.insert('users', value({ name: 'a' }))
      await setup.insert('posts', value({ title: 'b' }))
    })
    tx = database.begin('mutation')
  })

  afterEach(async () => {
    await database.close()
  })

  async function firstId(table: string): Promise<string> {
    const [document] = await collect(database.begin('query'), scan(table))
    return document?.['_id'] as string
  }

  function systemId(name: string): string {
    return encodeDocumentId(database.catalog.findTable('', name)?.number ?? 0, new Uint8Array(16))
  }

  describe('ids', () => {
    it('names what is wrong with an id', async () => {
      const error = await tx.get('nonsense').catch((thrown: unknown) => thrown)
      expect(isDeveloperError(error)).toBe(true)
      expect(error).toMatchObject({
        code: 'InvalidArgument',
        message: 'Invalid argument `id` for `db.get`: Unable to decode ID: Invalid ID length 8',
      })
    })

    it('refuses an id of another table than the one given', async () => {
      const id = await firstId('users')
      await expect(tx.get(id, { table: 'posts' })).rejects.toThrow(
        'Invalid argument `id` for `db.get`: expected to be an Id<"posts">, got Id<"users"> instead.',
      )
      await expect(tx.delete(id, { table: 'posts' })).rejects.toThrow(
        'Invalid argument `id` for `db.delete`: expected to be an Id<"posts">, got Id<"users"> instead.',
      )
      expect((await tx.get(id, { table: 'users' }))?.id).toBe(id)
    })

    it('keeps the user and the system side apart', async () => {
      await expect(tx.get(systemId('_file_storage'))).rejects.toMatchObject({
        code: 'SystemTableError',
        message: 'System tables can only be accessed with db.system.',
      })
      const id = await firstId('users')
      await expect(tx.get(id, { scope: 'system' })).rejects.toThrow('User tables cannot be accessed with db.system.')
      expect(await tx.get(systemId('_file_storage'), { scope: 'system' })).toBeNull()
      expect(await tx.get(systemId('_modules'), { scope: 'system' })).toBeNull()
      expect(await collect(tx, scan('_modules'))).toEqual([])
      expect(await collect(tx, scan('_storage'))).toEqual([])
    })

    it('answers null for ids of no table, and refuses to write them', async () => {
      const id = encodeDocumentId(12_345, new Uint8Array(16))
      expect(await tx.get(id)).toBeNull()
      await expect(tx.patch(id, new Map())).rejects.toThrow(`Table for ID "${id}" not found`)
    })

    it('normalizes ids of the table only, legacy forms for every table', async () => {
      const id = await firstId('users')
      expect(tx.normalizeId('users', id)).toBe(id)
      expect(tx.normalizeId('posts', id)).toBeNull()
      expect(tx.normalizeId('none', id)).toBeNull()
      expect(tx.normalizeId('users', 'x')).toBeNull()
      expect(tx.normalizeId('users', 'AAAAAAAAAAAAAAAAAAAAAA')).toBe(encodeDocumentId(10_001, new Uint8Array(16)))
      expect(tx.normalizeId('_storage', systemId('_file_storage'))).toBe(systemId('_file_storage'))
      expect(tx.normalizeId('_modules', systemId('_modules'))).toBeNull()
    })
  })

  describe('writes', () => {
    it('refuses missing documents by what was to be done', async () => {
      const id = await firstId('users')
      await tx.delete(id)
      expect(await tx.get(id)).toBeNull()
      await expect(tx.patch(id, new Map())).rejects.toMatchObject({
        code: 'NonexistentDocument',
        message: `Update on nonexistent document ID ${id}`,
      })
      await expect(tx.replace(id, value({}))).rejects.toThrow(`Replace on nonexistent document ID ${id}`)
      await expect(tx.delete(id)).rejects.toThrow(`Delete on nonexistent document ID ${id}`)
    })

    it('refuses fields and tables with an underscore, and values that are no objects', async () => {
      await expect(tx.insert('users', value({ _x: 1 }))).rejects.toMatchObject({
        code: 'InvalidDocumentError',
        message:
          "{_x: 1.0} isn't a valid document: Field '_x' starts with an underscore, which is only allowed for system fields like '_id'",
      })
      await expect(tx.insert('_users', value({}))).rejects.toMatchObject({
        code: 'InvalidTableName',
        message: "Invalid table name _users starts with metadata prefix '_'",
      })
      await expect(tx.insert('_storage', value({}))).rejects.toThrow('_storage is a read-only table')
      await expect(tx.insert('users', value([1]))).rejects.toThrow('Value must be an Object')
    })

    it('holds documents to 1 MiB and 16 levels, system fields included', async () => {
      let nested: unknown = 1
      for (let level = 0; level < 15; level += 1) nested = [nested]
      await tx.insert('users', value({ nested }))
      await expect(tx.insert('users', value({ nested: [nested] }))).rejects.toThrow(
        'Document is too nested (nested 17 levels deep > maximum nesting 16)',
      )
      await expect(tx.insert('users', value({ text: 'x'.repeat(1_048_576) }))).rejects.toMatchObject({
        code: 'ValueTooLargeError',
      })
    })

    it('does not count a patch that changes nothing as a write', async () => {
      const id = await firstId('users')
      await tx.patch(id, patchOf({ name: 'a' }))
      expect(tx.hasWrites).toBe(false)
      expect(tx.metrics().documentsWritten.used).toBe(0)
      await tx.patch(id, patchOf({ name: 'b' }))
      expect(tx.hasWrites).toBe(true)
    })

    it('replaces all but the system fields, which may be repeated', async () => {
      const id = await firstId('users')
      const before = (await tx.get(id))?.value
      const again = { _id: id, _creationTime: before?.['_creationTime'] as number, age: 3 }
      expect((await tx.replace(id, value(again))).value).toEqual(again)
      await expect(tx.replace(id, value({ _id: 'other' }))).rejects.toMatchObject({
        code: 'InvalidIdError',
        message: `Provided document ID ${id} doesn't match '_id' field other`,
      })
      await expect(tx.replace(id, value({ _creationTime: 5 }))).rejects.toMatchObject({
        code: 'InvalidCreationTimeError',
      })
    })

    it('gives rising creation times and numbers new tables from 10001', async () => {
      const ids = [
        await tx.insert('one', value({})),
        await tx.insert('one', value({})),
        await tx.insert('two', value({})),
      ]
      const times = await Promise.all(ids.map(async (id) => (await tx.get(id))?.creationTime ?? 0))
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect(new Set(times).size).toBe(3)
      expect(tx.catalog.findTable('', 'one')?.number).toBe(10_003)
      expect(tx.catalog.findTable('', 'two')?.number).toBe(10_004)
    })

    it('puts the commit timestamp in place of the placeholder', async () => {
      const id = await tx.insert('users', value({ at: { $commitTs: null } }))
      expect((await tx.get(id))?.text).toContain('"$commitTs"')
      const { ts, durable } = database.commit(tx, 'test')
      await durable
      expect((await database.begin('query').get(id))?.value['at']).toBe(ts)
    })

    it('leaves no trace of a document inserted and deleted', async () => {
      const id = await tx.insert('users', value({}))
      await tx.delete(id)
      await database.commit(tx, 'test').durable
      expect(await database.begin('query').get(id)).toBeNull()
      expect(await database.begin('query').count('users')).toBe(1)
    })
  })

  describe('savepoints', () => {
    it('undoes writes and tables, keeps reads and budgets', async () => {
      const id = await firstId('users')
      const savepoint = tx.savepoint()
      await tx.patch(id, patchOf({ name: 'z' }))
      await tx.insert('fresh', value({}))
      expect(await tx.count('fresh')).toBe(1)
      tx.rollbackTo(savepoint)
      expect(await tx.count('fresh')).toBe(0)
      expect((await tx.get(id))?.value['name']).toBe('a')
      expect(tx.hasWrites).toBe(false)
      expect(tx.metrics().documentsWritten.used).toBe(2)
      await mutate(database, (other) => other.patch(id, patchOf({ name: 'y' })))
      await tx.insert('users', value({}))
      expect(() => database.commit(tx, 'test')).toThrow('changed while this mutation was being run')
    })
  })

  describe('dependencies', () => {
    it('conflicts on a table that was missing', async () => {
      expect(await collect(tx, scan('later'))).toEqual([])
      await tx.insert('users', value({}))
      await mutate(database, (other) => other.insert('later', value({})))
      expect(() => database.commit(tx, 'test')).toThrow('Data read or written in this mutation changed')
    })

    it('does not conflict on blind inserts', async () => {
      const other = database.begin('mutation')
      await tx.insert('users', value({}))
      await other.insert('users', value({}))
      await database.commit(tx, 'test').durable
      await database.commit(other, 'test').durable
      expect(await database.begin('query').count('users')).toBe(3)
    })

    it('conflicts on a count when documents come or go, not when they change', async () => {
      const id = await firstId('users')
      const reader = database.begin('query')
      await reader.count('users')
      let hits = 0
      database.subscribe(reader.reads, reader.beginTs, () => {
        hits += 1
      })
      await mutate(database, (other) => other.insert('posts', value({})))
      expect(hits).toBe(0)
      await mutate(database, (other) => other.delete(id))
      expect(hits).toBe(1)
    })

    it('depends on no row after the last one taken', async () => {
      await mutate(database, (setup) => setup.insert('users', value({ name: 'second' })))
      const reader = database.begin('query')
      const cursor = reader.openCursor(scan('users', 'asc', [{ limit: 1 }]))
      expect((await cursor.nextPage(100)).rows).toHaveLength(1)
      const { reads } = reader
      let hits = 0
      database.subscribe(reads, reader.beginTs, () => {
        hits += 1
      })
      await mutate(database, (other) => other.insert('users', value({ name: 'third' })))
      expect(hits).toBe(0)
      const first = await firstId('users')
      await mutate(database, (other) => other.patch(first, patchOf({ name: 'x' })))
      expect(hits).toBe(1)
    })
  })

  describe('budgets', () => {
    it('fails by name when too much is read or written', async () => {
      const limited = database.begin('mutation', {
        limits: { ...defaultTransactionLimits, documentsRead: 1, documentsWritten: 1, databaseQueries: 4 },
      })
      const id = await firstId('users')
      await limited.get(id)
      await expect(limited.get(id)).rejects.toMatchObject({
        code: 'TooManyDocumentsRead',
        message:
          'Too many documents read in a single function execution (limit: 1). Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.',
      })
      await limited.insert('users', value({}))
      await expect(limited.insert('users', value({}))).rejects.toMatchObject({
        code: 'TooManyWrites',
        message: 'Too many writes in a single function execution (limit: 1)',
      })
      await limited.count('users')
      await limited.count('users')
      await expect(limited.count('users')).rejects.toMatchObject({ code: 'TooManyReads' })
    })

    it('counts limits of a nested call from where it begins', async () => {
      const id = await firstId('users')
      await tx.get(id)
      const leave = tx.enterNested({ documentsRead: 1 })
      await tx.get(id)
      expect(tx.metrics().documentsRead).toEqual({ used: 2, remaining: 0 })
      await expect(tx.get(id)).rejects.toMatchObject({ code: 'TooManyDocumentsRead' })
      leave()
      await tx.get(id)
      expect(tx.metrics().documentsRead.used).toBe(4)
    })
  })

  describe('cursors', () => {
    beforeEach(async () => {
      await mutate(database, async (setup) => {
        for (let n = 0; n < 10; n += 1) await setup.insert('numbers', value({ n }))
      })
      tx = database.begin('mutation')
    })

    it('counts and depends on what was consumed only', async () => {
      const cursor = tx.openCursor(scan('numbers'))
      expect((await cursor.nextPage(5)).rows).toHaveLength(5)
      cursor.consumed(2)
      expect(tx.metrics().documentsRead.used).toBe(2)
      const { rows } = await cursor.nextPage(3)
      expect(rows.map((row) => (JSON.parse(row) as { n: number }).n)).toEqual([2, 3, 4])
      expect(tx.metrics().documentsRead.used).toBe(5)
    })

    it('counts rows that a filter dropped', async () => {
      const filter = { filter: { $eq: [{ $field: 'n' }, { $literal: 7 }] } }
      const cursor = tx.openCursor(scan('numbers', 'asc', [filter]))
      expect(await cursor.nextPage(1)).toMatchObject({ done: false })
      expect(tx.metrics().documentsRead.used).toBe(8)
      expect(await cursor.nextPage(1)).toEqual({ rows: [], done: true })
      expect(tx.metrics().documentsRead.used).toBe(10)
    })

    it('sees a write that came after the rows it holds', async () => {
      const cursor = tx.openCursor(scan('numbers'))
      const page = await cursor.nextPage(5)
      cursor.consumed(1)
      await tx.delete((JSON.parse(page.rows[1] as string) as { _id: string })._id)
      const { rows } = await cursor.nextPage(1)
      expect((JSON.parse(rows[0] as string) as { n: number }).n).toBe(2)
    })

    it('fails when a scan passes the limit, and keeps it spent', async () => {
      const limited = database.begin('query', { limits: { ...defaultTransactionLimits, documentsRead: 4 } })
      const cursor = limited.openCursor(scan('numbers'))
      expect((await cursor.nextPage(100)).rows).toHaveLength(4)
      await expect(cursor.nextPage(100)).rejects.toMatchObject({ code: 'TooManyDocumentsRead' })
    })

    it('ranges over by_id and by_creation_time', async () => {
      const all = await collect(tx, indexRange('numbers.by_id', []))
      const ids = all.map((document) => document['_id'] as string)
      expect(ids).toEqual(ids.toSorted())
      const middle = ids[5] as string
      const above = indexRange('numbers.by_id', [{ type: 'Gt', fieldPath: '_id', value: middle }], 'desc')
      expect((await collect(tx, above)).map((document) => document['_id'])).toEqual(ids.slice(6).toReversed())
      const below = indexRange('numbers.by_id', [{ type: 'Lt', fieldPath: '_id', value: `${middle}0` }])
      expect(await collect(tx, below)).toHaveLength(6)
      expect(
        await collect(tx, indexRange('numbers.by_id', [{ type: 'Gt', fieldPath: '_id', value: null }])),
      ).toHaveLength(10)
      expect(await collect(tx, indexRange('numbers.by_id', [{ type: 'Eq', fieldPath: '_id', value: 5 }]))).toEqual([])
      expect(
        await collect(tx, indexRange('numbers.by_id', [{ type: 'Eq', fieldPath: '_id', value: middle }])),
      ).toHaveLength(1)
      const time = all.find((document) => document['n'] === 3)?.['_creationTime']
      const since = indexRange('numbers.by_creation_time', [{ type: 'Gte', fieldPath: '_creationTime', value: time }])
      expect((await collect(tx, since)).map((document) => document['n'])).toEqual([3, 4, 5, 6, 7, 8, 9])
    })

    it('refuses unknown indexes, searches and too many operators', async () => {
      expect(() => tx.openCursor(indexRange('numbers.by_n', []))).toThrow('Index numbers.by_n not found.')
      const search = { source: { type: 'Search', indexName: 'numbers.text', filters: [] }, operators: [] }
      expect(() => tx.openCursor(search)).toThrow('Index numbers.text not found.')
      const byId = { source: { type: 'Search', indexName: 'numbers.by_id', filters: [] }, operators: [] }
      expect(() => tx.openCursor(byId)).toThrow('Index numbers.by_id is not a search index')
      const operators = Array.from({ length: 257 }, () => ({ limit: 1 }))
      expect(() => tx.openCursor(scan('numbers', 'asc', operators))).toThrow('Query has too many operators: 257')
      expect(await collect(tx, indexRange('missing.by_n', []))).toEqual([])
    })
  })
})
