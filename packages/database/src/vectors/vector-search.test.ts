import { createLog, systemClock } from '@concave/base'
import { decodeValue } from '@concave/values'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Database } from '../database.ts'
import { mutate, openTestDatabase, patchOf, value } from '../database-fixture.ts'
import { parseSchema } from '../schema.ts'
import { waitForSchema } from '../schema-progress.ts'
import { finishSchemaPush, startSchemaPush } from '../schema-push.ts'
import { SchemaWorker } from '../schema-worker.ts'
import { hashValue, vectorPrefix, vectorRowBytes } from './vector-keys.ts'
import { loadVectors } from './vector-rows.ts'

const index = {
  indexDescriptor: 'by_vector',
  vectorField: 'meaning.vector',
  dimensions: 3,
  filterFields: ['kind', 'tag'],
}

function schemaText(vectorIndexes: readonly object[], documentType: object = { type: 'any' }): string {
  return JSON.stringify({
    tables: [{ tableName: 'things', indexes: [], vectorIndexes, documentType }],
    schemaValidation: true,
  })
}

async function push(database: Database, ...vectorIndexes: readonly object[]): Promise<unknown> {
  const worker = SchemaWorker.start({ database, clock: systemClock, log: createLog({ level: 'silent' }) })
  const schema = schemaText(vectorIndexes)
  const { value: started } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: 0 }))
  expect(await waitForSchema(database, started.schemaId, 5000)).toEqual({ type: 'complete' })
  await database.mutate('push', (tx) => finishSchemaPush(tx, started.schemaId))
  await worker.stop()
  return started.indexDiff
}

type Thing = { readonly vector: readonly number[] | string; readonly kind?: unknown; readonly tag?: unknown }

function toDocument({ vector, ...filters }: Thing): object {
  return { meaning: { vector }, ...filters }
}

const component = fc.integer({ min: -3, max: 3 })
const thing: fc.Arbitrary<Thing> = fc.record(
  {
    vector: fc.oneof(
      { weight: 8, arbitrary: fc.tuple(component, component, component) },
      { weight: 1, arbitrary: fc.constantFrom([1, 2], 'no vector', [1, 2, 3, 4]) },
    ),
    kind: fc.constantFrom('a', 'b', null),
    tag: fc.constantFrom(1, 2),
  },
  { requiredKeys: ['vector'] },
)

type Condition = { readonly field: 'kind' | 'tag'; readonly value: unknown }
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ field: fc.constant('kind' as const), value: fc.constantFrom('a', 'b', null, undefined) }),
  fc.record({ field: fc.constant('tag' as const), value: fc.constantFrom(1, 2, undefined) }),
)

type Step =
  | { readonly kind: 'insert'; readonly thing: Thing }
  | { readonly kind: 'replace'; readonly document: number; readonly thing: Thing }
  | { readonly kind: 'touch'; readonly document: number }
  | { readonly kind: 'delete'; readonly document: number }
  | {
      readonly kind: 'search'
      readonly vector: readonly number[]
      readonly conditions: readonly Condition[] | undefined
      readonly limit: number
    }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), thing }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), document: fc.nat(), thing }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('touch' as const), document: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), document: fc.nat() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('search' as const),
      vector: fc.tuple(component, component, component),
      conditions: fc.option(fc.array(condition, { minLength: 1, maxLength: 3 }), { nil: undefined }),
      limit: fc.integer({ min: 1, max: 5 }),
    }),
  },
)

function cosine(a: readonly number[], b: readonly number[]): number {
  const product = a.reduce((sum, left, position) => sum + left * (b[position] ?? Number.NaN), 0)
  const length = Math.hypot(...a) * Math.hypot(...b)
  return length === 0 ? 0 : product / length
}

function toExpressions(conditions: readonly Condition[] | undefined): unknown {
  const equalities = conditions?.map(({ field, value: wanted }) => ({
    $eq: [{ $field: field }, { $literal: wanted === undefined ? { $undefined: null } : wanted }],
  }))
  return equalities === undefined ? null : equalities.length === 1 ? equalities[0] : { $or: equalities }
}

