import { assert } from '@concave/base'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { documentId, everything } from '../storage-model.ts'
import { storageSuite, type StorageUnderTest } from '../storage-suite.ts'
import type { Commit, Head, Ts } from '../storage.ts'
import { CommitterPool } from './committer-pool.ts'
import { openForWriting } from './schema.ts'
import { SqliteStorage } from './sqlite-storage.ts'

const pool = new CommitterPool({ threads: 2 })
afterAll(() => pool.close())

async function openAt(folder: string): Promise<StorageUnderTest> {
  const storage = new SqliteStorage({ path: join(folder, 'data.sqlite'), pool })
  return {
    storage,
    head: await storage.open(),
    reopen: async () => {
      await storage.close()
      return openAt(folder)
    },
    close: async () => {
      await storage.close()
      await rm(folder, { recursive: true })
    },
  }
}

const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'concave-storage-'))

storageSuite('sqlite', async () => openAt(await makeFolder()))

describe('sqlite storage', () => {
  let folder: string
  let path: string

  beforeEach(async () => {
    folder = await makeFolder()
    path = join(folder, 'data.sqlite')
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('loses nothing that was acknowledged when the process is killed while appending, and can be opened at once', async () => {
    let lastTs: Ts = 0n
    for (let round = 1; round <= 3; round += 1) {
      const program = startProgram(path)
      for await (const line of program.lines) {
        expect(line).toMatch(/^acknowledged /)
        lastTs = BigInt(line.replace('acknowledged ', ''))
        if (lastTs >= BigInt(round * 100)) program.kill()
      }
      const storage = new SqliteStorage({ path, pool })
      const head = await storage.open()
      // One append may have become durable without being acknowledged.
      expect(head.ts - lastTs).toBeOneOf([0n, 1n])
      const [page] = await storage.read(head.ts, [
        { kind: 'scanIndex', index: 1, tablet: 1, range: everything, order: 'asc', limit: 10_000, maxBytes: 1e9 },
      ])
      assert(page?.kind === 'scan', 'a scan answers a scan')
      expect(page.rows.map(({ ts }) => ts)).toEqual(
        Array.from({ length: Number(head.ts) }, (_, index) => BigInt(index + 1)),
      )
      expect(await storage.history({ after: 0n, until: head.ts, limit: 10_000 })).toHaveLength(Number(head.ts))
      await storage.close()
    }
  })

  test('refuses data that another process has open, and data that another storage has open', async () => {
    const program = startProgram(path)
    const lines = program.lines[Symbol.asyncIterator]()
    expect((await lines.next()).value).toMatch(/^acknowledged/)
    await expect(new SqliteStorage({ path, pool }).open()).rejects.toMatchObject({ code: 'StorageInUse' })
    program.kill()
    await program.exited
    const storage = new SqliteStorage({ path, pool })
    await storage.open()
    await expect(new SqliteStorage({ path }).open()).rejects.toMatchObject({ code: 'StorageInUse' })
    const second = startProgram(path)
    expect(await Array.fromAsync(second.lines)).toEqual(['refused StorageInUse'])
    await storage.close()
  })

  test.each(['PRAGMA user_version = 7', ''])('refuses a file that is not its own (%j)', async (mark) => {
    const other = new DatabaseSync(path)
    other.exec(`${mark}; CREATE TABLE notes (text)`)
    other.close()
    await expect(new SqliteStorage({ path }).open()).rejects.toMatchObject({
      code: 'StorageOpenFailed',
      cause: { message: expect.stringContaining('not a deployment') },
    })
  })

  test('refuses a folder that is not there', async () => {
    const nowhere = new SqliteStorage({ path: join(folder, 'missing', 'data.sqlite') })
    await expect(nowhere.open()).rejects.toMatchObject({ code: 'StorageOpenFailed' })
  })

  test('syncs every transaction to the disk before it answers', () => {
    const database = openForWriting(path, { cacheKib: 1024, generation: 'a' })
    const pragma = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
    expect(pragma('synchronous')).toBe(2)
    expect(pragma('journal_mode')).toBe('wal')
    expect(pragma('wal_autocheckpoint')).toBe(0)
    expect(pragma('page_size')).toBe(8192)
    database.close()
  })

  test('rejects what is pending when the committer thread dies, and keeps the data whole', async () => {
    const dyingPool = new CommitterPool()
    const storage = new SqliteStorage({ path, pool: dyingPool })
    const head = await storage.open()
    // Someone else's write transaction makes the committer wait, so that it surely dies in the middle of the append.
    const blocker = new DatabaseSync(path)
    blocker.exec('BEGIN IMMEDIATE')
    const appending = storage.append(head, 'a', [commitOf(1n, 10)])
    const ending = dyingPool.close()
    blocker.close()
    await expect(appending).rejects.toMatchObject({ code: 'AppendOutcomeUnknown' })
    await ending
    await expect(storage.append(head, 'b', [commitOf(1n, 10)])).rejects.toMatchObject({ code: 'AppendOutcomeUnknown' })
    await storage.close()
    const reopened = new SqliteStorage({ path, pool })
    const found = await reopened.open()
    expect(await reopened.append(head, 'a', [commitOf(1n, 10)])).toMatchObject({ ok: true, head: { ts: 1n } })
    expect(found.generation).toBe(head.generation)
    await reopened.close()
  })

  test('holds one snapshot for many reads, and lets go of it for what is new and after a while', async () => {
    const storage = new SqliteStorage({ path, pool })
    let head = await storage.open()
    expect(storage.heldTs).toBeUndefined()
    const readAt = async (ts: Ts): Promise<unknown> =>
      await storage.read(ts, [{ kind: 'get', tablet: 1, ids: [documentId(1), documentId(2)] }])
    for (const ts of [1n, 2n]) {
      ;({ head } = await storage.append(head, String(ts), [commitOf(ts, 10)]))
      expect(await readAt(ts)).toMatchObject([{ documents: [{ ts: 1n }, ts === 1n ? undefined : { ts: 2n }] }])
      expect(storage.heldTs).toBe(ts)
      expect(await readAt(1n)).toMatchObject([{ documents: [{ ts: 1n }, undefined] }])
      expect(storage.heldTs).toBe(ts)
    }
    await expect.poll(() => storage.heldTs).toBeUndefined()
    await storage.close()
  })

  test('shows what bulk adds below the head to reads of a snapshot that is held', async () => {
    const storage = new SqliteStorage({ path, pool })
    const { head } = await storage.append(await storage.open(), 'a', [commitOf(1n, 10)])
    const everything = { from: new Uint8Array(), to: undefined }
    const scan = async (): Promise<unknown> =>
      await storage.read(head.ts, [
        { kind: 'scanIndex', index: 5, tablet: 1, range: everything, order: 'asc', limit: 10, maxBytes: 1000 },
      ])
    expect(await scan()).toMatchObject([{ rows: [] }])
    expect(storage.heldTs).toBe(1n)
    await storage.bulk([{ index: 5, key: Uint8Array.of(7), tablet: 1, id: documentId(1), documentTs: 1n }])
    expect(await scan()).toMatchObject([{ rows: [{ key: Uint8Array.of(7), ts: 1n }] }])
    await storage.close()
  })

  test('copies the write-ahead log into the database while it is open', async () => {
    const storage = new SqliteStorage({ path, pool })
    let head: Head = await storage.open()
    for (let ts = 1n; ts <= 24n; ts += 1n) {
      ;({ head } = await storage.append(head, String(ts), [commitOf(ts, 1024 * 1024)]))
    }
    await expect.poll(async () => (await stat(path)).size, { timeout: 20_000 }).toBeGreaterThan(8 * 1024 * 1024)
    await storage.close()
  })
})

function commitOf(ts: Ts, textLength: number): Commit {
  const write = { tablet: 1, id: documentId(Number(ts)), prevTs: null, text: 'x'.repeat(textLength), size: textLength }
  return { ts, documents: [write], indexes: [], touched: [], source: 'test' }
}

/** The test program in a process of its own. */
function startProgram(path: string): {
  readonly lines: AsyncIterable<string>
  readonly kill: () => void
  readonly exited: Promise<unknown>
} {
  const program = fileURLToPath(new URL('./append-until-killed.ts', import.meta.url))
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  return { lines: createInterface({ input: child.stdout }), kill: () => void child.kill('SIGKILL'), exited }
}
