/** Storage engines behind one interface: in memory (tests, simulation) and SQLite (default). */
export type * from './storage.ts'
export { FaultyStorage, type HeldAppend } from './faulty-storage.ts'
export { MemoryDisk, MemoryStorage } from './memory-storage.ts'
export { DataLock } from './sqlite/data-lock.ts'
export { CommitterPool } from './sqlite/committer-pool.ts'
export { SqliteStorage, type SqliteStorageOptions } from './sqlite/sqlite-storage.ts'
export { openFailed, outcomeUnknown, outOfRetention, storageClosed, storageInUse } from './storage-errors.ts'
