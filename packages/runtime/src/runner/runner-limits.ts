/** Limits inside one runner process. */
export const runnerLimits = {
  /** Realms that wait in one isolate; they share its heap with the function that runs. */
  waitingRealms: 8,
  /** Realms made ahead for one graph. */
  preparedPerGraph: 2,
  /** Levels of nested calls; the host refuses earlier (function-runtime.md §5). */
  nestedDepth: 9,
  /** Frames sent ahead, confirmed reads and writes, before an answer is waited for. */
  framesAhead: 64,
  /** What is kept of answers to reads: rows of one reading, bytes of one and of all. */
  rememberedRows: 16,
  rememberedReadingBytes: 65_536,
  rememberedBytes: 24 * 1_048_576,
  /** Calls whose writes can still be forgotten. */
  rememberedCalls: 64,
} as const
