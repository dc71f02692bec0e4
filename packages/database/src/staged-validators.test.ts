import { createLog, systemClock } from '@concave/base'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { createNamespace } from './bootstrap.ts'
import type { Database } from './database.ts'
import { collect, mutate, openTestDatabase, patchOf, scan, value } from './database-fixture.ts'
import type { StagedState } from './loaded-schema.ts'
import { evaluateSchema } from './schema-evaluation.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'
import { OverlaidSnapshot } from './snapshot.ts'

const named = (type: string, optional = false) => ({
  type: 'object',
  value: { name: { fieldType: { type }, optional } },
})
const anything = { type: 'any' }

function schemaText(documentType: object, stagedDocumentType?: object, schemaValidation = true): string {
  const staged = stagedDocumentType === undefined ? {} : { stagedDocumentType }
  return JSON.stringify({ tables: [{ tableName: 'users', indexes: [], documentType, ...staged }], schemaValidation })
}

type Options = { readonly slice?: { rows: number; bytes: number }; readonly saveEvery?: number }

function startWorker(database: Database, options: Options = {}): SchemaWorker {
  return SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }), ...options })
}

async function push(database: Database, schema: string | null): Promise<void> {
  const { value: started } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
  expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
  await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId))
}

function stateOf(database: Database, namespace = ''): StagedState | undefined {
  return database.catalogAt(database.latestTs()).schemas(namespace).active?.staged.get('users')
}

/** The state when nothing is left to check. */
async function settled(database: Database, namespace = ''): Promise<StagedState | undefined> {
  for (;;) {
    const state = stateOf(database, namespace)
    if (state?.state !== 'pending') return state
    await new Promise(setImmediate)
  }
}

async function insert(database: Database, ...names: unknown[]): Promise<string[]> {
  const ids: string[] = []
  for (const name of names)
    ids.push(await mutate(database, (tx) => tx.insert('users', value({ name: name as string }))))
  return ids
}

