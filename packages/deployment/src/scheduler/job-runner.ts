/**
 * Runs one scheduled function (function-runtime.md §8.2). Mutations exactly once: the row changes in the commit of the
 * mutation. Actions at most once: the row says so, durably, before one starts, and one that is found like that later has
 * failed.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { type Clock, type Log, Overloaded, WriteConflict } from '@concave/base'
import type { Database, Transaction } from '@concave/database'
import { anonymous, parseFunctionPath } from '@concave/protocol'
import type { CallOutcome } from '@concave/sync'
import { parseJson } from '@concave/values'
import { isMounted } from '../components/mounted.ts'
import type { FunctionAddress } from '../components/loaded-app.ts'
import type { CallOrigin, JobReference } from '../functions/call-origin.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { withoutRequestLine } from '../functions/function-error.ts'
import { notFoundMessage } from '../functions/function-host.ts'
import type { RunRecord, ScheduledCall, ScheduledOutcome } from '../functions/scheduled-run.ts'
import type { Alarm } from './alarm.ts'
import { finished, type JobState, type ScheduledJob, scheduledJobs, toTs } from './scheduled-jobs.ts'
import { schedulerLimits } from './scheduler-limits.ts'

/** What the scheduler needs of the function service. */
export interface ScheduledFunctions {
  runScheduled(call: ScheduledCall, record: RunRecord): Promise<ScheduledOutcome>
  runAction(call: ScheduledCall): Promise<CallOutcome>
}

export type RunnerDependencies = {
  readonly database: Database
  readonly functions: ScheduledFunctions
  readonly registry: Pick<CodeRegistry, 'load'>
  readonly clock: Clock
  readonly log: Log
  readonly alarm: Alarm
}

/** The end of an action of which nobody knows how far it came. */
export const transientErrorText = 'Transient error while executing action'

export class JobRunner {
  readonly #deps: RunnerDependencies

  constructor(deps: RunnerDependencies) {
    this.#deps = deps
  }

  /** The job of the component that has scheduled it. Rejects if it could not be run and its row is as before. */
  async run(componentId: string, id: string): Promise<void> {
    const { database } = this.#deps
    const { value: job } = await database.read((tx) => scheduledJobs.get(tx, id), { namespace: componentId })
    if (job === null || job.nextTs === undefined) return
    const reference = { id, componentId }
    if (job.state.type === 'inProgress') {
      return await this.#end(reference, job.state.executionId, { type: 'failed', error: transientErrorText })
    }
    const target = await findTarget(this.#deps, job, componentId)
    if (target === undefined) {
      // Its own component is unmounted: it waits.
      if (job.component === undefined) return
      const error = notFoundMessage(parseFunctionPath(job.udfPath))
      return await this.#end(reference, undefined, { type: 'failed', error })
    }
    const call = createCall(target, job, { kind: 'scheduler', job: reference })
    const kind = udfTypeOf(target)
    if (kind === 'Action') return await this.#runAction(reference, call)
    if (kind === 'Query') {
      return await this.#end(reference, undefined, { type: 'failed', error: unsupportedTypeText(call) })
    }
    await this.#runMutation(reference, call)
  }

  async #runMutation(reference: JobReference, call: ScheduledCall): Promise<void> {
    const { functions, clock } = this.#deps
    const { id, componentId } = reference
    let outcome: ScheduledOutcome
    try {
      outcome = await functions.runScheduled(call, {
        begin: (tx) => tx.within(componentId, () => begin(tx, id, runningState(call))),
        finish: (tx) =>
          tx.within(componentId, () => scheduledJobs.patch(tx, id, finished({ type: 'success' }, clock.nowMs()))),
      })
    } catch (error) {
      if (error instanceof Overloaded) throw error
      return await this.#postpone(reference, error)
    }
    if (outcome.kind === 'error') await this.#end(reference, undefined, { type: 'failed', error: outcome.message })
  }

  async #runAction(reference: JobReference, call: ScheduledCall): Promise<void> {
    const { database, functions, log } = this.#deps
    const { id, componentId: namespace } = reference
    const state = runningState(call)
    const start = (tx: Transaction): Promise<boolean> => begin(tx, id, state)
    const { value: isOurs } = await database.mutate('system:startScheduledAction', start, { namespace })
    if (isOurs) await this.#end(reference, state.executionId, (await runActionOnce(functions, call, log)).state)
  }

  /** Records the end of a job that is still pending, or still in the execution of that id. */
  async #end(
    { id, componentId: namespace }: JobReference,
    executionId: string | undefined,
    state: JobState,
  ): Promise<void> {
    const { clock } = this.#deps
    const end = async (tx: Transaction): Promise<void> => {
      const job = await scheduledJobs.get(tx, id)
      const current = job?.state.type === 'inProgress' ? job.state.executionId : undefined
      if (job?.nextTs === undefined || current !== executionId) return
      await scheduledJobs.patch(tx, id, finished(state, clock.nowMs()))
    }
    await mutateSurely(this.#deps, 'system:endScheduledJob', end, { namespace })
  }

  /** The system's fault, so it runs again: later each time. */
  async #postpone({ id, componentId: namespace }: JobReference, error: unknown): Promise<void> {
    const { database, clock, log } = this.#deps
    const postpone = async (tx: Transaction): Promise<void> => {
      const job = await scheduledJobs.get(tx, id)
      if (job?.state.type !== 'pending') return
      const attempts = (job.attempts ?? 0) + 1
      const nextTs = toTs(clock.nowMs() + backoffMs(error, attempts))
      await scheduledJobs.patch(tx, id, { nextTs, attempts })
    }
    await database.mutate('system:postponeScheduledJob', postpone, { namespace })
    log.warn({ err: error }, 'A scheduled mutation could not be run; it is tried again later.')
  }
}

