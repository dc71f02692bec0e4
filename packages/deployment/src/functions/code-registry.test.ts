import { createLog, systemClock, systemRandom } from '@concave/base'
import { Database } from '@concave/database'
import { MemoryStorage } from '@concave/storage'
import { expect, test } from 'vitest'
import { changeEnvironmentVariables } from '../environment/environment-variables.ts'
import { CodeRegistry } from './code-registry.ts'

test('loads what has changed once, however many ask for it at a time', async () => {
  const database = await Database.open({
    storage: new MemoryStorage(),
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: 'silent' }),
  })
  const registry = new CodeRegistry({ database, builtInVariables: {} })
  const loadMany = async () => {
    const loaded = Array.from({ length: 10 }, (_, position) =>
      registry.environment(database.begin(position % 2 === 0 ? 'query' : 'mutation')),
    )
    return new Set(await Promise.all(loaded))
  }
  const before = await loadMany()
  await changeEnvironmentVariables(database, [{ name: 'A', value: '1' }], async () => undefined)
  const after = await loadMany()
  expect([before.size, after.size]).toEqual([1, 1])
  expect([...after]).toMatchObject([{ variables: { A: '1' } }])
  expect(await loadMany()).toEqual(after)
  await database.close()
})