describe('a staged validator', () => {
  let database: Database
  let worker: SchemaWorker

  beforeEach(async () => {
    database = await openTestDatabase()
    worker = startWorker(database)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await worker.stop()
    await database.close()
  })

  async function evaluate(schema: string | null) {
    const { tables, discardedStagedValidators } = await evaluateSchema(database.begin('query'), schema)
    return { table: tables[0], discarded: discardedStagedValidators }
  }

  it('is found valid, and what it accepts can then be enforced without looking at documents', async () => {
    await insert(database, 'a', 'b')
    await push(database, schemaText(anything, named('string')))
    expect(await settled(database)).toEqual({ state: 'valid' })
    const next = schemaText(named('string'))
    expect(await evaluate(next)).toEqual({
      table: {
        name: 'users',
        outcome: 'supersetOfStagedValidated',
        numDocs: 2,
        sizeBytes: 0,
        staged: { state: 'valid' },
      },
      discarded: [],
    })
    const scans = vi.spyOn(OverlaidSnapshot.prototype, 'scanDocuments')
    await push(database, next)
    expect(scans).not.toHaveBeenCalled()
    expect(stateOf(database)).toBeUndefined()
    await expect(insert(database, 7)).rejects.toMatchObject({ code: 'SchemaEnforcementError' })
  })

  it('fails on an old document, refuses nothing, and is tried again by the next push', async () => {
    const [id] = await insert(database, 7, 'b')
    const staged = schemaText(anything, named('string'))
    await push(database, staged)
    const failed = {
      state: 'failed',
      error: `Document with ID "${id}" in table "users" does not match the schema: Value does not match validator.\nPath: .name\nValue: 7.0\nValidator: v.string()`,
    }
    expect(await settled(database)).toEqual(failed)
    await insert(database, 8)
    expect(await evaluate(staged)).toMatchObject({ table: { outcome: 'supersetOfEnforced', staged: failed } })
    expect(await evaluate(null)).toEqual({ table: undefined, discarded: [] })
    await mutate(database, (tx) => tx.patch(id as string, patchOf({ name: 'a' })))
    for (const user of await collect(database.begin('query'), scan('users'))) {
      if (user['name'] === 8) await mutate(database, (tx) => tx.delete(user['_id'] as string))
    }
    await push(database, staged)
    expect(await settled(database)).toEqual({ state: 'valid' })
  })

  it('fails on a new document, which is written', async () => {
    await push(database, schemaText(anything, named('string')))
    expect(await settled(database)).toEqual({ state: 'valid' })
    await insert(database, 'a', 5, 6)
    expect(stateOf(database)).toEqual({
      state: 'failed',
      error:
        'New document in table "users" does not match the schema: Value does not match validator.\nPath: .name\nValue: 5.0\nValidator: v.string()',
    })
    expect(await database.begin('query').count('users')).toBe(3)
  })

  it('does not fail by what a transaction takes back', async () => {
    await push(database, schemaText(anything, named('string')))
    expect(await settled(database)).toEqual({ state: 'valid' })
    await mutate(database, async (tx) => {
      const savepoint = tx.savepoint()
      await tx.insert('users', value({ name: 5 }))
      tx.rollbackTo(savepoint)
      await tx.insert('users', value({ name: 'a' }))
    })
    expect(stateOf(database)).toEqual({ state: 'valid' })
  })

  it('is kept by pushes that leave it or widen it, and started anew by one that changes it', async () => {
    await insert(database, 'a')
    await push(database, schemaText(anything, named('string')))
    expect(await settled(database)).toEqual({ state: 'valid' })
    await worker.stop()
    const wider = schemaText(anything, named('string', true))
    expect(await evaluate(wider)).toMatchObject({ table: { staged: { state: 'valid' } }, discarded: [] })
    const other = schemaText(anything, named('number'))
    expect((await evaluate(other)).discarded).toEqual([
      { tableName: 'users', state: { state: 'valid' }, replaced: true },
    ])
    for (const without of [schemaText(anything), schemaText(anything, named('string'), false), null]) {
      expect((await evaluate(without)).discarded).toEqual([
        { tableName: 'users', state: { state: 'valid' }, replaced: false },
      ])
    }
    worker = startWorker(database)
    await push(database, wider)
    expect(stateOf(database)).toEqual({ state: 'valid' })
    await push(database, other)
    expect(await settled(database)).toMatchObject({ state: 'failed' })
  })

  it('needs no check where the enforced validator is as strict', async () => {
    await insert(database, 'a')
    await push(database, schemaText(named('string')))
    const scans = vi.spyOn(OverlaidSnapshot.prototype, 'scanDocuments')
    await push(database, schemaText(named('string'), named('string', true)))
    expect(await settled(database)).toEqual({ state: 'valid' })
    expect(scans).not.toHaveBeenCalled()
  })

  it('lets pushes go first, says how far it has come, and goes on from there', async () => {
    await insert(database, ...Array.from({ length: 10 }, (_, n) => `n${n}`))
    await worker.stop()
    const staged = schemaText(anything, named('string'))
    worker = startWorker(database, { slice: { rows: 2, bytes: 10_000 }, saveEvery: 4 })
    await push(database, staged)
    const progress = async () => {
      const { table } = await evaluate(schemaText(named('string')))
      return table?.staged?.state === 'pending' ? table.staged.numDocsValidated : undefined
    }
    while ((await progress()) === 0) await new Promise(setImmediate)
    await worker.stop()
    const before = await progress()
    expect(before).toBeGreaterThanOrEqual(4)
    expect(await evaluate(schemaText(named('string')))).toMatchObject({
      table: {
        outcome: 'mustWalk',
        canSkipAfterStagedValidation: true,
        staged: { state: 'pending', totalDocs: 10 },
      },
      discarded: [],
    })
    // A push of the same staged validator, with another change.
    const { value: started } = await database.mutate('push', (tx) =>
      startSchemaPush(tx, {
        schema: schemaText(
          { type: 'object', value: { name: { fieldType: anything, optional: true } } },
          named('string'),
        ),
        nowMs: 0,
      }),
    )
    worker = startWorker(database, { slice: { rows: 2, bytes: 10_000 } })
    expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
    await worker.stop()
    await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId))
    // Undefined: it is done already.
    expect((await progress()) ?? 10).toBeGreaterThanOrEqual(before ?? 0)
    worker = startWorker(database)
    expect(await settled(database)).toEqual({ state: 'valid' })
  })

  it('is checked in the namespace of a component', async () => {
    const options = { namespace: 'one' }
    await database.mutate('test', (tx) => createNamespace(tx, 'one'))
    const inOne = async (name: unknown): Promise<string> => {
      const inserted = await database.mutate('test', (tx) => tx.insert('users', value({ name })), options)
      return inserted.value
    }
    await inOne('a')
    const bad = await inOne(7)
    // The app's table of the same name is another one.
    await insert(database, 'x')
    await worker.stop()
    const schema = schemaText(anything, named('string'))
    const { value: started } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }), options)
    worker = startWorker(database, { slice: { rows: 1, bytes: 1000 }, saveEvery: 1 })
    expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
    await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId), options)
    expect(await settled(database, 'one')).toEqual({
      state: 'failed',
      error: expect.stringContaining(`Document with ID "${bad}" in table "users" does not match the schema`),
    })
    expect(stateOf(database)).toBeUndefined()
  })

  it('is never valid while a document contradicts it, however writes race with the check', async () => {
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
          const ids = await insert(racing, ...Array.from({ length: 12 }, () => 'x'))
          let slow = startWorker(racing, { slice: { rows: 2, bytes: 1024 }, saveEvery: 2 })
          await push(racing, schemaText(anything, named('string')))
          for (const { at, isBad, pause } of steps) {
            await mutate(racing, (tx) =>
              tx.patch(ids[at % ids.length] as string, patchOf({ name: isBad ? at : `n${at}` })),
            )
            if (at === 1) {
              await slow.stop()
              slow = startWorker(racing, { slice: { rows: 2, bytes: 1024 }, saveEvery: 2 })
            }
            for (let turn = 0; turn < pause; turn += 1) await new Promise(setImmediate)
          }
          const state = await settled(racing)
          const users = await collect(racing.begin('query'), scan('users'))
          const areValid = users.every((user) => typeof user['name'] === 'string')
          expect(state?.state === 'valid' && !areValid).toBe(false)
          await slow.stop()
          await racing.close()
        },
      ),
      { numRuns: 25 },
    )
  }, 60_000)
})
