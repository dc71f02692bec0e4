import { expect, test } from 'vitest'
import { collect, mutate, openTestDatabase, scan, value } from './database-fixture.ts'
import { defaultTransactionLimits } from './transaction-limits.ts'

const row = { storageId: 'u-u-i-d', storageKey: 'key', sha256: 'c2hh', size: 5, contentType: 'text/plain' }
const privately = { scope: 'private' } as const
const asSystem = { scope: 'system' } as const

test('a stored file is shown without what is private, its own transaction’s too', async () => {
  const database = await openTestDatabase()
  const shown = (id: string): object => ({
    _id: id,
    _creationTime: expect.any(Number),
    sha256: 'c2hh',
    size: 5,
    contentType: 'text/plain',
  })
  const id = await mutate(database, async (tx) => {
    const inserted = await tx.insert('_file_storage', value(row), privately)
    expect((await tx.get(inserted, asSystem))?.value).toEqual(shown(inserted))
    expect(await collect(tx, scan('_storage'), asSystem)).toEqual([shown(inserted)])
    return inserted
  })
  const tx = database.begin('query')
  expect((await tx.get(id, asSystem))?.value).toEqual(shown(id))
  expect(await collect(tx, scan('_storage'), asSystem)).toEqual([shown(id)])
  expect((await tx.get(id, privately))?.value).toMatchObject(row)
  expect(await collect(tx, scan('_file_storage'), privately)).toMatchObject([row])
  await database.close()
})

test('filters see what is shown and nothing else', async () => {
  const database = await openTestDatabase()
  await mutate(database, (tx) => tx.insert('_file_storage', value(row), privately))
  const where = (field: string, literal: unknown): object =>
    scan('_storage', 'asc', [{ filter: { $eq: [{ $field: field }, { $literal: literal }] } }])
  const tx = database.begin('query')
  expect(await collect(tx, where('contentType', 'text/plain'), asSystem)).toHaveLength(1)
  expect(await collect(tx, where('storageId', 'u-u-i-d'), asSystem)).toEqual([])
  expect(await collect(tx, where('storageKey', 'key'), asSystem)).toEqual([])
  await database.close()
})

test('contents of files have limits of their own', async () => {
  const database = await openTestDatabase()
  const { fileWriteBytes, filesRead } = defaultTransactionLimits
  const tx = database.begin('mutation')
  tx.countFileWritten(fileWriteBytes)
  expect(() => tx.countFileWritten(1)).toThrow(
    `Too many bytes of files written in a single function execution (limit: ${fileWriteBytes} bytes)`,
  )
  for (let count = 0; count < filesRead; count += 1) tx.countFileRead(1)
  expect(() => tx.countFileRead(1)).toThrow(`Too many files read in a single function execution (limit: ${filesRead})`)
  expect(tx.metrics()).toMatchObject({
    filesWritten: { used: 2 },
    fileWriteBytes: { used: fileWriteBytes + 1, remaining: 0 },
    filesRead: { remaining: 0 },
    bytesWritten: { used: 0 },
    bytesRead: { used: 0 },
  })
  await database.close()
})
