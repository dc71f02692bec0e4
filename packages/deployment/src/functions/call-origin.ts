/** What runs a function when no client does. */
import type { FunctionCall } from '@concave/sync'

export type CallOrigin =
  | { readonly kind: 'scheduler'; readonly jobId: string }
  | { readonly kind: 'cron'; readonly name: string }
  /** `ctx.runMutation` and the like of an action; `jobId` if that action is a scheduled function. */
  | { readonly kind: 'action'; readonly jobId: string | undefined }

/** A call of a client, or of the server itself. */
export type Call = FunctionCall & { readonly origin?: CallOrigin }

/** The scheduled function that the call belongs to. */
export function parentJobOf(origin: CallOrigin | undefined): string | undefined {
  return origin === undefined || origin.kind === 'cron' ? undefined : origin.jobId
}

const callers = { scheduler: 'Scheduler', cron: 'Cron', action: 'Action' } as const

/** Who called, as the function log says it. */
export function callerOf(origin: CallOrigin): 'Scheduler' | 'Cron' | 'Action' {
  return callers[origin.kind]
}
