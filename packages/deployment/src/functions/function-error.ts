/** Errors of functions as callers see them (function-runtime.md §4.6, sync-and-http.md §1.10). */
import { Internal, PlatformError } from '@concave/base'

/** A failure that belongs to the function's author or its caller: thrown by user code, bad arguments, a developer's limit. */
export class FunctionError extends Error {
  override readonly name = 'FunctionError'
  /** JSON text of a ConvexError's data; undefined for ordinary errors. */
  readonly dataText: string | undefined

  constructor(message: string, dataText?: string) {
    super(message)
    this.dataText = dataText
  }
}

/** Text for a caller. Redacted callers learn the request id only; ConvexError data is sent apart and never redacted. */
export function describeForCaller(message: string, requestId: string, isRedacted: boolean): string {
  const head = `[Request ID: ${requestId}] Server Error`
  return isRedacted ? head : `${head}\n${message}`
}

/** The message of an error that was described for a caller that is told everything. */
export function withoutRequestLine(described: string, requestId: string): string {
  const head = `[Request ID: ${requestId}] Server Error\n`
  return described.startsWith(head) ? described.slice(head.length) : described
}

/** What the log says of a failure that is none of the function's: as much as its caller learns. */
export function systemFailureText(error: unknown): string {
  return (error instanceof PlatformError ? error : new Internal(error)).message
}
