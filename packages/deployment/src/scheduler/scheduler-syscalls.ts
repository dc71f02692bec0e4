/** `ctx.scheduler` (function-runtime.md §2.6, §8.1): of mutations in their own transaction, of actions in one per call. */
import type { Database } from '@concave/database'
import type { Clock } from '@concave/base'
import { parentJobOf, type CallOrigin } from '../functions/call-origin.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { FunctionError } from '../functions/function-error.ts'
import type { FunctionHost, Syscall } from '../functions/function-host.ts'
import { cancelJob, scheduleJob, type ScheduleRequest } from './scheduled-jobs.ts'

export const schedulerSyscalls: Readonly<Record<string, Syscall>> = {
  '1.0/schedule': async (host, args) => {
    host.requireMutation('scheduler')
    const request = { path: host.resolveAddress(args), args: args['args'], atSeconds: args['ts'] }
    const { code, nowMs } = host
    const warn = (reason: string, message: string): void => host.warn(reason, message)
    const context = { code, nowMs, parentJobId: parentJobOf(host.origin), warn }
    return JSON.stringify(await scheduleJob(host.tx, request, context))
  },
  '1.0/cancel_job': async (host, { id }) => {
    host.requireMutation('scheduler.cancel')
    if (!isOwnJob(host, id)) await cancelJob(host.tx, readId(id), host.nowMs)
    return 'null'
  },
}

/** What an action's calls of the scheduler need. */
export type ActionScheduling = {
  readonly database: Database
  readonly registry: Pick<CodeRegistry, 'load'>
  readonly clock: Clock
  /** Of the action. */
  readonly origin: CallOrigin | undefined
}

/** `1.0/actions/schedule`: the job's id, once the job is durable. */
export async function scheduleFromAction(
  call: ActionScheduling,
  request: ScheduleRequest,
  onWarning: (code: string, message: string) => void,
): Promise<string> {
  const { database, registry, clock, origin } = call
  const { value } = await database.mutate('system:schedule', async (tx) => {
    const code = await registry.load(tx)
    const warnings: [code: string, message: string][] = []
    const warn = (reason: string, message: string): void => void warnings.push([reason, message])
    const id = await scheduleJob(tx, request, { code, nowMs: clock.nowMs(), parentJobId: parentJobOf(origin), warn })
    return { id, warnings }
  })
  for (const warning of value.warnings) onWarning(...warning)
  return value.id
}

/** `1.0/actions/cancel_job`. */
export async function cancelFromAction(call: Pick<ActionScheduling, 'database' | 'clock'>, id: unknown): Promise<void> {
  await call.database.mutate('system:cancelJob', (tx) => cancelJob(tx, readId(id), call.clock.nowMs()))
}

/** A scheduled mutation that cancels itself goes on: it is over before anybody could see it canceled. */
function isOwnJob({ origin }: FunctionHost, id: unknown): boolean {
  return origin?.kind === 'scheduler' && origin.jobId === id
}

function readId(id: unknown): string {
  if (typeof id === 'string') return id
  throw new FunctionError('Invalid arguments for `db.cancel_job`: the id must be a string.')
}
