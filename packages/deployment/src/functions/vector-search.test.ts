import { createLog, systemClock, systemRandom } from '@concave/base'
import { Database } from '@concave/database'
import { CatchableError } from '@concave/runtime'
import { MemoryStorage } from '@concave/storage'
import { expect, it } from 'vitest'
import { searchVectors } from './vector-search.ts'

it('answers with JSON text, and with errors that an action may catch', async () => {
  await using cleanup = new AsyncDisposableStack()
  const log = createLog({ level: 'silent' })
  const database = await Database.open({ storage: new MemoryStorage(), clock: systemClock, random: systemRandom, log })
  cleanup.defer(() => database.close())
  const query = { indexName: 'missing.by_vector', vector: [1, 2], expressions: null }
  expect(await searchVectors(database, { query })).toBe('{"results":[]}')
  const failed = searchVectors(database, { query: { ...query, limit: 1000 } })
  await expect(failed).rejects.toThrow(CatchableError)
  await expect(failed).rejects.toThrow('Vector queries can fetch at most 256 results, requested 1000.')
})
