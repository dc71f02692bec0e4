/** What runs a function when no client does. */
import type { FunctionCall } from '@concave/sync'

/** A scheduled function, and the component that has scheduled it: there its row lies. */
export type JobReference = { readonly id: string; readonly componentId: string }

export type CallOrigin =
  | { readonly kind: 'scheduler'; readonly job: JobReference }
  | { readonly kind: 'cron'; readonly name: string }
  /** `ctx.runMutation` and the like of an action; `job` if that action is a scheduled function. */
  | { readonly kind: 'action'; readonly job: JobReference | undefined }

/** A call of a client, or of the server itself. */
export type Call = FunctionCall & { readonly origin?: CallOrigin }

/** The scheduled function that the call belongs to. */
export function parentJobOf(origin: CallOrigin | undefined): JobReference | undefined {
  return origin === undefined || origin.kind === 'cron' ? undefined : origin.job
}

const callers = { scheduler: 'Scheduler', cron: 'Cron', action: 'Action' } as const

/** Who called, as the function log says it. */
export function callerOf(origin: CallOrigin): 'Scheduler' | 'Cron' | 'Action' {
  return callers[origin.kind]
}
