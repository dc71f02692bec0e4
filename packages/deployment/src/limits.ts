import { runtimeLimits } from '@concave/runtime'

/** Limits of one deployment (function-runtime.md §5, sync-and-http.md §2.4). Bytes, milliseconds, counts. */
export const deploymentLimits = {
  maxArgumentsBytes: 16 * 1_048_576,
  /** Of Node actions, as text. */
  maxNodeArgumentsBytes: 5 * 1_048_576,
  maxResultBytes: 16 * 1_048_576,
  maxNestedCalls: 8,
  /** A mutation that runs longer lets the next one start beside it. */
  lanePatienceMs: 20,
  maxParallelMutations: 2,
  /** Mutations that may be sent to their runner before their turns. */
  maxUpcomingMutations: runtimeLimits.maxSentAhead,
  maxWaitingMutations: 4096,
  /** Runs of one query that had to start over, the first included. */
  maxQueryAttempts: 3,
  /** Runs of one mutation after conflicts, the first included. */
  maxMutationAttempts: 5,
  /** After this many conflicts a mutation runs alone. */
  conflictsBeforeExclusive: 2,
  queryCacheBytes: 64 * 1_048_576,
  /** A result that depends on the time is not reused for longer. */
  timeDependentResultMs: 17_000,
  functionLogEntries: 1000,
  /** Of all log lines that are kept: one execution may write a million. */
  functionLogCharacters: 16 * 1_048_576,
  logPollMs: 60_000,
  /** Of an HTTP action: the request's body, and the response's. */
  maxHttpBodyBytes: 20 * 1_048_576,
  /** A client that takes nothing of a response for so long is cut off. */
  httpStallMs: 120_000,
  maxPushBytes: 200_000_000,
  /** Files of a component that is being deleted, in one transaction. */
  deletedFilesPerBatch: 200,
  /** Mounted components of one app. */
  maxComponents: 500,
  maxCallBodyBytes: 16 * 1_048_576 + 2000,
  maxEnvironmentVariables: 512,
  maxEnvironmentVariableNameLength: 256,
  maxEnvironmentVariableValueBytes: 8192,
  maxEnvironmentBytes: 512 * 1024,
  /** Started pushes that wait for their finish. */
  maxStartedPushes: 8,
  /** Rows of `tables` and `tableData` in the unpaginated form of the Admin API page. */
  maxUnpaginatedRows: 10_000,
} as const
