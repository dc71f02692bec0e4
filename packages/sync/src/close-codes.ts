import { PlatformError } from '@concave/base'

export type Closing = {
  /** Absent: a plain close, of a connection whose client has been told the reason. */
  readonly code: number | undefined
  /** At most 123 bytes. */
  readonly reason: string
}

/** RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code. */
const maxReasonBytes = 123

/** How a failure closes a socket (sync-and-http.md §1.8): clients choose their backoff by the reason. */
export function closingFor(error: unknown): Closing {
  if (!(error instanceof PlatformError)) return { code: 1011, reason: 'InternalServerError' }
  const reason = fitReason(error.code)
  switch (error.status) {
    case 403:
    case 404:
      return { code: 1000, reason }
    case 429:
    case 503:
      return { code: 1013, reason }
    default:
      return error.status < 500 ? { code: undefined, reason: '' } : { code: 1011, reason: 'InternalServerError' }
  }
}

/** True for failures that the same request may not meet again. */
export function isTemporary(error: unknown): boolean {
  return closingFor(error).code === 1013
}

function fitReason(text: string): string {
  // Codes are ASCII words; anything else is not for clients to read.
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxReasonBytes)
}
