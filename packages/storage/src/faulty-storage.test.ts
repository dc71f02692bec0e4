import { expect, test } from 'vitest'
import { FaultyStorage } from './faulty-storage.ts'
import { MemoryStorage } from './memory-storage.ts'
import { StorageModel } from './storage-model.ts'
import type { Appended, Head } from './storage.ts'

async function start(): Promise<{
  readonly storage: FaultyStorage
  readonly append: () => Promise<Appended>
  readonly head: Head
}> {
  const storage = new FaultyStorage(new MemoryStorage())
  const head = await storage.open()
  const commit = new StorageModel().commitOf([{ tablet: 1, document: 1, rank: 1, filler: '' }], 10n)
  return { storage, head, append: () => storage.append(head, 'attempt', [commit]) }
}

test('fails an append without writing, and only that one', async () => {
  const { storage, append } = await start()
  storage.failNextAppend(new Error('disk full'))
  await expect(append()).rejects.toThrow('disk full')
  expect(await storage.history({ after: 0n, until: 100n, limit: 10 })).toEqual([])
  expect(await append()).toMatchObject({ ok: true })
})

test('loses the answer of an append that is durable; asking again finds it', async () => {
  const { storage, append } = await start()
  storage.failNextAppendAfterDurable()
  await expect(append()).rejects.toThrow('Injected')
  expect(await append()).toMatchObject({ ok: true, head: { ts: 10n } })
  expect(await storage.history({ after: 0n, until: 100n, limit: 10 })).toHaveLength(1)
})

test('holds an append until it is released, before or after it is durable', async () => {
  const { storage, append } = await start()
  const before = storage.holdNextAppend()
  const appending = append()
  await before.arrived
  expect(await storage.history({ after: 0n, until: 100n, limit: 10 })).toEqual([])
  before.release()
  expect(await appending).toMatchObject({ ok: true })

  const after = storage.holdNextAppendAfterDurable()
  const again = storage.append({ ...(await appending).head }, 'second', [
    { ts: 11n, documents: [], indexes: [], touched: [], source: '' },
  ])
  await after.arrived
  expect(await storage.history({ after: 10n, until: 100n, limit: 10 })).toHaveLength(1)
  after.release()
  expect(await again).toMatchObject({ ok: true })
})
