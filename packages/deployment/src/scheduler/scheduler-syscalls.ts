/** `ctx.scheduler` (function-runtime.md §2.6, §8.1): of mutations in their own transaction, of actions in one per call. */
import type { Database, Transaction } from '@concave/database'
import type { Clock } from '@concave/base'
import type { LoadedComponent } from '../components/loaded-app.ts'
import { requireMounted } from '../components/mounted.ts'
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
    const warn = (reason: string, message: string): void => host.warn(reason, message)
    return JSON.stringify(await scheduleJob(host.tx, request, { nowMs, parentJob: parentJobOf(host.origin), warn }))
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
  onWarning: (code: string, message: string) => void,
): Promise<string> {
  const { database, registry, clock, origin } = call
  const { value } = await database.mutate(
    'system:schedule',
    async (tx) => {
      await requireMounted(tx)
      const target = (await registry.load(tx)).resolveForAction(component.id, args)
      const request = { target, args: args['args'], atSeconds: args['ts'] }
      const warnings: [code: string, message: string][] = []
      const warn = (reason: string, message: string): void => void warnings.push([reason, message])
      const id = await scheduleJob(tx, request, { nowMs: clock.nowMs(), parentJob: parentJobOf(origin), warn })
      return { id, warnings }
    },
    { namespace: component.id },
  )
  for (const warning of value.warnings) onWarning(...warning)
  return value.id
}

/** `1.0/actions/cancel_job`. */
export async function cancelFromAction(
  { database, clock }: Pick<ActionScheduling, 'database' | 'clock'>,
  component: LoadedComponent,
  id: unknown,
): Promise<void> {
  const cancel = async (tx: Transaction): Promise<void> => {
    await requireMounted(tx)
    await cancelJob(tx, readId(id), clock.nowMs())
  }
  await database.mutate('system:cancelJob', cancel, { namespace: component.id })
}

/** A scheduled mutation that cancels itself goes on: it is over before anybody could see it canceled. */
function isOwnJob({ origin, component }: FunctionHost, id: unknown): boolean {
  return origin?.kind === 'scheduler' && origin.job.id === id && origin.job.componentId === component.id
}

function readId(id: unknown): string {
  if (typeof id === 'string') return id
  throw new FunctionError('Invalid arguments for `db.cancel_job`: the id must be a string.')
}
