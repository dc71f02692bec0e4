import { createLog, systemClock } from '@concave/base'
import { MemoryDisk, MemoryStorage, type BulkRow } from '@concave/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Database } from './database.ts'
import { collect, indexRange, mutate, openTestDatabase, patchOf, scan, value } from './database-fixture.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'

/** Lets commits overtake a backfill between its read and its write. */
class SlowBulkStorage extends MemoryStorage {
  readonly #turns: number

  constructor(turns: number, disk: MemoryDisk) {
    super({ disk })
    this.#turns = turns
  }

  override async bulk(rows: readonly BulkRow[]): Promise<void> {
    for (let turn = 0; turn < this.#turns; turn += 1) await new Promise(setImmediate)
    await super.bulk(rows)
  }
}

const schema = JSON.stringify({
  tables: [{ tableName: 't', indexes: [{ indexDescriptor: 'by_n', fields: ['n'] }], documentType: { type: 'any' } }],
  schemaValidation: true,
})

type Step = {
  readonly kind: 'insert' | 'patch' | 'delete'
  readonly at: number
  /** Undefined: a patch leaves the key as it is. */
  readonly n: number | undefined
  readonly pause: number
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('insert' as const, 'patch' as const, 'patch' as const, 'delete' as const),
  at: fc.nat({ max: 1000 }),
  n: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 1 }),
  pause: fc.integer({ min: 0, max: 2 }),
})

function startWorker(database: Database): SchemaWorker {
  const log = createLog({ level: 'silent' })
  return SchemaWorker.start({ database, clock: systemClock, log, slice: { rows: 3, bytes: 1024 }, saveEvery: 6 })
}

async function write(database: Database, ids: string[], { kind, at, n, pause }: Step): Promise<void> {
  const id = ids[at % ids.length]
  await mutate(database, async (tx) => {
    if (kind === 'insert' || id === undefined) ids.push(await tx.insert('t', value({ n: n ?? 0 })))
    else if ((await tx.get(id)) === null) return
    else if (kind === 'patch') await tx.patch(id, patchOf({ touched: at, ...(n === undefined ? {} : { n }) }))
    else await tx.delete(id)
  })
  for (let turn = 0; turn < pause; turn += 1) await new Promise(setImmediate)
}

/** Every document exactly once, where its field says. */
async function expectIndexEqualsTable(database: Database): Promise<void> {
  const tx = database.begin('query')
  const documents = await collect(tx, scan('t'))
  const byN = (a: Record<string, unknown>, b: Record<string, unknown>): number =>
    (a['n'] as number) - (b['n'] as number) || (a['_creationTime'] as number) - (b['_creationTime'] as number)
  expect(await collect(tx, indexRange('t.by_n', []))).toEqual(documents.toSorted(byN))
}

describe('index backfill', () => {
  it('leaves no ghosts and loses nothing while documents change', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 25, maxLength: 60, size: 'max' }),
        fc.integer({ min: 0, max: 6 }),
        async (steps, turns) => {
          const database = await openTestDatabase({ storage: new SlowBulkStorage(turns, new MemoryDisk()) })
          const worker = startWorker(database)
          const ids: string[] = []
          for (let n = 0; n < 20; n += 1) await write(database, ids, { kind: 'insert', at: 0, n: n % 4, pause: 0 })
          const { value: push } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
          for (const each of steps) await write(database, ids, each)
          expect(await waitForSchema(database, push.schemaId, 5000)).toEqual({ type: 'complete' })
          await database.mutate('push', (tx) => finishSchemaPush(tx, push.schemaId))
          await expectIndexEqualsTable(database)
          await worker.stop()
          await database.close()
        },
      ),
      { numRuns: 40 },
    )
  }, 60_000)

  it('continues after the database was closed in between', async () => {
    const disk = new MemoryDisk()
    const first = await openTestDatabase({ storage: new SlowBulkStorage(1, disk) })
    const ids: string[] = []
    for (let n = 0; n < 40; n += 1) await write(first, ids, { kind: 'insert', at: 0, n: n % 4, pause: 0 })
    const { value: push } = await first.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
    const worker = startWorker(first)
    for (let turn = 0; turn < 25; turn += 1) await new Promise(setImmediate)
    await worker.stop()
    const progress = await first.read((tx) => collect(tx, scan('_index_backfills'), { scope: 'private' }))
    expect(progress.value).toMatchObject([{ totalDocs: 40 }])
    await first.close()

    const second = await openTestDatabase({ storage: new SlowBulkStorage(0, disk) })
    await write(second, ids, { kind: 'patch', at: 3, n: 9, pause: 0 })
    const next = startWorker(second)
    expect(await waitForSchema(second, push.schemaId, 5000)).toEqual({ type: 'complete' })
    await second.mutate('push', (tx) => finishSchemaPush(tx, push.schemaId))
    await expectIndexEqualsTable(second)
    const after = await second.read((tx) => collect(tx, scan('_index_backfills'), { scope: 'private' }))
    expect(after.value).toEqual([])
    await next.stop()
    await second.close()
  })
})
