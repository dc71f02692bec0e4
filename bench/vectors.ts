/**
 * Vector search at the level of the database: 100,000 vectors of 1,536 dimensions in SQLite, searches within one of ten
 * groups, compared with an exact search in float64. `--brief` for a few thousand. `COUNT` and `VECTOR_GROUPS` change the numbers.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, systemClock, systemRandom } from '@concave/base'
import { Database, finishSchemaPush, SchemaWorker, startSchemaPush, waitForSchema } from '@concave/database'
import { SqliteStorage } from '@concave/storage'
import type { Value } from '@concave/values'

const isBrief = process.argv.includes('--brief')
const count = Number(process.env['COUNT'] ?? 100_000)
const dimensions = 1536
const groups = Number(process.env['VECTOR_GROUPS'] ?? 10)
const searches = isBrief ? 20 : 60
const results = 10
const batch = 100

let state = 12_345
function random(): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
  return state / 2_147_483_648
}

/** Three digits, as embeddings are often stored: what is measured is the search, not the parsing of digits. */
function randomVector(): number[] {
  return Array.from({ length: dimensions }, () => Math.round((random() - 0.5) * 1000) / 1000)
}

const folder = await mkdtemp(join(tmpdir(), 'concave-vector-bench-'))
const log = createLog({ level: 'warn' })
const storage = new SqliteStorage({ path: join(folder, 'data.sqlite'), cacheKib: 16_384 })
const database = await Database.open({ storage, clock: systemClock, random: systemRandom, log })
const worker = SchemaWorker.start({ database, clock: systemClock, log })
/** What the oracle compares with: all vectors of one group. */
const oracle = new Map<string, Float64Array>()
try {
  await pushIndex()
  await seed()
  const start = performance.now()
  await database.vectorSearch(toQuery(randomVector()))
  console.log(`first search of a group: ${Math.round(performance.now() - start)} ms`)
  const durations: number[] = []
  let found = 0
  for (let search = 0; search < searches; search += 1) {
    const vector = randomVector()
    const begin = performance.now()
    const answer = await database.vectorSearch(toQuery(vector))
    durations.push(performance.now() - begin)
    const exact = new Set(findExactly(vector))
    found += answer.filter(({ _id }) => exact.has(_id)).length
  }
  durations.sort((a, b) => a - b)
  const at = (part: number): string => (durations[Math.floor(durations.length * part)] ?? 0).toFixed(1)
  console.log(`search of a group: p50 ${at(0.5)} ms   p90 ${at(0.9)} ms   p99 ${at(0.99)} ms`)
  console.log(`recall at ${results}: ${(found / (searches * results)).toFixed(4)}`)
  console.log(`memory: ${Math.round(process.memoryUsage().rss / 1_048_576)} MiB resident`)
} finally {
  await worker.stop()
  await database.close()
  await rm(folder, { recursive: true, force: true })
}

function toQuery(vector: readonly number[]): object {
  const expressions = { $eq: [{ $field: 'group' }, { $literal: 'group 0' }] }
  return { indexName: 'things.by_vector', vector, limit: results, expressions }
}

async function pushIndex(): Promise<void> {
  const index = { indexDescriptor: 'by_vector', vectorField: 'vector', dimensions, filterFields: ['group'] }
  const table = { tableName: 'things', indexes: [], vectorIndexes: [index], documentType: { type: 'any' } }
  const schema = JSON.stringify({ tables: [table], schemaValidation: true })
  const { value } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: systemClock.nowMs() }))
  await waitForSchema(database, value.schemaId, 600_000)
  await database.mutate('push', (tx) => finishSchemaPush(tx, value.schemaId))
}

async function seed(): Promise<void> {
  const start = performance.now()
  for (let done = 0; done < count; done += batch) {
    await database.mutate('seed', async (tx) => {
      for (let number = done; number < done + batch; number += 1) {
        const vector = randomVector()
        const group = `group ${number % groups}`
        const document: Value = Object.assign(Object.create(null) as Record<string, Value>, { vector, group })
        const id = await tx.insert('things', document)
        if (number % groups === 0) oracle.set(id, Float64Array.from(vector))
      }
    })
  }
  console.log(`seeded ${count} vectors in ${Math.round(performance.now() - start)} ms`)
}

function findExactly(vector: readonly number[]): readonly string[] {
  const scored = Array.from(oracle, ([id, other]) => {
    let product = 0
    let length = 0
    for (let position = 0; position < dimensions; position += 1) {
      const component = other[position] as number
      product += component * (vector[position] as number)
      length += component * component
    }
    return { id, score: product / Math.sqrt(length) }
  })
  scored.sort((a, b) => b.score - a.score)
  return scored.slice(0, results).map(({ id }) => id)
}
