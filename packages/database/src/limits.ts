/** Limits of the committer. Sizes in bytes, times in milliseconds. Those of transactions: `transaction-limits.ts`. */

/** What may wait between being applied and being durable, and how much of it one append takes. */
export const commitQueueLimits = {
  maxCommits: 8192,
  /** Checked before a commit is added, so that one commit of any size may pass it. */
  maxBytes: 64 * 1_048_576,
  maxBatchCommits: 1024,
  maxBatchBytes: 8 * 1_048_576,
  /** When a caller that was refused may try again. */
  retryAfterMs: 100,
} as const

/** How long the keys that commits touched are remembered (database.md §5.3). */
export const writeLogLimits = {
  /** Kept at least this long unless `maxBytes` is reached. */
  minRetentionMs: 30_000,
  maxRetentionMs: 300_000,
  /** Above this, only what is younger than `minRetentionMs` is kept. */
  softMaxBytes: 50 * 1_048_576,
  /** Above this, even that is forgotten: transactions that are still running then begin again. */
  maxBytes: 256 * 1_048_576,
} as const

/** The cache of what snapshots read, per database. */
export const readCacheLimits = {
  maxBytes: 64 * 1_048_576,
  /** Nothing that takes a greater part of the cache than one in so many is kept. */
  minItems: 4,
  /** Only pages of at most this many rows are kept: lookups, not scans. */
  maxPageRows: 16,
  /** How many index writes are remembered to tell whether a page that was just read is still the newest. */
  maxRecentIndexWrites: 1024,
} as const

/** What the overlay keeps although storage has it, so that storage can be read from a snapshot that it holds. */
export const overlayLimits = {
  maxLandedBytes: 1_048_576,
  /** What a document or an index entry counts beside its own size. */
  writeOverheadBytes: 256,
} as const
