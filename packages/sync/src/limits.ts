/** Limits and times of sync sessions (sync-and-http.md §1.6, §1.9). */
export const syncLimits = {
  /** A `Ping` message goes out when nothing was sent for this long: browsers count application messages only. */
  pingAfterMs: 15_000,
  /** WebSocket pings: other clients count frames. */
  socketPingMs: 5000,
  /** Nothing at all came, pongs included. */
  silenceMs: 120_000,
  /** How often an admin's key is checked again. */
  recheckAdminMs: 60_000,
  /** The first transition of a connection waits this long after `Authenticate` for the query set. */
  firstTransitionMs: 100,
  /** The first transition of a client that comes back waits this long for the mutations that it repeats. */
  repeatsArriveMs: 10,
  /** Sockets that have not answered the closing handshake of a stopping server are cut after this long. */
  closeGraceMs: 2000,
  /** Messages that wait for an earlier one (a token check); past it the socket is not read. */
  maxWaitingMessages: 100,
  maxWaitingMutations: 1000,
  maxRunningActions: 1000,
  /** Queries of one transition that run at once. */
  parallelQueries: 20,
  /** Runs of a query that the system could not do, before the connection ends. */
  maxQueryAttempts: 5,
  /** Before the second attempt; doubles with each. */
  queryRetryMs: 100,
  maxUnsentTransitions: 2,
  /** A reader that is this far behind is cut off. */
  maxBufferedBytes: 128 * 1_048_576,
  /** UTF-16 code units. Shorter messages are not worth the time of compressing them. */
  compressFromLength: 4096,
  maxMessageBytes: 16 * 1_048_576 + 64 * 1024,
  /** UTF-16 code units. Larger transitions are cut, for clients that know chunks. */
  maxTransitionLength: 5_000_000,
} as const
