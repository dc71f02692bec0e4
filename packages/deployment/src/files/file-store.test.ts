import { createHash } from 'node:crypto'
import { createLog, systemRandom, WriteConflict } from '@concave/base'
import { type Blobs, MemoryBlobs } from '@concave/blobs'
import { Database } from '@concave/database'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { fileLimits } from './file-limits.ts'
import { chunks, mutate, openTestFiles, readText, stalledContent, TestClock, type TestFiles } from './files-fixture.ts'

let clock: TestClock
let blobs: MemoryBlobs
let subject: TestFiles
beforeEach(async () => {
  clock = new TestClock()
  blobs = new MemoryBlobs()
  subject = await openTestFiles({ clock, blobs })
  return async () => await subject[Symbol.asyncDispose]()
})

const sha256 = (content: string): string => createHash('sha256').update(content).digest('base64')

/** Longer than anybody may see what was deleted. */
const aWhile = fileLimits.deletedContentMs + 1

async function metadataOf(id: string): Promise<unknown> {
  return (await subject.database.read((tx) => subject.files.getMetadata(tx, id))).value
}

describe('storing a stream', () => {
  test('makes a file with its size, digest and type', async () => {
    const id = await subject.files.store('', chunks('one ', 'two'), {
      contentType: 'text/plain',
      sha256: sha256('one two'),
    })
    expect(await metadataOf(id)).toEqual({
      storageId: expect.any(String),
      sha256: Buffer.from(sha256('one two'), 'base64').toString('hex'),
      size: 7,
      contentType: 'text/plain',
    })
    expect(await readText(subject, id)).toBe('one two')
    expect(await subject.files.open('', id)).toMatchObject({ sizeBytes: 7, contentType: 'text/plain' })
  })

  test('shows nothing before the content is complete, and ends with the deployment', async () => {
    const stalled = stalledContent()
    const stored = subject.files.store('', stalled.content)
    await stalled.begun
    expect(blobs.count).toBe(0)
    subject.files.close()
    stalled.end()
    await expect(stored).rejects.toMatchObject({ status: 503, code: 'ServerShutdown' })
    expect(blobs.count).toBe(0)
  })

  test('stores nothing that is not as promised, or breaks off', async () => {
    await expect(subject.files.store('', chunks('a'), { sha256: sha256('b') })).rejects.toMatchObject({
      status: 400,
      code: 'Sha256Mismatch',
    })
    const broken = stalledContent()
    broken.fail(new Error('gone'))
    await expect(subject.files.store('', broken.content)).rejects.toThrow('gone')
    expect(blobs.count).toBe(0)
  })

  test.each(['line\nbreak', 'ä'.repeat(fileLimits.maxContentTypeLength + 1), '中'])(
    'refuses a content type that no header could give back',
    async (contentType) => {
      await expect(subject.files.store('', chunks('a'), { contentType })).rejects.toMatchObject({ code: 'BadHeader' })
    },
  )

  test('refuses more at once than it may', async () => {
    const stalled = Array.from({ length: fileLimits.maxConcurrentWrites }, () => stalledContent())
    const stored = stalled.map(({ content }) => subject.files.store('', content))
    await Promise.all(stalled.map(({ begun }) => begun))
    const oneMore = subject.files.store('', chunks('x'))
    await expect(oneMore).rejects.toMatchObject({ status: 503, code: 'TooManyConcurrentUploads' })
    for (const each of stalled) each.end()
    await Promise.all(stored)
    await subject.files.store('', chunks('x'))
  })
})

