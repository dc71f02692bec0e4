import { createLog, systemClock, WriteConflict } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readCacheSizes } from './committer-fixture.ts'
import type { Database } from './database.ts'
import { indexRange, mutate, openTestDatabase, patchOf, value } from './database-fixture.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'
import type { Transaction } from './transaction.ts'

/**
 * Transactions that run interleaved, against the same programs run one after another in commit order on an array: every
 * read must have had the same answer. A read that is missing from a read set shows here.
 */
type Row = { readonly label: string; readonly n: number }
type Program = { readonly ops: readonly Op[] }
type Op =
  | {
      readonly kind: 'take'
      readonly bound: 'Eq' | 'Gte' | 'Lt'
      readonly n: number
      readonly order: 'asc' | 'desc'
      readonly count: number
    }
  | { readonly kind: 'early'; readonly order: 'asc' | 'desc'; readonly count: number }
  | { readonly kind: 'page'; readonly n: number; readonly count: number }
  | { readonly kind: 'count' | 'countOther' }
  | { readonly kind: 'insert' | 'insertOther'; readonly n: number }
  | { readonly kind: 'move'; readonly n: number; readonly to: number }
  | { readonly kind: 'delete'; readonly n: number }

const n = fc.integer({ min: 0, max: 4 })
const count = fc.integer({ min: 1, max: 3 })
const order = fc.constantFrom('asc' as const, 'desc' as const)
const bound = fc.constantFrom('Eq' as const, 'Gte' as const, 'Lt' as const)
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ kind: fc.constant('take' as const), bound, n, order, count }),
  fc.record({ kind: fc.constant('early' as const), order, count }),
  fc.record({ kind: fc.constant('page' as const), n, count }),
  fc.record({ kind: fc.constantFrom('count' as const, 'countOther' as const) }),
  fc.record({ kind: fc.constantFrom('insert' as const, 'insert' as const, 'insertOther' as const), n }),
  fc.record({ kind: fc.constant('move' as const), n, to: n }),
  fc.record({ kind: fc.constant('delete' as const), n }),
)
const program: fc.Arbitrary<Program> = fc.record({ ops: fc.array(op, { minLength: 1, maxLength: 4 }) })

type Running = {
  readonly tx: Transaction
  readonly name: string
  readonly program: Program
  readonly answers: string[]
  at: number
}
type Done = {
  readonly name: string
  readonly program: Program
  readonly answers: readonly string[]
  readonly ts: bigint
}

describe('serializability', () => {
  it('gives every committed transaction the answers of running in commit order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(program, { minLength: 10, maxLength: 25, size: 'max' }),
        fc.array(fc.nat({ max: 2 }), { minLength: 120, maxLength: 120, size: 'max' }),
        fc.constantFrom(...readCacheSizes),
        async (programs, schedule, readCacheBytes) => {
          const database = await openIndexed(readCacheBytes)
          const initial: readonly Row[] = [0, 1, 2, 3, 4].map((each) => ({ label: `i${each}`, n: each }))
          await mutate(database, async (tx) => {
            for (const row of initial) await tx.insert('t', value(row))
          })
          const done = await interleave(database, programs, schedule)
          expect(done.map(({ name, answers }) => ({ name, answers }))).toEqual(replay(initial, done))
          await database.close()
        },
      ),
      { numRuns: 30 },
    )
  }, 60_000)
})

/** Runs the programs three at a time, `schedule` saying which goes on; those that meet a conflict are dropped. */
async function interleave(
  database: Database,
  programs: readonly Program[],
  schedule: readonly number[],
): Promise<readonly Done[]> {
  const waiting = programs.map((each, index) => ({ program: each, name: `p${index}` }))
  const running: Running[] = []
  const done: Done[] = []
  for (let step = 0; waiting.length > 0 || running.length > 0; step += 1) {
    while (running.length < 3 && waiting.length > 0) {
      const next = waiting.shift() as { program: Program; name: string }
      running.push({ ...next, tx: database.begin('mutation'), answers: [], at: 0 })
    }
    const position = (schedule[step % schedule.length] as number) % running.length
    const current = running[position] as Running
    const next = current.program.ops[current.at]
    if (next !== undefined) {
      current.answers.push(await perform(current.tx, next, `${current.name}.${current.at}`))
      current.at += 1
      continue
    }
    running.splice(position, 1)
    // A write of its own gives every transaction a place in the commit order.
    await current.tx.insert('marks', value({}))
    try {
      const { ts } = database.commit(current.tx, current.name)
      done.push({ name: current.name, program: current.program, answers: current.answers, ts })
    } catch (error) {
      if (!(error instanceof WriteConflict)) throw error
    }
  }
  return done.toSorted((a, b) => (a.ts < b.ts ? -1 : 1))
}

