/** Limits of text search (database.md §7.1). */
export const textLimits = {
  /** Longer words are neither indexed nor searched for. UTF-8 bytes. */
  maxTermBytes: 31,
  /** Words of a search beyond this are ignored. */
  maxQueryTokens: 16,
  maxFilters: 8,
  /** Distinct terms of the index that the words of one search stand for, prefixes expanded. */
  maxExpandedTerms: 64,
  /** The best documents of a search; reading on is an error. */
  maxCandidates: 1024,
  /** Distinct terms of a document up to which a write names each to those who watch; see `touchedTextKeys`. */
  maxTouchedTerms: 256,
  /** Postings of a term up to which all are read, whatever the group: the same search elsewhere wants the rest. */
  maxUngroupedPostings: 2000,
  /** Keys of one read of storage while postings are loaded; others get their turn in between. */
  maxLoadedKeys: 2000,
} as const

/** The cache of postings, per database. */
export const textCacheLimits = {
  maxBytes: 64 * 1_048_576,
  /** Nothing that takes a greater part of the cache than one in so many is kept. */
  minItems: 2,
  /** Recent index writes that are remembered, so that what was just loaded can be brought up to date. */
  maxRecentWrites: 16_384,
  /** Changes of an item that are kept apart for snapshots between its own and the newest. */
  maxChanges: 256,
} as const