/** Marks a pending job as running. False if it is not to run any more, or not now because its component is unmounted. */
async function begin(tx: Transaction, id: string, state: JobState): Promise<boolean> {
  if (!(await isMounted(tx))) return false
  const job = await scheduledJobs.get(tx, id)
  if (job?.state.type !== 'pending') return false
  await scheduledJobs.patch(tx, id, { state })
  return true
}

/** What a row of `componentId` runs; undefined if the component that it means is not mounted (any more). */
export async function findTarget(
  { database, registry }: Pick<RunnerDependencies, 'database' | 'registry'>,
  row: Pick<ScheduledJob, 'component' | 'udfPath'>,
  componentId: string,
): Promise<FunctionAddress | undefined> {
  const app = await registry.load(database.begin('query'))
  const component = app.findById(row.component ?? componentId)
  return component && { component, path: parseFunctionPath(row.udfPath) }
}

/** The call of a scheduled function, with no identity. */
export function createCall(
  target: FunctionAddress,
  row: Pick<ScheduledJob, 'args'>,
  origin: CallOrigin,
): ScheduledCall {
  return {
    path: target.path,
    componentPath: target.component.path,
    args: parseJson(row.args),
    identity: anonymous,
    requestId: randomBytes(8).toString('hex'),
    isInternal: true,
    origin,
  }
}

export function runningState(call: ScheduledCall): JobState & { readonly type: 'inProgress' } {
  return { type: 'inProgress', requestId: call.requestId, executionId: randomUUID() }
}

/** The kind of the function; undefined if there is none (any more), which whoever runs it will say. */
export function udfTypeOf({ component, path }: FunctionAddress): 'Query' | 'Mutation' | 'Action' | undefined {
  return component.code.modules.get(path.module)?.functions.find(({ name }) => name === path.name)?.udfType
}

export function unsupportedTypeText({ path }: ScheduledCall): string {
  return `Unsupported function type: ${path.module}:${path.name} is a query, and only mutations and actions can be scheduled.`
}

export type EndedAction = {
  readonly state: { readonly type: 'success' } | { readonly type: 'failed'; readonly error: string }
  /** Wire JSON text; empty after an error. */
  readonly resultText: string
  readonly logLines: readonly string[]
}

/** Runs the action and never again, whatever happens to it. */
export async function runActionOnce(
  functions: ScheduledFunctions,
  call: ScheduledCall,
  log: Log,
): Promise<EndedAction> {
  try {
    const outcome = await functions.runAction(call)
    const { logLines } = outcome
    if (outcome.kind === 'success') return { state: { type: 'success' }, resultText: outcome.valueText, logLines }
    const error = withoutRequestLine(outcome.message, call.requestId)
    return { state: { type: 'failed', error }, resultText: '', logLines }
  } catch (error) {
    log.warn({ err: error }, 'A scheduled action was lost; it is not run again.')
    return { state: { type: 'failed', error: transientErrorText }, resultText: '', logLines: [] }
  }
}

/** As `Database.mutate`, for what is known now and would be lost: waits until there is room for it. */
export async function mutateSurely(
  { database, alarm }: Pick<RunnerDependencies, 'database' | 'alarm'>,
  source: string,
  run: (tx: Transaction) => Promise<void>,
  options: { readonly namespace: string },
): Promise<void> {
  for (;;) {
    try {
      await database.mutate(source, run, options)
      return
    } catch (error) {
      if (!(error instanceof Overloaded || error instanceof WriteConflict)) throw error
      const delayMs = error instanceof Overloaded ? error.retryAfterMs : schedulerLimits.minConflictBackoffMs
      await new Promise<void>((resolve) => {
        alarm(delayMs, resolve)
      })
    }
  }
}

function backoffMs(error: unknown, attempts: number): number {
  const { minConflictBackoffMs, maxConflictBackoffMs, minFailureBackoffMs, maxFailureBackoffMs } = schedulerLimits
  return error instanceof WriteConflict
    ? Math.min(minConflictBackoffMs * 2 ** (attempts - 1), maxConflictBackoffMs)
    : Math.min(minFailureBackoffMs * 2 ** (attempts - 1), maxFailureBackoffMs)
}