async function perform(tx: Transaction, step: Op, label: string): Promise<string> {
  switch (step.kind) {
    case 'take': {
      const range = [{ type: step.bound, fieldPath: 'n', value: step.n }]
      return labels(await take(tx, indexRange('t.by_n', range, step.order, [{ limit: step.count }])))
    }
    case 'early':
      return labels(await take(tx, indexRange('t.by_n', [], step.order), step.count))
    case 'page': {
      const range = [{ type: 'Gte', fieldPath: 'n', value: step.n }]
      const options = { cursor: null, endCursor: null, maximumRowsRead: null, maximumBytesRead: null, journal: null }
      const leave = tx.enterNested()
      const page = await tx.paginate(indexRange('t.by_n', range), { ...options, numItems: step.count })
      leave()
      return `${labels(page.page.map((text) => JSON.parse(text) as Row))} ${page.isDone}`
    }
    case 'count':
      return String(await tx.count('t'))
    case 'countOther':
      return String(await tx.count('other'))
    case 'insert':
      await tx.insert('t', value({ label, n: step.n }))
      return ''
    case 'insertOther':
      await tx.insert('other', value({ label }))
      return ''
    case 'move':
    case 'delete': {
      const range = [{ type: 'Eq', fieldPath: 'n', value: step.n }]
      const [row] = await take(tx, indexRange('t.by_n', range, 'asc', [{ limit: 1 }]))
      if (row === undefined) return 'none'
      if (step.kind === 'delete') await tx.delete(row._id)
      else await tx.patch(row._id, patchOf({ n: step.to }))
      return row.label
    }
  }
}

/** At most `rows` rows, the rest of their page left unconsumed. */
async function take(tx: Transaction, query: object, rows = 100): Promise<readonly (Row & { readonly _id: string })[]> {
  const cursor = tx.openCursor(query)
  const found: (Row & { readonly _id: string })[] = []
  for (;;) {
    const page = await cursor.nextPage(2)
    const wanted = page.rows.slice(0, rows - found.length)
    found.push(...wanted.map((text) => JSON.parse(text) as Row & { readonly _id: string }))
    cursor.consumed(wanted.length)
    if (page.done || found.length === rows) break
  }
  cursor.close()
  return found
}

function replay(
  initial: readonly Row[],
  done: readonly Done[],
): readonly { name: string; answers: readonly string[] }[] {
  let rows: readonly Row[] = initial
  let others = 0
  return done.map(({ name, program: { ops } }) => {
    const answers = ops.map((step, index): string => {
      const sorted = rows.toSorted((a, b) => a.n - b.n || (a.label < b.label ? -1 : 1))
      switch (step.kind) {
        case 'take': {
          const matching = sorted.filter((row) =>
            step.bound === 'Eq' ? row.n === step.n : step.bound === 'Gte' ? row.n >= step.n : row.n < step.n,
          )
          return labels((step.order === 'asc' ? matching : matching.toReversed()).slice(0, step.count))
        }
        case 'early':
          return labels((step.order === 'asc' ? sorted : sorted.toReversed()).slice(0, step.count))
        case 'page': {
          const matching = sorted.filter((row) => row.n >= step.n)
          return `${labels(matching.slice(0, step.count))} ${matching.length < step.count}`
        }
        case 'count':
          return String(rows.length)
        case 'countOther':
          return String(others)
        case 'insert':
          rows = [...rows, { label: `${name}.${index}`, n: step.n }]
          return ''
        case 'insertOther':
          others += 1
          return ''
        case 'move':
        case 'delete': {
          const row = sorted.find((candidate) => candidate.n === step.n)
          if (row === undefined) return 'none'
          rows = rows.filter((other) => other !== row)
          if (step.kind === 'move') rows = [...rows, { ...row, n: step.to }]
          return row.label
        }
      }
    })
    return { name, answers }
  })
}

function labels(rows: readonly Row[]): string {
  return rows.map(({ label }) => label).join()
}

async function openIndexed(readCacheBytes: number): Promise<Database> {
  const database = await openTestDatabase({ readCacheBytes })
  const worker = SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }) })
  const schema = JSON.stringify({
    tables: [
      { tableName: 't', indexes: [{ indexDescriptor: 'by_n', fields: ['n', 'label'] }], documentType: { type: 'any' } },
    ],
    schemaValidation: true,
  })
  await mutate(database, (tx) => tx.insert('marks', value({})))
  const { value: push } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
  await waitForSchema(database, push.schemaId, 5000)
  await database.mutate('push', (tx) => finishSchemaPush(tx, push.schemaId))
  await worker.stop()
  return database
}
