/**
 * Tables of one deployment's file. Current rows and history are apart, so that reading the present never meets the past:
 * `hdocs` and `hidx` hold what was visible for from ≤ T < until. In `hidx` `until` comes before the key, so that a read a
 * few commits behind the head meets only what ended since. Texts are wire JSON, keys and ids are compared as bytes.
 */
import { DatabaseSync } from 'node:sqlite'
import { mmapBytesMax, pageBytes } from './sqlite-limits.ts'

/** 'Conc' */
const applicationId = 0x436f6e63
const formatVersion = 1

/** The only log there is as yet; the key of log and head has room for more. */
export const partition = 0

export type ConnectionOptions = {
  /** Page cache limit of one connection. */
  readonly cacheKib: number
}

const tables = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE head (
    partition INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    generation TEXT NOT NULL,
    history_bound INTEGER NOT NULL, -- snapshots below are no longer answered
    history_pruned INTEGER NOT NULL, -- history that ended at or before this is deleted
    log_bound INTEGER NOT NULL -- log records at or before are no longer answered
  ) STRICT;
  CREATE TABLE log (
    partition INTEGER NOT NULL, ts INTEGER NOT NULL, batch TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (partition, ts)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE docs (
    tablet INTEGER NOT NULL, id BLOB NOT NULL, ts INTEGER NOT NULL, size INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (tablet, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE hdocs (
    tablet INTEGER NOT NULL, id BLOB NOT NULL, until_ts INTEGER NOT NULL, from_ts INTEGER NOT NULL,
    size INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (tablet, id, until_ts)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE idx (
    index_id INTEGER NOT NULL, key BLOB NOT NULL, from_ts INTEGER NOT NULL, tablet INTEGER NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (index_id, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE hidx (
    index_id INTEGER NOT NULL, until_ts INTEGER NOT NULL, key BLOB NOT NULL, from_ts INTEGER NOT NULL,
    tablet INTEGER NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (index_id, until_ts, key)
  ) STRICT, WITHOUT ROWID;
`

/** The writing connection. Creates the file and its tables where they are missing. */
export function openForWriting(
  path: string,
  options: ConnectionOptions & { readonly generation: string },
): DatabaseSync {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false, timeout: 60_000 })
  try {
    database.exec(`PRAGMA page_size = ${pageBytes}`)
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec('PRAGMA wal_autocheckpoint = 0')
    database.exec('PRAGMA temp_store = MEMORY')
    database.exec(`PRAGMA cache_size = -${options.cacheKib}`)
    createTables(path, database, options.generation)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** A reading connection; the file must exist. */
export function openForReading(path: string, options: ConnectionOptions): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, enableForeignKeyConstraints: false, timeout: 10_000 })
  database.exec('PRAGMA temp_store = MEMORY')
  database.exec(`PRAGMA cache_size = -${options.cacheKib}`)
  // Shares the operating system's page cache instead of filling one per connection. The file never shrinks while open.
  database.exec(`PRAGMA mmap_size = ${mmapBytesMax}`)
  return database
}

function createTables(path: string, database: DatabaseSync, generation: string): void {
  const found = pragma(database, 'user_version')
  if (found === formatVersion && pragma(database, 'application_id') === applicationId) return
  // Some other program's database may carry neither number.
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
  if (found !== 0 || pragma(database, 'application_id') !== 0 || !isEmpty) {
    throw new Error(`${path} is not a deployment's data in format ${formatVersion}.`)
  }
  database.exec('BEGIN IMMEDIATE')
  database.exec(tables)
  database.prepare('INSERT INTO head VALUES (?, 0, ?, 0, 0, 0)').run(partition, generation)
  database.exec(`PRAGMA application_id = ${applicationId}`)
  database.exec(`PRAGMA user_version = ${formatVersion}`)
  database.exec('COMMIT')
}

function pragma(database: DatabaseSync, name: string): unknown {
  return database.prepare(`PRAGMA ${name}`).get()?.[name]
}