/** The search finds as many as there are, the nearest first; which of equally near ones is left open. */
async function expectNearest(
  database: Database,
  things: ReadonlyMap<string, Thing>,
  { vector, conditions, limit }: Extract<Step, { kind: 'search' }>,
): Promise<void> {
  const query = { indexName: 'things.by_vector', vector, limit, expressions: toExpressions(conditions) }
  const found = await database.vectorSearch(query)
  const scores = new Map<string, number>()
  for (const [id, { vector: own, ...filters }] of things) {
    if (typeof own === 'string' || own.length !== 3) continue
    const passes = conditions?.some(({ field, value: wanted }) => filters[field] === wanted) ?? true
    if (passes) scores.set(id, cosine(own, vector))
  }
  const best = [...scores.values()].sort((a, b) => b - a).slice(0, limit)
  expect(found).toHaveLength(best.length)
  for (const [rank, { _id, _score }] of found.entries()) {
    expect(_score).toBeCloseTo(best[rank] ?? Number.NaN, 5)
    expect(_score).toBeCloseTo(scores.get(_id) ?? Number.NaN, 5)
  }
  expect(new Set(found.map(({ _id }) => _id)).size).toBe(found.length)
}

describe('vector search', () => {
  // oxlint-disable-next-line vitest/expect-expect -- expectNearest expects
  it('finds what comparing all vectors finds, through writes, in the cache and beside it', async () => {
    const sizes = fc.constantFrom({}, { vectors: { maxBytes: 1500 } }, { vectors: { maxBytes: 0 } })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), sizes, async (steps, options) => {
        const database = await openTestDatabase(options)
        await push(database, index)
        const things = new Map<string, Thing>()
        for (const next of steps) {
          const ids = [...things.keys()]
          const id = 'document' in next ? ids[next.document % ids.length] : undefined
          if (next.kind === 'insert') {
            const added = await mutate(database, (tx) => tx.insert('things', value(toDocument(next.thing))))
            things.set(added, next.thing)
          } else if (next.kind === 'search') {
            await expectNearest(database, things, next)
          } else if (id !== undefined && next.kind === 'replace') {
            await mutate(database, (tx) => tx.replace(id, value(toDocument(next.thing))))
            things.set(id, next.thing)
          } else if (id !== undefined && next.kind === 'touch') {
            await mutate(database, (tx) => tx.patch(id, patchOf({ note: next.document })))
          } else if (id !== undefined) {
            await mutate(database, (tx) => tx.delete(id))
            things.delete(id)
          }
        }
        await database.close()
      }),
      { numRuns: 25 },
    )
  }, 60_000)

  it('keeps up with more changes than it keeps apart', async () => {
    const database = await openTestDatabase()
    await push(database, index)
    const insert = (count: number) =>
      mutate(database, async (tx) => {
        const ids: string[] = []
        for (let number = 0; number < count; number += 1) {
          ids.push(await tx.insert('things', decodeValue(toDocument({ vector: [number + 1, 1000, 0], kind: 'a' }))))
        }
        return ids
      })
    const query = { indexName: 'things.by_vector', vector: [1, 0, 0], limit: 2, expressions: null }
    const first = await insert(700)
    expect((await database.vectorSearch(query))[0]?._id).toBe(first[699])
    const second = await insert(900)
    expect((await database.vectorSearch(query)).map(({ _id }) => _id)).toEqual([second[899], second[898]])
    await mutate(database, async (tx) => {
      for (const id of second) await tx.delete(id)
    })
    expect((await database.vectorSearch(query)).map(({ _id }) => _id)).toEqual([first[699], first[698]])
    await database.close()
  })

  it('reads vectors page by page', async () => {
    const database = await openTestDatabase()
    await push(database, index)
    await mutate(database, async (tx) => {
      for (let number = 0; number < 5; number += 1) {
        await tx.insert('things', value(toDocument({ vector: [number, 1, 1], kind: number % 2 === 0 ? 'a' : 'b' })))
      }
    })
    const table = database.catalog.findTable('', 'things')
    const entry = table?.indexes.find(({ descriptor }) => descriptor === 'by_vector')
    if (entry?.vector === undefined) throw new Error('there is the index')
    const { vector } = entry
    const snapshot = database.committer.snapshot(database.latestTs())
    for (const [group, count] of [
      [undefined, 5],
      [hashValue('a'), 3],
    ] as const) {
      const load = async (pageRows: number) => {
        const pages: Uint8Array[] = []
        const rowBytes = vectorRowBytes(vector)
        const prefix = vectorPrefix(group)
        for await (const rows of loadVectors(snapshot, entry.index, vector, prefix, pageRows * rowBytes)) {
          pages.push(new Uint8Array(rows.memory))
        }
        return new Uint8Array(Buffer.concat(pages))
      }
      const whole = await load(10)
      expect(whole.length).toBe(count * vectorRowBytes(vector))
      for (const pageRows of [1, 2, count]) expect(await load(pageRows)).toEqual(whole)
    }
    await database.close()
  })

  it('is served from an index that was filled from documents that were there before', async () => {
    const database = await openTestDatabase()
    const id = await mutate(database, (tx) => tx.insert('things', value(toDocument({ vector: [0, 1, 0] }))))
    expect(await push(database, index)).toMatchObject({
      added_indexes: [
        {
          name: 'things.by_vector',
          type: 'vector',
          vectorField: 'meaning.vector',
          dimensions: 3,
          filterFields: ['kind', 'tag'],
        },
      ],
    })
    const query = { indexName: 'things.by_vector', vector: [0, 5, 0] }
    expect(await database.vectorSearch(query)).toEqual([{ _id: id, _score: 1 }])
    await database.close()
  })

  it('refuses what is not a search', async () => {
    const database = await openTestDatabase()
    await push(database, index)
    const eq = (field: string) => ({ $eq: [{ $field: field }, { $literal: 1 }] })
    for (const [query, code, message] of [
      [{ vector: [1, 2] }, 'VectorDimensionsMismatch', 'Expected a vector with dimensions 3, received 2.'],
      [{ limit: 257 }, 'VectorLimitTooLargeError', 'Vector queries can fetch at most 256 results, requested 257.'],
      [{ limit: 0 }, 'InvalidArgument', '`limit` must be a positive integer'],
      [{ expressions: eq('other') }, 'IncorrectVectorFilterField', 'contains a filter on "other" but that field'],
      [
        { expressions: { $or: Array.from({ length: 65 }, () => eq('tag')) } },
        'TooManyElementsInVectorQueryError',
        'Vector query against things.by_vector has too many conditions. Max: 64 Actual: 65',
      ],
      [
        { expressions: { $lt: [{ $field: 'tag' }, { $literal: 1 }] } },
        'InvalidVectorSearchFilter',
        '`q.eq` and `q.or`.',
      ],
      [{ indexName: 'things.by_id' }, 'IndexNotAVectorIndexError', 'Index things.by_id is not a vector index'],
      [{ indexName: 'things.other' }, 'IndexNotFoundError', 'Index things.other not found.'],
    ] as const) {
      await expect(
        database.vectorSearch({ indexName: 'things.by_vector', vector: [1, 2, 3], ...query }),
      ).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string })
    }
    expect(await database.vectorSearch({ indexName: 'missing.by_vector', vector: [1] })).toEqual([])
    const range = { type: 'IndexRange', indexName: 'things.by_vector', range: [], order: 'asc' }
    expect(() => database.begin('query').openCursor({ source: range, operators: [] })).toThrow(
      'Index things.by_vector is a vector index',
    )
    await database.close()
  })
})

