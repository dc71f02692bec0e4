import { compareValues, encodeValue, parseValue, valuesEqual, type Value, type ValueObject } from '@concave/values'
import { createLog, systemClock } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Database } from './database.ts'
import { readCacheSizes } from './committer-fixture.ts'
import { openTestDatabase } from './database-fixture.ts'
import { createObject } from './document.ts'
import { waitForSchema } from './schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from './schema-push.ts'
import { SchemaWorker } from './schema-worker.ts'
import type { Transaction } from './transaction.ts'

/* oxlint-disable vitest/no-conditional-expect, vitest/expect-expect -- the commands that fast-check draws decide what is compared */

/** The oracle: a Map of documents per transaction, and full scans. */
type Model = Map<string, ValueObject>

const indexes: Readonly<Record<string, readonly string[]>> = { by_a: ['a'], by_a_b: ['a', 'b'], by_creation_time: [] }

const fieldValue: fc.Arbitrary<Value | undefined> = fc.constantFrom<Value | undefined>(
  undefined,
  null,
  false,
  true,
  -1n,
  0n,
  300n,
  -0,
  0,
  1,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  '',
  'a',
  'a\0b',
  '\u{1F600}',
  '\uFF5E',
  new Uint8Array([0, 1]),
  [],
  [null, 1],
  createObject([['k', 1n]]),
)

type Fields = { readonly a: Value | undefined; readonly b: Value | undefined; readonly c: number }
const fields: fc.Arbitrary<Fields> = fc.record({ a: fieldValue, b: fieldValue, c: fc.integer({ min: 0, max: 3 }) })

type Comparison = { readonly type: 'Gt' | 'Gte' | 'Lt' | 'Lte'; readonly value: Value | undefined }
type Query = {
  readonly index: string
  readonly equalities: readonly (Value | undefined)[]
  readonly lower: Comparison | undefined
  readonly upper: Comparison | undefined
  readonly order: 'asc' | 'desc'
  readonly minC: number | undefined
  readonly limit: number | undefined
}

const query: fc.Arbitrary<Query> = fc.constantFrom(...Object.keys(indexes)).chain((index) => {
  const declared = (indexes[index] as readonly string[]).length
  return fc.record({
    index: fc.constant(index),
    equalities: fc.oneof(fc.constant([]), fc.array(fieldValue, { maxLength: declared })),
    lower: fc.option(fc.record({ type: fc.constantFrom('Gt' as const, 'Gte' as const), value: fieldValue }), {
      nil: undefined,
    }),
    upper: fc.option(fc.record({ type: fc.constantFrom('Lt' as const, 'Lte' as const), value: fieldValue }), {
      nil: undefined,
    }),
    order: fc.constantFrom('asc' as const, 'desc' as const),
    minC: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    limit: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  })
})

type Command =
  | { readonly kind: 'insert'; readonly fields: Fields }
  | { readonly kind: 'patch'; readonly at: number; readonly fields: Fields }
  | { readonly kind: 'replace'; readonly at: number; readonly fields: Fields }
  | { readonly kind: 'delete'; readonly at: number }
  | { readonly kind: 'get'; readonly at: number }
  | { readonly kind: 'query'; readonly query: Query; readonly pageRows: number }
  | { readonly kind: 'paginate'; readonly query: Query; readonly numItems: number }
  | { readonly kind: 'count' | 'savepoint' | 'rollback' | 'commit' | 'abandon' }

const at = fc.nat({ max: 1000 })
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), fields }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('patch' as const, 'replace' as const), at, fields }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'get' as const), at }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('query' as const), query, pageRows: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('paginate' as const), query, numItems: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'count' as const,
        'savepoint' as const,
        'rollback' as const,
        'commit' as const,
        'abandon' as const,
      ),
    }),
  },
)

describe('Transaction against a model', () => {
  it('reads, writes, ranges, pages and savepoints as Maps and full scans do', async () => {
    const commandList = fc.array(command, { minLength: 20, maxLength: 60, size: 'max' })
    await fc.assert(
      fc.asyncProperty(commandList, fc.constantFrom(...readCacheSizes), async (commands, readCacheBytes) => {
        const database = await openWithIndexes(readCacheBytes)
        try {
          await run(database, commands)
        } finally {
          await database.close()
        }
      }),
      { numRuns: 50 },
    )
  }, 60_000)
})

