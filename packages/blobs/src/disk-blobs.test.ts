import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blobsSuite, type BlobsUnderTest } from './blobs-suite.ts'
import { DiskBlobs } from './disk-blobs.ts'

async function openIn(folder: string): Promise<BlobsUnderTest> {
  return {
    blobs: await DiskBlobs.open({ folder: join(folder, 'files') }),
    reopen: () => openIn(folder),
    close: () => rm(folder, { recursive: true, force: true }),
  }
}

const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'concave-blobs-'))

blobsSuite('disk', async () => openIn(await makeFolder()))

let folder: string
beforeEach(async () => {
  folder = await makeFolder()
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Every file below the folder. */
async function listFiles(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function* twoChunks(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('begun ')
  yield Buffer.from('ended')
}

test('makes no folder until there is something to hold', async () => {
  const inner = join(folder, 'files')
  const blobs = await DiskBlobs.open({ folder: inner })
  expect(await blobs.read('key')).toBeUndefined()
  await blobs.delete('key')
  expect(await readdir(folder)).toEqual([])
})

test('is one file per blob, and none once it is deleted', async () => {
  const blobs = await DiskBlobs.open({ folder })
  await blobs.put('key', twoChunks())
  expect(await listFiles()).toEqual([join(folder, 'ke', 'key')])
  await blobs.delete('key')
  expect(await listFiles()).toEqual([])
})

test('throws away what a crash interrupted, at the next open', async () => {
  const interrupted = await DiskBlobs.open({ folder })
  const begun = Promise.withResolvers<void>()
  const never = Promise.withResolvers<void>()
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('begun')
    begun.resolve()
    await never.promise
  }
  const put = interrupted.put('key', endless())
  await begun.promise
  expect(await listFiles()).toHaveLength(1)
  const blobs = await DiskBlobs.open({ folder })
  expect(await listFiles()).toEqual([])
  await blobs.put('key', twoChunks())
  expect(await listFiles()).toHaveLength(1)
  never.resolve()
  await expect(put).rejects.toMatchObject({ code: 'ENOENT' })
})

test('keeps no draft of a put that fails', async () => {
  const blobs = await DiskBlobs.open({ folder })
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('begun')
    throw new Error('gone')
  }
  await expect(blobs.put('key', failing())).rejects.toThrow('gone')
  expect(await listFiles()).toEqual([])
})
