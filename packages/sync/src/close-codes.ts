import { Overloaded, PlatformError, RateLimited } from '@concave/base'

/** How a failure closes a socket (sync-and-http.md §1.8): clients choose their backoff by the reason. */
export function closeCodeFor(error: unknown): { readonly code: number; readonly reason: string } {
  if (error instanceof Overloaded || error instanceof RateLimited) return { code: 1013, reason: error.code }
  if (error instanceof PlatformError && error.status === 503) return { code: 1013, reason: error.code }
  if (error instanceof PlatformError && error.status < 500) return { code: 1000, reason: error.code }
  return { code: 1011, reason: 'InternalServerError' }
}