async function run(database: Database, commands: readonly Command[]): Promise<void> {
  let committed: Model = new Map()
  let model: Model = new Map()
  let tx = database.begin('mutation')
  let savepoint = { point: tx.savepoint(), model: new Map(model) }
  const ids: string[] = []
  const begin = (): void => {
    tx = database.begin('mutation')
    model = new Map(committed)
    savepoint = { point: tx.savepoint(), model: new Map(model) }
  }
  for (const step of commands) {
    switch (step.kind) {
      case 'insert': {
        const id = await tx.insert('t', toObject(step.fields))
        const document = await tx.get(id)
        model.set(id, document?.value as ValueObject)
        expect(withoutSystem(document?.value)).toEqual(toObject(step.fields))
        ids.push(id)
        break
      }
      case 'patch':
      case 'replace':
      case 'delete':
      case 'get':
        await changeOne(tx, model, ids[step.at % Math.max(1, ids.length)], step)
        break
      case 'query': {
        const cursor = tx.openCursor(toQueryJson(step.query))
        const found: Value[] = []
        for (;;) {
          const { rows, done } = await cursor.nextPage(step.pageRows)
          found.push(...rows.map(parseValue))
          if (done) break
        }
        expect(found).toEqual(select(model, step.query))
        break
      }
      case 'paginate':
        expect(await allPages(tx, step.query, step.numItems)).toEqual(
          select(model, { ...step.query, limit: undefined }),
        )
        break
      case 'count':
        expect(await tx.count('t')).toBe(model.size)
        break
      case 'savepoint':
        savepoint = { point: tx.savepoint(), model: new Map(model) }
        break
      case 'rollback':
        tx.rollbackTo(savepoint.point)
        model = new Map(savepoint.model)
        break
      case 'commit':
        await database.commit(tx, 'model').durable
        committed = model
        begin()
        break
      case 'abandon':
        begin()
        break
    }
  }
  await database.commit(tx, 'model').durable
  const reader = database.begin('query')
  for (const index of Object.keys(indexes)) {
    const everything: Query = {
      index,
      equalities: [],
      lower: undefined,
      upper: undefined,
      order: 'asc',
      minC: undefined,
      limit: undefined,
    }
    const cursor = reader.openCursor(toQueryJson(everything))
    const found: Value[] = []
    for (let done = false; !done;) {
      const page = await cursor.nextPage(100)
      found.push(...page.rows.map(parseValue))
      done = page.done
    }
    expect(found).toEqual(select(model, everything))
  }
}

async function changeOne(
  tx: Transaction,
  model: Model,
  id: string | undefined,
  step: Extract<Command, { readonly at: number }>,
): Promise<void> {
  if (id === undefined) return
  const before = model.get(id)
  if (step.kind === 'get') {
    expect((await tx.get(id))?.value).toEqual(before)
    return
  }
  const change = (): Promise<unknown> => {
    if (step.kind === 'delete') return tx.delete(id)
    if (step.kind === 'replace') return tx.replace(id, toObject(step.fields))
    return tx.patch(id, new Map(Object.entries(step.fields)))
  }
  if (before === undefined) {
    await expect(change()).rejects.toMatchObject({ code: 'NonexistentDocument' })
    return
  }
  await change()
  if (step.kind === 'delete') {
    model.delete(id)
    return
  }
  const kept: ValueObject = { _id: before['_id'] as Value, _creationTime: before['_creationTime'] as Value }
  model.set(id, createObject(Object.entries({ ...toObject(step.fields), ...kept })))
}

/** Pages through the whole query; every page but the last holds `numItems`. */
async function allPages(tx: Transaction, wanted: Query, numItems: number): Promise<readonly Value[]> {
  const json = toQueryJson({ ...wanted, limit: undefined })
  const found: Value[] = []
  let cursor: string | null = null
  for (;;) {
    const leave = tx.enterNested()
    const page = await tx.paginate(json, {
      cursor,
      endCursor: null,
      numItems,
      maximumRowsRead: null,
      maximumBytesRead: null,
      journal: null,
    })
    const repeated = await repeatPage(tx, json, cursor, page.continueCursor)
    leave()
    expect(repeated).toEqual(page.page)
    found.push(...page.page.map(parseValue))
    if (page.isDone) return found
    expect(page.page).toHaveLength(numItems)
    cursor = page.continueCursor
  }
}

