import { expect, test } from 'vitest'
import { MemoryDisk, MemoryStorage } from './memory-storage.ts'
import { storageSuite, type StorageUnderTest } from './storage-suite.ts'

async function openOn(disk: MemoryDisk): Promise<StorageUnderTest> {
  const storage = new MemoryStorage({ disk })
  return {
    storage,
    head: await storage.open(),
    reopen: async () => {
      await storage.close()
      return openOn(disk)
    },
    close: () => storage.close(),
  }
}

storageSuite('memory', () => openOn(new MemoryDisk()))

test('refuses a disk that another storage has open', async () => {
  const disk = new MemoryDisk()
  const first = new MemoryStorage({ disk })
  await first.open()
  await expect(new MemoryStorage({ disk }).open()).rejects.toMatchObject({ code: 'StorageInUse' })
  await first.close()
  await new MemoryStorage({ disk }).open()
})
