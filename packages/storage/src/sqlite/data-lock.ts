import { DatabaseSync } from 'node:sqlite'
import { openFailed, storageInUse } from '../storage-errors.ts'

const sqliteBusy = 5

/**
 * Keeps other processes, and other storages of this one, from opening the same data. It is SQLite's exclusive lock on an
 * empty file beside the data: the operating system drops it when the process dies, however it dies.
 *
 * NOTE: nothing else may open and close the lock file in this process: POSIX locks go with the first close.
 */
export class DataLock {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Throws `StorageInUse` if someone has it. */
  static acquire(dataPath: string): DataLock {
    const database = openLockFile(`${dataPath}-lock`)
    try {
      // Nothing is ever stored in it: small pages keep the connection's preallocated cache small.
      database.exec('PRAGMA page_size = 512')
      database.exec('BEGIN EXCLUSIVE')
      return new DataLock(database)
    } catch (error) {
      database.close()
      const isBusy = (error as { readonly errcode?: unknown }).errcode === sqliteBusy
      throw isBusy ? storageInUse(dataPath, { cause: error }) : openFailed(error)
    }
  }

  release(): void {
    this.#database.close()
  }
}

function openLockFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 })
  } catch (error) {
    throw openFailed(error)
  }
}
