/** Limits and times of sync sessions (sync-and-http.md §1.9, §1.6). */
export const syncLimits = {
  /** A `Ping` message goes out when nothing was sent for this long: browsers count application messages only. */
  pingAfterMs: 15_000,
  /** WebSocket pings: other clients count frames. */
  socketPingMs: 5000,
  /** Nothing at all came, pongs included. */
  silenceMs: 120_000,
  /** How often an admin's key is checked again. */
  recheckAdminMs: 60_000,
  /** The first transition of a connection waits this long for the query set. */
  firstTransitionMs: 100,
  maxWaitingMutations: 1000,
  maxRunningActions: 1000,
  /** Queries of one transition that run at once. */
  parallelQueries: 20,
  maxUnsentTransitions: 2,
  /** A reader that stays this far behind is closed. */
  maxBufferedBytes: 128 * 1_048_576,
  maxMessageBytes: 16 * 1_048_576 + 64 * 1024,
  /** Larger transitions are cut, for clients that know chunks. */
  maxTransitionLength: 5_000_000,
} as const
