/** Limits inside one runner process. */
export const runnerLimits = {
  /** Realms that wait in one isolate; they share its heap with the function that runs. */
  waitingRealms: 8,
  /** Realms made ahead for one graph. */
  preparedPerGraph: 2,
  /** Levels of nested calls; the host refuses earlier (function-runtime.md §5). */
  nestedDepth: 9,
  /** Writes sent ahead before one is waited for. */
  writesAhead: 32,
} as const
