/**
 * Text search at the level of the database: 100,000 messages in SQLite, searches for two words within a channel while
 * ten messages a second are written, and the same without the filter. Point reads of the same database to compare with.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, systemClock, systemRandom } from '@concave/base'
import { Database, finishSchemaPush, SchemaWorker, startSchemaPush, waitForSchema } from '@concave/database'
import { SqliteStorage } from '@concave/storage'
import { decodeValue } from '@concave/values'

const isBrief = process.argv.includes('--brief')
const messages = isBrief ? 5000 : 100_000
const channels = 50
const vocabulary = 20_000
const wordsPerMessage = 12
const searches = isBrief ? 200 : 2000
const batch = 500

/** Reproducible numbers in [0, 1). */
let state = 12_345
function random(): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
  return state / 2_147_483_648
}

/** Words as they are in language: the n-th is about 1/n as frequent as the first. */
function randomWord(): string {
  return `w${Math.floor(vocabulary ** random()).toString(36)}`
}

function randomMessage(): object {
  const words = Array.from({ length: wordsPerMessage }, randomWord)
  return { body: words.join(' '), channel: `channel ${Math.floor(random() * channels)}` }
}

const folder = await mkdtemp(join(tmpdir(), 'concave-search-bench-'))
const log = createLog({ level: 'warn' })
const storage = new SqliteStorage({ path: join(folder, 'data.sqlite'), cacheKib: 16_384 })
const database = await Database.open({ storage, clock: systemClock, random: systemRandom, log })
const worker = SchemaWorker.start({ database, clock: systemClock, log })
try {
  const ids = await seed()
  await pushIndex()
  await measure('point read', async () => {
    const id = ids[Math.floor(random() * ids.length)] ?? ''
    await database.begin('query').get(id)
  })
  await measure(
    'first searches, two words and a filter',
    () => search(`channel ${Math.floor(random() * channels)}`),
    200,
  )
  const stop = writeSteadily()
  await measure('two words and a filter', () => search(`channel ${Math.floor(random() * channels)}`))
  await measure('two words', () => search(undefined))
  await stop()
  console.log(`memory: ${Math.round(process.memoryUsage().rss / 1_048_576)} MiB resident`)
} finally {
  await worker.stop()
  await database.close()
  await rm(folder, { recursive: true, force: true })
}

async function seed(): Promise<readonly string[]> {
  const ids: string[] = []
  const start = performance.now()
  while (ids.length < messages) {
    await database.mutate('seed', async (tx) => {
      for (let count = 0; count < batch; count += 1) ids.push(await tx.insert('messages', decodeValue(randomMessage())))
    })
  }
  console.log(`seeded ${messages} messages in ${Math.round(performance.now() - start)} ms`)
  return ids
}

async function pushIndex(): Promise<void> {
  const start = performance.now()
  const index = { indexDescriptor: 'by_body', searchField: 'body', filterFields: ['channel'] }
  const table = { tableName: 'messages', indexes: [], searchIndexes: [index], documentType: { type: 'any' } }
  const schema = JSON.stringify({ tables: [table], schemaValidation: true })
  const { value } = await database.mutate('push', (tx) => startSchemaPush(tx, { schema, nowMs: systemClock.nowMs() }))
  await waitForSchema(database, value.schemaId, 600_000)
  await database.mutate('push', (tx) => finishSchemaPush(tx, value.schemaId))
  console.log(`filled the index in ${Math.round(performance.now() - start)} ms`)
}

async function search(channel: string | undefined): Promise<void> {
  const filters = [
    { type: 'Search', fieldPath: 'body', value: `${randomWord()} ${randomWord()}` },
    ...(channel === undefined ? [] : [{ type: 'Eq', fieldPath: 'channel', value: channel }]),
  ]
  const source = { type: 'Search', indexName: 'messages.by_body', filters }
  const cursor = database.begin('query').openCursor({ source, operators: [{ limit: 20 }] })
  await cursor.nextPage(20)
  cursor.close()
}

/** Ten inserts a second until stopped. */
function writeSteadily(): () => Promise<void> {
  let written = Promise.resolve()
  const timer = setInterval(() => {
    written = written
      .then(() => database.mutate('send', (tx) => tx.insert('messages', decodeValue(randomMessage()))))
      .then(() => undefined)
  }, 100)
  return async () => {
    clearInterval(timer)
    await written
  }
}

/** One after another, with time for others in between. */
async function measure(name: string, run: () => Promise<void>, times = searches): Promise<void> {
  const durations: number[] = []
  for (let count = 0; count < times; count += 1) {
    const start = performance.now()
    await run()
    durations.push(performance.now() - start)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  durations.sort((a, b) => a - b)
  const at = (part: number): string => (durations[Math.floor(durations.length * part)] ?? 0).toFixed(3)
  console.log(`${name.padEnd(40)} p50 ${at(0.5)} ms   p90 ${at(0.9)} ms   p99 ${at(0.99)} ms`)
}
