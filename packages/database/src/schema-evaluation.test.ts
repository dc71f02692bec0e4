import { createLog, systemClock } from '@concave/base'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Database } from './database.ts'
import { mutate, openTestDatabase, value } from './database-fixture.ts'
import { SchemaDryRun } from './schema-dry-run.ts'
import { evaluateSchema } from './schema-evaluation.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'

type Table = { type?: object; indexes?: Record<string, string[]>; staged?: Record<string, string[]> }

function schemaText(tables: Record<string, Table>, schemaValidation = true): string {
  const list = (indexes: Record<string, string[]> = {}) =>
    Object.entries(indexes).map(([indexDescriptor, fields]) => ({ indexDescriptor, fields }))
  return JSON.stringify({
    tables: Object.entries(tables).map(([tableName, { type, indexes, staged }]) => ({
      tableName,
      indexes: list(indexes),
      stagedDbIndexes: list(staged),
      documentType: type ?? { type: 'any' },
    })),
    schemaValidation,
  })
}

const named = (type: string, optional = false) => ({
  type: 'object',
  value: { name: { fieldType: { type }, optional } },
})

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

async function push(schema: string): Promise<void> {
  const { value: started } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
  expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
  await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId))
}

async function insert(table: string, ...names: unknown[]): Promise<string[]> {
  const ids: string[] = []
  for (const name of names) ids.push(await mutate(database, (tx) => tx.insert(table, value({ name: name as string }))))
  return ids
}

describe('an evaluation foretells', () => {
  it('which tables are walked, and how large they are', async () => {
    await insert('users', 'a', 'b', 'c')
    await push(schemaText({ users: { type: named('string') }, notes: { type: named('string') } }))
    const next = { users: { type: named('string', true) }, notes: { type: named('number') }, fresh: {} }
    const { schemaValidation, tables } = await evaluateSchema(database.begin('query'), schemaText(next))
    expect(schemaValidation).toBe(true)
    expect(tables).toEqual([
      { name: 'users', outcome: 'supersetOfEnforced', numDocs: 3, sizeBytes: 0 },
      { name: 'notes', outcome: 'mustWalk', numDocs: 0, sizeBytes: 0 },
      { name: 'fresh', outcome: 'supersetOfEnforced', numDocs: 0, sizeBytes: 0 },
    ])
    const narrower = await evaluateSchema(database.begin('query'), schemaText({ users: { type: named('number') } }))
    const [users] = narrower.tables
    expect(users).toMatchObject({ outcome: 'mustWalk', numDocs: 3 })
    expect(users?.sizeBytes).toBeGreaterThan(3 * 50)
    expect(users?.sizeBytes).toBeLessThan(3 * 200)
    const unchecked = await evaluateSchema(database.begin('query'), schemaText(next, false))
    expect(unchecked).toMatchObject({ schemaValidation: false, tables: [{ outcome: 'notValidated' }, {}, {}] })
  })

  it('what becomes of each index', async () => {
    await insert('users', 'a', 'b')
    const before = { kept: ['a'], moved: ['b'], gone: ['c'], stays: ['d'] }
    await push(schemaText({ users: { indexes: before, staged: { later: ['e'], waiting: ['f'] } } }))
    const { indexes } = await evaluateSchema(
      database.begin('query'),
      schemaText({
        users: {
          indexes: { kept: ['a'], moved: ['x'], later: ['e'], fresh: ['y'] },
          staged: { stays: ['d'], waiting: ['f'] },
        },
      }),
    )
    const short = indexes.map(({ name, change, needsBackfill, staged }) => [
      name,
      change,
      needsBackfill,
      staged ?? false,
    ])
    expect(short.toSorted((a, b) => (a.join() < b.join() ? -1 : 1))).toEqual([
      ['users.fresh', 'added', true, false],
      ['users.gone', 'dropped', false, false],
      ['users.kept', 'identical', false, false],
      ['users.later', 'enabled', false, false],
      ['users.moved', 'added', true, false],
      ['users.moved', 'dropped', false, false],
      ['users.stays', 'disabled', false, true],
      ['users.waiting', 'identical', false, true],
    ])
    expect(new Set(indexes.map(({ numDocs }) => numDocs))).toEqual(new Set([2]))
    expect(indexes[0]).toMatchObject({ type: 'database', fields: expect.arrayContaining(['_creationTime']) })
  })

  it('the loss of every index by a push without schema', async () => {
    await push(schemaText({ users: { indexes: { gone: ['c'] } } }))
    const evaluation = await evaluateSchema(database.begin('query'), null)
    expect(evaluation).toMatchObject({ schemaValidation: false, tables: [], indexes: [{ change: 'dropped' }] })
  })
})

describe('a dry run', () => {
  const strict = schemaText({ users: { type: named('string') }, notes: { type: named('string') } })
  const open = (slice = { rows: 2, bytes: 10_000 }) => new SchemaDryRun({ database, clock: systemClock, slice }, strict)

  it('finds the document that does not match, and changes nothing', async () => {
    await insert('users', 'a', 'b', 'c')
    const [id] = await insert('notes', 7)
    const head = database.latestTs()
    const failed = {
      type: 'failed',
      tableName: 'notes',
      error: `Document with ID "${id}" in table "notes" does not match the schema: Value does not match validator.\nPath: .name\nValue: 7.0\nValidator: v.string()`,
    }
    const dryRun = open()
    expect(await dryRun.advance(5000)).toEqual(failed)
    expect(await dryRun.advance(0)).toEqual(failed)
    expect(database.latestTs()).toBe(head)
  })

  it('is complete when every document matches, or there is none', async () => {
    expect(await open().advance(5000)).toEqual({ type: 'complete' })
    await insert('users', 'a', 'b', 'c', 'd')
    expect(await open().advance(5000)).toEqual({ type: 'complete' })
  })

  it('goes on where it stopped', async () => {
    await insert('users', 'a', 'b', 'c', 'd', 'e')
    const dryRun = open({ rows: 1, bytes: 10_000 })
    const answers: unknown[] = []
    while (answers.at(-1) !== 'complete' && answers.length < 20) answers.push((await dryRun.advance(0)).type)
    expect(answers.length).toBeGreaterThan(4)
    expect(new Set(answers)).toEqual(new Set(['inProgress', 'complete']))
  })
})
