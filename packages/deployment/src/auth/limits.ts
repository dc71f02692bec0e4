/** Limits of checking user tokens. Lengths in UTF-16 code units, sizes in bytes, times in milliseconds. */
export const authLimits = {
  maxProviders: 100,
  maxTokenLength: 32 * 1024,
  /** Times of custom tokens may be off by so much (sync-and-http.md §7.2). */
  clockLeewayMs: 5000,
  /** From the first byte sent to the last received, per document. */
  fetchTimeoutMs: 5000,
  maxDocumentBytes: 512 * 1024,
  maxKeysPerSet: 100,
  /** RFC 7518 §3.3 asks for 2048 bits or more; the upper bound is for our time. */
  minRsaBits: 2048,
  maxRsaBits: 8192,
  /** A key that its provider has withdrawn is trusted no longer than this. */
  maxKeyAgeMs: 10 * 60_000,
  /** ... unless the provider can't be reached: then its last keys are good for so long. */
  maxStaleKeyAgeMs: 24 * 3_600_000,
  /** Between two looks at a provider that tokens with unknown key ids, or its failures, can cause. */
  minRefreshMs: 10_000,
  /** The same while there are no keys yet: a provider that is being set up is soon seen. */
  retryMs: 1000,
  /** Providers whose keys are kept; more than one push names. */
  maxKeptKeySets: 200,
  maxTokenLifetimeSeconds: 3600,
  /** Of tokens that the deployment signs: they must be taken back by the check above. */
  maxSignedClaimsLength: 16 * 1024,
} as const
