import { createHash } from 'node:crypto'

/**
 * Id of one request of a sync session, 16 hex digits: repeats have the same one, and a log reader who knows session and
 * number can compute it (sync-and-http.md §1.10).
 */
export function sessionRequestId(sessionId: string, request: string): string {
  return createHash('sha256').update(`${sessionId}|${request}`).digest('hex').slice(0, 16)
}
