/** Storage engines behind one interface: in memory (tests, simulation) and SQLite (default). */
export type * from './storage.ts'
export { MemoryStorage } from './memory-storage.ts'
export { SqliteStorage } from './sqlite/sqlite-storage.ts'
