import { PlatformError } from '@concave/base'

/** Data of a ConvexError that the client library itself looks at. */
export type SystemErrorData = { readonly isConvexSystemError: true; readonly paginationError: 'InvalidCursor' }

const fromDifferentQuery =
  'InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.'

/** A cursor of another query, or of an older definition of its index (database.md §4.4). Clients restart pagination on `data`. */
export class InvalidCursor extends PlatformError {
  override readonly name = 'InvalidCursor'
  readonly data: SystemErrorData = { isConvexSystemError: true, paginationError: 'InvalidCursor' }
  constructor(message = fromDifferentQuery) {
    super(400, 'InvalidCursor', message)
  }
}

/** Statuses of deterministic errors: the same call would fail again, so a function may catch them (database.md §5.8). */
const developerStatuses: ReadonlySet<number> = new Set([400, 401, 403, 409])

/** True if user code may catch `error` and go on; anything else must end the execution uncatchably. */
export function isDeveloperError(error: unknown): error is PlatformError {
  return error instanceof PlatformError && developerStatuses.has(error.status)
}
