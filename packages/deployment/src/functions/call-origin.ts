/** What runs a function when no client does. Such calls reach internal functions too, and nothing is withheld from them. */
import type { FunctionCall } from '@concave/sync'

export type CallOrigin =
  | { readonly kind: 'scheduler'; readonly jobId: string }
  | { readonly kind: 'cron'; readonly name: string }

/** A call of a client, or of the server itself. */
export type Call = FunctionCall & { readonly origin?: CallOrigin }

/** The scheduled function that the call belongs to. */
export function parentJobOf(origin: CallOrigin | undefined): string | undefined {
  return origin?.kind === 'scheduler' ? origin.jobId : undefined
}

/** Who called, as the function log says it. */
export function callerOf(origin: CallOrigin): 'Scheduler' | 'Cron' {
  return origin.kind === 'scheduler' ? 'Scheduler' : 'Cron'
}
