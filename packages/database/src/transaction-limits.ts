/** Limits of tables, indexes, transactions and queries (database.md §5.7, §11). Sizes in bytes. */
export const databaseLimits = {
  maxUserTables: 10_000,
  firstUserTableNumber: 10_001,
  maxIndexesPerTable: 64,
  maxIndexFields: 16,
  maxFilterFields: 16,
  minDimensions: 2,
  maxDimensions: 4096,
  maxQueryOperators: 256,
  maxPageItems: 32_000,
  /** A page with more documents than this should be split. */
  splitPageItems: 6144,
  /** A page of a cursor that runners prefetch (design.md §4). */
  maxCursorPageRows: 100,
  maxCursorPageBytes: 256 * 1024,
  /** Rows of one read of storage while scanning for filters and pages. */
  maxScanRows: 500,
  /** A scan that goes on yields to the event loop after so many rows: a few milliseconds of work. */
  maxRowsWithoutYield: 1000,
  minScanRows: 16,
  maxScanBytes: 1024 * 1024,
  /** Attempts of a native transaction, and the backoff between them. */
  maxNativeAttempts: 10,
  minNativeBackoffMs: 2,
  maxNativeBackoffMs: 500,
  /** How long catalogs and counts of old snapshots are kept, ns. */
  snapshotRetentionNs: 300_000_000_000n,
} as const

/** What one function run, or one native transaction, may use (database.md §5.7). */
export type TransactionLimits = {
  readonly documentsRead: number
  readonly bytesRead: number
  readonly databaseQueries: number
  readonly documentsWritten: number
  readonly bytesWritten: number
  readonly functionsScheduled: number
  readonly scheduledFunctionArgsBytes: number
  readonly filesWritten: number
  readonly fileWriteBytes: number
  readonly filesRead: number
  readonly fileReadBytes: number
}

export const defaultTransactionLimits: TransactionLimits = {
  documentsRead: 32_000,
  bytesRead: 16 * 1024 * 1024,
  databaseQueries: 4096,
  documentsWritten: 16_000,
  bytesWritten: 16 * 1024 * 1024,
  functionsScheduled: 1000,
  scheduledFunctionArgsBytes: 16 * 1024 * 1024,
  // Contents of files that the function itself holds: no number is published, so those of documents.
  filesWritten: 1000,
  fileWriteBytes: 16 * 1024 * 1024,
  filesRead: 1000,
  fileReadBytes: 16 * 1024 * 1024,
}

/** System tables have a budget of their own. */
export const systemTransactionLimits: TransactionLimits = {
  documentsRead: 40_000,
  bytesRead: 128 * 1024 * 1024,
  databaseQueries: Number.MAX_SAFE_INTEGER,
  documentsWritten: 40_000,
  bytesWritten: 128 * 1024 * 1024,
  functionsScheduled: Number.MAX_SAFE_INTEGER,
  scheduledFunctionArgsBytes: Number.MAX_SAFE_INTEGER,
  filesWritten: Number.MAX_SAFE_INTEGER,
  fileWriteBytes: Number.MAX_SAFE_INTEGER,
  filesRead: Number.MAX_SAFE_INTEGER,
  fileReadBytes: Number.MAX_SAFE_INTEGER,
}
