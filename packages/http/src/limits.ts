/** Limits of the HTTP layer. Sizes in bytes, times in milliseconds. */
export const httpLimits = {
  /** JSON bodies of ordinary API calls; routes that take more say so. */
  maxBodyBytes: 1_048_576,
  /** Deepest nesting of path segments that a router looks at. */
  maxPathSegments: 64,
  /** How long `close` waits for requests in flight before it cuts their sockets. */
  drainMs: 10_000,
  /** Longer than proxies and clients keep theirs, so that they close idle connections and not we, under a request. */
  keepAliveMs: 75_000,
  maxRequestIdLength: 128,
} as const
