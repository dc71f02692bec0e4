/** Limits of vector search (database.md §7.2). */
export const vectorLimits = {
  defaultResults: 10,
  maxResults: 256,
  maxConditions: 64,
  /** Vectors that one read of storage loads, in bytes: how long the serving thread is busy with it. */
  maxLoadedBytes: 1_048_576,
  /** Vectors kept in memory per database; what is larger is read again by every search. */
  maxKeptBytes: 256 * 1_048_576,
  /** Recent writes that are remembered, so that what was just loaded can be brought up to date. */
  maxRecentWrites: 1024,
  /** Changes of what is kept that are remembered for snapshots between its own and the newest. */
  maxRecentChanges: 256,
  /** Changed vectors that are kept apart from those that were read, before they are put together. */
  maxChanges: 512,
} as const
