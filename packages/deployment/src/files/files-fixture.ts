/** Files of a deployment without the rest of it: a database in memory, blobs in memory, a clock that tests move. */
import { type Clock, createLog, systemRandom } from '@concave/base'
import { type Blobs, MemoryBlobs } from '@concave/blobs'
import { Database, type Transaction } from '@concave/database'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { text } from 'node:stream/consumers'
import { FileCollector } from './file-collector.ts'
import { fileTables } from './file-rows.ts'
import { FileStore } from './file-store.ts'

export class TestClock implements Clock {
  #ms = 1_700_000_000_000

  advance(ms: number): void {
    this.#ms += ms
  }
  nowMs(): number {
    return this.#ms
  }
  nowNs(): bigint {
    return BigInt(this.#ms) * 1_000_000n
  }
  monotonicMs(): number {
    return this.#ms
  }
}

export type TestFiles = AsyncDisposable & {
  readonly database: Database
  readonly files: FileStore
  readonly collector: FileCollector
  /** The same data, opened again: whoever was storing is forgotten. */
  reopen(): Promise<TestFiles>
}

export async function openTestFiles(options: {
  readonly clock: TestClock
  readonly blobs?: Blobs
  readonly disk?: MemoryDisk
}): Promise<TestFiles> {
  const { clock, blobs = new MemoryBlobs(), disk = new MemoryDisk() } = options
  const log = createLog({ level: 'silent' })
  const storage = new MemoryStorage({ disk })
  const database = await Database.open({ storage, clock, random: systemRandom, log, tables: fileTables })
  const files = new FileStore({ database, blobs, clock, random: systemRandom, url: 'http://deployment.test' })
  const collector = FileCollector.start({ database, blobs, files, clock, log })
  const close = async (): Promise<void> => {
    files.close()
    await collector.stop()
    await database.close()
  }
  const reopen = async (): Promise<TestFiles> => {
    await close()
    return await openTestFiles({ clock, blobs, disk })
  }
  return { database, files, collector, reopen, [Symbol.asyncDispose]: close }
}

export async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

/** Content that comes to no end by itself. */
export function stalledContent(): {
  readonly content: AsyncIterable<Uint8Array>
  readonly begun: Promise<void>
  end(): void
  fail(error: Error): void
} {
  const begun = Promise.withResolvers<void>()
  const rest = Promise.withResolvers<void>()
  async function* content(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('begun ')
    begun.resolve()
    await rest.promise
    yield Buffer.from('ended')
  }
  return { content: content(), begun: begun.promise, end: rest.resolve, fail: rest.reject }
}

/** As a mutation of the app does it. */
export async function mutate<T>(files: TestFiles, run: (tx: Transaction) => Promise<T>): Promise<T> {
  const tx = files.database.begin('mutation')
  const result = await run(tx)
  await files.files.persist(tx)
  await files.database.commit(tx, 'test').durable
  return result
}

export async function readText(files: TestFiles, id: string, namespace = ''): Promise<string | undefined> {
  const file = await files.files.open(namespace, id)
  return file === null ? undefined : await text(file.content)
}
