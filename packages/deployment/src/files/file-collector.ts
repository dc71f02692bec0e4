import type { Blobs } from '@concave/blobs'
import type { Clock, Log } from '@concave/base'
import type { Database, Transaction } from '@concave/database'
import { fileLimits } from './file-limits.ts'
import { deleteUnowned, findUnownedSince, isOwned, listUnowned, type StoredUnownedBlob } from './file-rows.ts'
import type { FileStore } from './file-store.ts'

export type FileCollectorDependencies = {
  readonly database: Database
  readonly blobs: Blobs
  readonly files: FileStore
  readonly clock: Clock
  readonly log: Log
}

/**
 * Frees blobs that no file has: of files that were deleted before every snapshot that can still be read, and of uploads
 * that never came to their end. Works from the records of unowned blobs alone, so it costs what there is to free.
 */
export class FileCollector {
  readonly #database: Database
  readonly #blobs: Blobs
  readonly #files: FileStore
  readonly #clock: Clock
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  #isStopped = false
  #running: Promise<void> | undefined

  static start(deps: FileCollectorDependencies): FileCollector {
    return new FileCollector(deps)
  }

  private constructor(deps: FileCollectorDependencies) {
    this.#database = deps.database
    this.#blobs = deps.blobs
    this.#files = deps.files
    this.#clock = deps.clock
    this.#log = deps.log
    this.#timer = setInterval(() => this.#tick(), fileLimits.collectIntervalMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#running
  }

  /** One round over everything that is due. */
  async runOnce(): Promise<void> {
    const until = this.#clock.nowNs() - BigInt(fileLimits.deletedContentMs) * 1_000_000n
    // From here on no transaction begins that could see what was deleted at or before `until`.
    this.#database.forgetSnapshots(until)
    for (let isDone = false; !isDone && !this.#isStopped;) {
      const { value: due } = await this.#database.read(async (tx) => {
        const rows = await listUnowned(tx, until, fileLimits.collectBatch)
        const freed: StoredUnownedBlob[] = []
        const records = rows.filter(({ storageKey }) => !this.#files.isArriving(storageKey))
        for (const record of records) {
          if (await isFree(tx, record.storageKey, until)) freed.push(record)
        }
        return { records, freed, isLast: rows.length < fileLimits.collectBatch }
      })
      for (const { storageKey } of due.freed) await this.#blobs.delete(storageKey)
      if (due.records.length > 0) {
        await this.#database.mutate('storage:collect', async (tx) => {
          for (const { _id } of due.records) await deleteUnowned(tx, _id)
        })
      }
      isDone = due.isLast
    }
  }

  #tick(): void {
    this.#running ??= this.runOnce()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'Freeing files was interrupted; it is tried again.'))
      .finally(() => {
        this.#running = undefined
      })
  }
}

/** A blob that a mutation has stored may have a file; one whose file was deleted may be recorded a second time, later. */
async function isFree(tx: Transaction, storageKey: string, until: bigint): Promise<boolean> {
  if (await isOwned(tx, storageKey)) return false
  const since = await findUnownedSince(tx, storageKey)
  return since !== undefined && since <= until
}