async function repeatPage(
  tx: Transaction,
  json: object,
  cursor: string | null,
  endCursor: string,
): Promise<readonly string[]> {
  tx.enterNested()
  const limits = { numItems: 1, maximumRowsRead: 1, maximumBytesRead: null, journal: null }
  const { page, continueCursor } = await tx.paginate(json, { cursor, endCursor, ...limits })
  expect(continueCursor).toBe(endCursor)
  return page
}

function select(model: Model, wanted: Query): readonly ValueObject[] {
  const paths = [...(indexes[wanted.index] as readonly string[]), '_creationTime', '_id']
  const compare = (x: ValueObject, y: ValueObject): number => {
    for (const path of paths) {
      const comparison = compareValues(x[path], y[path])
      if (comparison !== 0) return comparison
    }
    return 0
  }
  let rows = [...model.values()].filter((document) => isInRange(document, paths, wanted)).toSorted(compare)
  if (wanted.order === 'desc') rows = rows.toReversed()
  if (wanted.minC !== undefined) rows = rows.filter((document) => compareValues(document['c'], wanted.minC) >= 0)
  return wanted.limit === undefined ? rows : rows.slice(0, wanted.limit)
}

function isInRange(document: ValueObject, paths: readonly string[], { equalities, lower, upper }: Query): boolean {
  const isEqual = equalities.every((value, position) => {
    const found = document[paths[position] as string]
    return found === undefined || value === undefined ? found === value : valuesEqual(found, value)
  })
  const bounded = document[paths[equalities.length] as string]
  const holds = (bound: Comparison | undefined): boolean => {
    if (bound === undefined) return true
    const comparison = compareValues(bounded, bound.value)
    switch (bound.type) {
      case 'Gt':
        return comparison > 0
      case 'Gte':
        return comparison >= 0
      case 'Lt':
        return comparison < 0
      case 'Lte':
        return comparison <= 0
    }
  }
  return isEqual && holds(lower) && holds(upper)
}

function toQueryJson({ index, equalities, lower, upper, order, minC, limit }: Query): object {
  const paths = [...(indexes[index] as readonly string[]), '_creationTime', '_id']
  const toJson = (value: Value | undefined): unknown =>
    value === undefined ? { $undefined: null } : encodeValue(value)
  const range = equalities.map(
    (value, position) => ({ type: 'Eq', fieldPath: paths[position], value: toJson(value) }) as object,
  )
  for (const bound of [lower, upper]) {
    if (bound !== undefined)
      range.push({ type: bound.type, fieldPath: paths[equalities.length], value: toJson(bound.value) })
  }
  const operators: object[] = []
  if (minC !== undefined) operators.push({ filter: { $gte: [{ $field: 'c' }, { $literal: minC }] } })
  if (limit !== undefined) operators.push({ limit })
  return { source: { type: 'IndexRange', indexName: `t.${index}`, range, order }, operators }
}

function toObject({ a, b, c }: Fields): ValueObject {
  const entries: [string, Value][] = [['c', c]]
  if (a !== undefined) entries.push(['a', a])
  if (b !== undefined) entries.push(['b', b])
  return createObject(entries)
}

function withoutSystem(document: ValueObject | undefined): ValueObject {
  return createObject(Object.entries(document ?? {}).filter(([field]) => !field.startsWith('_')))
}

async function openWithIndexes(readCacheBytes: number): Promise<Database> {
  const database = await openTestDatabase({ readCacheBytes })
  const worker = SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }) })
  const declared = Object.entries(indexes).filter(([, paths]) => paths.length > 0)
  const schema = JSON.stringify({
    tables: [
      {
        tableName: 't',
        indexes: declared.map(([indexDescriptor, paths]) => ({ indexDescriptor, fields: paths })),
        documentType: { type: 'any' },
      },
    ],
    schemaValidation: true,
  })
  const { value } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
  await waitForSchema(database, value.schemaId, 5000)
  await database.mutate('push', (tx) => finishSchemaPush(tx, value.schemaId))
  await worker.stop()
  return database
}