describe('a blob', () => {
  test('is durable before its file commits', async () => {
    const put = vi.spyOn(blobs, 'put')
    const commit = vi.spyOn(subject.database, 'commit')
    await subject.files.store('', chunks('x'))
    await mutate(subject, (tx) => subject.files.stage(tx, Buffer.from('y'), {}))
    expect(put).toHaveBeenCalledTimes(2)
    const [firstPut = 0, secondPut = 0] = put.mock.invocationCallOrder
    // Announced, written, committed; twice.
    const commits = commit.mock.invocationCallOrder
    expect(commits).toHaveLength(4)
    expect([commits[0], firstPut, commits[1], commits[2], secondPut, commits[3]]).toEqual(
      [...commits, firstPut, secondPut].toSorted((a, b) => a - b),
    )
  })

  test('of a deleted file goes when no snapshot can see the file', async () => {
    const id = await subject.files.store('', chunks('x'))
    clock.advance(1000)
    await mutate(subject, (tx) => subject.files.delete(tx, id))
    const before = subject.database.latestTs() - 1n
    clock.advance(fileLimits.deletedContentMs - 1)
    await subject.collector.runOnce()
    const old = subject.database.begin('mutation', { at: before })
    expect(await subject.files.readWhole(old, id)).toEqual({ content: Buffer.from('x'), contentType: null })

    clock.advance(2)
    await subject.collector.runOnce()
    expect(blobs.count).toBe(0)
    expect(() => subject.database.begin('mutation', { at: before })).toThrow('This snapshot')
  })

  test('of an upload that never ended goes, however it came about', async () => {
    // A crash after the blob was written.
    const put = blobs.put.bind(blobs)
    vi.spyOn(blobs, 'put').mockImplementationOnce(async (...args) => {
      await put(...args)
      throw new Error('crash')
    })
    await expect(subject.files.store('', chunks('x'))).rejects.toThrow('crash')
    expect(blobs.count).toBe(1)
    subject = await subject.reopen()
    clock.advance(aWhile)
    await subject.collector.runOnce()
    expect(blobs.count).toBe(0)
  })

  test('that still arrives is left alone, for as long as it takes', async () => {
    const stalled = stalledContent()
    const stored = subject.files.store('', stalled.content)
    await stalled.begun
    clock.advance(aWhile)
    await subject.collector.runOnce()
    stalled.end()
    const id = await stored
    clock.advance(aWhile)
    await subject.collector.runOnce()
    expect(await readText(subject, id)).toBe('begun ended')
  })

  test('of a mutation is written when it commits, and only what is left of its files', async () => {
    const abandoned = subject.database.begin('mutation')
    await subject.files.stage(abandoned, Buffer.from('abandoned'), {})
    const kept = await mutate(subject, async (tx) => {
      const first = await subject.files.stage(tx, Buffer.from('first'), {})
      const savepoint = tx.savepoint()
      await subject.files.stage(tx, Buffer.from('rolled back'), {})
      tx.rollbackTo(savepoint)
      const deleted = await subject.files.stage(tx, Buffer.from('deleted'), {})
      await subject.files.delete(tx, deleted)
      expect(blobs.count).toBe(0)
      return first
    })
    expect(blobs.count).toBe(1)
    clock.advance(aWhile)
    await subject.collector.runOnce()
    expect(await readText(subject, kept)).toBe('first')
    expect(blobs.count).toBe(1)
  })

  test('of a mutation that met a conflict goes', async () => {
    const id = await subject.files.store('', chunks('x'))
    const tx = subject.database.begin('mutation')
    await subject.files.getUrl(tx, id)
    await subject.files.stage(tx, Buffer.from('staged'), {})
    await mutate(subject, (other) => subject.files.delete(other, id))
    await subject.files.persist(tx)
    expect(() => subject.database.commit(tx, 'test')).toThrow(WriteConflict)
    clock.advance(aWhile)
    await subject.collector.runOnce()
    expect(blobs.count).toBe(0)
  })

  test('stays for those who saw the file of a mutation that was deleted soon after', async () => {
    const id = await mutate(subject, (tx) => subject.files.stage(tx, Buffer.from('short'), {}))
    clock.advance(10_000)
    await mutate(subject, (tx) => subject.files.delete(tx, id))
    const between = subject.database.latestTs() - 1n
    // The announcement of the blob is due, its file's deletion is not.
    clock.advance(fileLimits.deletedContentMs - 5000)
    await subject.collector.runOnce()
    const old = subject.database.begin('mutation', { at: between })
    expect(await subject.files.readWhole(old, id)).toMatchObject({ content: Buffer.from('short') })
    clock.advance(10_000)
    await subject.collector.runOnce()
    expect(blobs.count).toBe(0)
  })

  test('is freed again and again until it is gone', async () => {
    const id = await subject.files.store('', chunks('x'))
    await mutate(subject, (tx) => subject.files.delete(tx, id))
    clock.advance(aWhile)
    vi.spyOn(blobs, 'delete').mockRejectedValueOnce(new Error('I/O error'))
    await expect(subject.collector.runOnce()).rejects.toThrow('I/O error')
    expect(blobs.count).toBe(1)
    await subject.collector.runOnce()
    expect(blobs.count).toBe(0)
  })

  test('is one of thousands that are freed in one round', async () => {
    const count = fileLimits.collectBatch + 7
    for (let start = 0; start < count; start += 500) {
      await mutate(subject, async (tx) => {
        for (let each = start; each < Math.min(count, start + 500); each += 1) {
          await subject.files.stage(tx, Buffer.from(String(each)), {})
        }
      })
    }
    expect(blobs.count).toBe(count)
    await subject.database.mutate('test', async (tx) => {
      for (let page = await listFiles(); page.length > 0; page = []) {
        for (const id of page) await subject.files.delete(tx, id)
      }
    })
    clock.advance(aWhile)
    await subject.collector.runOnce()
    expect(blobs.count).toBe(0)
  })
})

test('files come to a deployment that was made before there were any', async () => {
  const disk = new MemoryDisk()
  const storage = new MemoryStorage({ disk })
  const old = await Database.open({ storage, clock, random: systemRandom, log: createLog({ level: 'silent' }) })
  await old.close()
  await using upgraded = await openTestFiles({ clock, disk })
  expect(await readText(upgraded, await upgraded.files.store('', chunks('x')))).toBe('x')
})

test('a file whose content is gone is our failure, not the developer’s', async () => {
  const empty: Blobs = Object.assign(new MemoryBlobs(), { read: async () => undefined })
  await using broken = await openTestFiles({ clock, blobs: empty })
  const id = await broken.files.store('', chunks('x'))
  await expect(broken.files.open('', id)).rejects.toThrow(`the content of file ${id} is missing`)
})

async function listFiles(): Promise<string[]> {
  const { value } = await subject.database.read(async (tx) => {
    const source = { type: 'FullTableScan', tableName: '_storage', order: 'asc' }
    const cursor = tx.openCursor({ source, operators: [] }, { scope: 'system' })
    const ids: string[] = []
    for (let isDone = false; !isDone;) {
      const { rows, done } = await cursor.nextPage(100)
      for (const row of rows) ids.push((JSON.parse(row) as { _id: string })._id)
      isDone = done
    }
    return ids
  })
  return value
}
