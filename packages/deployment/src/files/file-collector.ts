import type { Blobs } from '@concave/blobs'
import type { Clock, Log } from '@concave/base'
import { type Database, systemTransactionLimits, type Transaction } from '@concave/database'
import { fileLimits } from './file-limits.ts'
import { deleteUnowned, findUnownedSince, isOwned, listOwners, listUnowned } from './file-rows.ts'
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
      isDone = await this.#collect(until)
    }
  }

  /** One batch. True: there is no more. */
  async #collect(until: bigint): Promise<boolean> {
    // The newest applied commits: a file whose commit is not durable yet is a file.
    const tx = this.#database.begin('mutation', { limits: systemTransactionLimits })
    const rows = await listUnowned(tx, until, fileLimits.collectBatch)
    const records = rows.filter(({ storageKey }) => !this.#files.isArriving(storageKey))
    const owners = records.length === 0 ? [] : await listOwners(tx)
    for (const { storageKey } of records) {
      if (await isFree(tx, storageKey, { owners, until })) await this.#blobs.delete(storageKey)
    }
    if (records.length === 0) return true
    await this.#database.mutate('storage:collect', async (change) => {
      for (const { _id } of records) await deleteUnowned(change, _id)
    })
    return rows.length < fileLimits.collectBatch
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
async function isFree(
  tx: Transaction,
  storageKey: string,
  { owners, until }: { readonly owners: readonly string[]; readonly until: bigint },
): Promise<boolean> {
  if (await isOwned(tx, storageKey, owners)) return false
  const since = await findUnownedSince(tx, storageKey)
  return since !== undefined && since <= until
}