describe('vector indexes of a schema', () => {
  const object = (vector: object) => ({
    type: 'object',
    value: {
      meaning: {
        fieldType: { type: 'object', value: { vector: { fieldType: vector, optional: true } } },
        optional: false,
      },
      kind: { fieldType: { type: 'any' }, optional: false },
      tag: { fieldType: { type: 'any' }, optional: false },
    },
  })

  it.each([
    ['one dimension', [{ ...index, dimensions: 1 }], undefined, 'InvalidVectorDimensionError'],
    ['too many dimensions', [{ ...index, dimensions: 4097 }], undefined, 'InvalidVectorDimensionError'],
    ['a twin', [index, { ...index, indexDescriptor: 'twin' }], undefined, 'VectorIndexFieldNotUnique'],
    ['a field of text', [index], object({ type: 'string' }), 'SchemaDefinitionError'],
  ])('with %s are refused', (_what, indexes, documentType, code) => {
    expect(() => parseSchema(schemaText(indexes, documentType))).toThrow(expect.objectContaining({ code }))
  })

  it('may be of an optional list of numbers', () => {
    const documentType = object({ type: 'array', value: { type: 'number' } })
    expect(parseSchema(schemaText([index], documentType)).tables[0]?.indexes).toHaveLength(1)
  })
})
