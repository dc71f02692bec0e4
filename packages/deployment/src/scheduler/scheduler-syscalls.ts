/** `ctx.scheduler` (function-runtime.md §2.6, §8.1): of mutations in their own transaction, of actions in one per call. */
import type { Database } from '@concave/database'
import type { Clock } from '@concave/base'
import type { LoadedComponent } from '../components/loaded-app.ts'
import { parentJobOf, type CallOrigin } from '../functions/call-origin.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { FunctionError } from '../functions/function-error.ts'
import type { FunctionHost, Syscall } from '../functions/function-host.ts'
import { cancelJob, scheduleJob } from './scheduled-jobs.ts'

export const schedulerSyscalls: Readonly<Record<string, Syscall>> = {
  '1.0/schedule': async (host, args) => {
    host.requireMutation('scheduler')
    const request = { target: host.resolveAddress(args), args: args['args'], atSeconds: args['ts'] }
    const { nowMs } = host
    return JSON.stringify(await scheduleJob(host.tx, request, { nowMs, parentJobId: parentJobOf(host.origin) }))
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
  component: LoadedComponent,
  args: Readonly<Record<string, unknown>>,
): Promise<string> {
  const { database, registry, clock, origin } = call
  const { value } = await database.mutate(
    'system:schedule',
    async (tx) => {
      const target = (await registry.load(tx)).resolveFrom(component.id, args)
      const request = { target, args: args['args'], atSeconds: args['ts'] }
      return await scheduleJob(tx, request, { nowMs: clock.nowMs(), parentJobId: parentJobOf(origin) })
    },
    { namespace: component.id },
  )
  return value
}

/** `1.0/actions/cancel_job`. */
export async function cancelFromAction(
  { database, clock }: Pick<ActionScheduling, 'database' | 'clock'>,
  component: LoadedComponent,
  id: unknown,
): Promise<void> {
  const namespace = component.id
  await database.mutate('system:cancelJob', (tx) => cancelJob(tx, readId(id), clock.nowMs()), { namespace })
}

/** A scheduled mutation that cancels itself goes on: it is over before anybody could see it canceled. */
function isOwnJob({ origin }: FunctionHost, id: unknown): boolean {
  return origin?.kind === 'scheduler' && origin.jobId === id
}

function readId(id: unknown): string {
  if (typeof id === 'string') return id
  throw new FunctionError('Invalid arguments for `db.cancel_job`: the id must be a string.')
}
