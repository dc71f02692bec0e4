/**
 * The errors that may reach a caller. `code` is stable and documented, `message` is safe to show and names the cause
 * and the next step, `cause` is for the log. Who must act decides the class; only `http/` and `sync/` format them.
 */
export class PlatformError extends Error {
  override readonly name: string = 'PlatformError'
  readonly code: string
  readonly status: number

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.code = code
  }
}

/** The caller must change the request. */
export class BadRequest extends PlatformError {
  override readonly name = 'BadRequest'
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(400, code, message, options)
  }
}

/** The caller must present a (valid) credential. */
export class Unauthenticated extends PlatformError {
  override readonly name = 'Unauthenticated'
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(401, code, message, options)
  }
}

/** The credential is known but not allowed to do this. */
export class Forbidden extends PlatformError {
  override readonly name = 'Forbidden'
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(403, code, message, options)
  }
}

export class NotFound extends PlatformError {
  override readonly name = 'NotFound'
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(404, code, message, options)
  }
}

export class AlreadyExists extends PlatformError {
  override readonly name = 'AlreadyExists'
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(409, code, message, options)
  }
}

/** The caller must slow down; `retryAfterMs` says how long. */
export class RateLimited extends PlatformError {
  override readonly name = 'RateLimited'
  readonly retryAfterMs: number
  constructor(code: string, message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(429, code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}

/** We are at a limit of our own; the same request may succeed after `retryAfterMs`. */
export class Overloaded extends PlatformError {
  override readonly name = 'Overloaded'
  readonly retryAfterMs: number
  constructor(code: string, message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(503, code, message, options)
    this.retryAfterMs = retryAfterMs
  }
}

/** Someone committed into the transaction's read set. Retried inside; shown only when retries are exhausted. */
export class WriteConflict extends PlatformError {
  override readonly name = 'WriteConflict'
  constructor(message: string, options?: ErrorOptions) {
    super(503, 'OptimisticConcurrencyControlFailure', message, options)
  }
}

/** Our bug or the world's failure. The text shown never carries details; they go to the log as `cause`. */
export class Internal extends PlatformError {
  override readonly name = 'Internal'
  constructor(cause?: unknown) {
    super(500, 'InternalServerError', "Your request couldn't be completed. Try again later.", { cause })
  }
}
