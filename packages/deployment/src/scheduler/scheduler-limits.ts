/** Limits of scheduled functions and cron jobs (function-runtime.md §5, §8). */
export const schedulerLimits = {
  /** Of each kind, over all components: scheduled functions, cron jobs. The rest wait in order of their due times. */
  maxRunning: 64,
  /** Rows of one look at what is due. */
  pageRows: 100,
  /** A timer never waits longer: the wall clock may have been set meanwhile. */
  maxTimerMs: 60_000,
  maxScheduleDistanceMs: 5 * 366 * 86_400_000,
  /** Scheduled functions that have not finished. */
  maxOutstanding: 1_000_000,
  maxCronArgumentsBytes: 1_048_576,
  /** Larger arguments of one scheduled function are warned of. */
  largeArgumentsBytes: 4 * 1_048_576,
  /** Backoff of mutations that met conflicts, and of runs that the system failed. Doubles from the first to the second. */
  minConflictBackoffMs: 100,
  maxConflictBackoffMs: 60_000,
  minFailureBackoffMs: 500,
  maxFailureBackoffMs: 7_200_000,
  /** How long finished scheduled functions can be read, and how often that is looked at. */
  finishedRetentionMs: 7 * 86_400_000,
  cleanupIntervalMs: 3_600_000,
  /** Rows that one transaction of a cancellation or deletion of many touches. */
  batchRows: 100,
  keptCronRuns: 5,
  /** Of a cron run's record: characters of its result and its log lines. */
  maxCronRecordLength: 1000,
  /** Missed occurrences are counted up to here. */
  maxCountedSkips: 10_000,
  /** A changed schedule whose next run is this close to the old one keeps the old one's. */
  keptNextRunMs: 30_000,
} as const
