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
import type { CallOrigin } from '../functions/call-origin.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { withoutRequestLine } from '../functions/function-error.ts'
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

  /** Rejects if the job could not be run and its row is as before. */
  async run(id: string): Promise<void> {
    const { value: job } = await this.#deps.database.read(async (tx) => await scheduledJobs.get(tx, id))
    if (job === null || job.nextTs === undefined) return
    if (job.state.type === 'inProgress') {
      return await this.#end(id, job.state.executionId, { type: 'failed', error: transientErrorText })
    }
    const call = createCall(job, { kind: 'scheduler', jobId: id })
    const kind = await readUdfType(this.#deps, call)
    if (kind === 'Action') return await this.#runAction(id, call)
    if (kind === 'Query') return await this.#end(id, undefined, { type: 'failed', error: unsupportedTypeText(call) })
    await this.#runMutation(id, call)
  }

  async #runMutation(id: string, call: ScheduledCall): Promise<void> {
    const { functions, clock } = this.#deps
    let outcome: ScheduledOutcome
    try {
      outcome = await functions.runScheduled(call, {
        begin: async (tx) => {
          const job = await scheduledJobs.get(tx, id)
          if (job?.state.type !== 'pending') return false
          await scheduledJobs.patch(tx, id, { state: runningState(call) })
          return true
        },
        finish: (tx) => scheduledJobs.patch(tx, id, finished({ type: 'success' }, clock.nowMs())),
      })
    } catch (error) {
      if (error instanceof Overloaded) throw error
      return await this.#postpone(id, error)
    }
    if (outcome.kind === 'error') await this.#end(id, undefined, { type: 'failed', error: outcome.message })
  }

  async #runAction(id: string, call: ScheduledCall): Promise<void> {
    const { database, functions } = this.#deps
    const state = runningState(call)
    const { value: isOurs } = await database.mutate('system:startScheduledAction', async (tx) => {
      const job = await scheduledJobs.get(tx, id)
      if (job?.state.type !== 'pending') return false
      await scheduledJobs.patch(tx, id, { state })
      return true
    })
    if (isOurs) await this.#end(id, state.executionId, (await runActionOnce(functions, call, this.#deps.log)).state)
  }

  /** Records the end of a job that is still pending, or still in the execution of that id. */
  async #end(id: string, executionId: string | undefined, state: JobState): Promise<void> {
    const { clock } = this.#deps
    await mutateSurely(this.#deps, 'system:endScheduledJob', async (tx) => {
      const job = await scheduledJobs.get(tx, id)
      const current = job?.state.type === 'inProgress' ? job.state.executionId : undefined
      if (job?.nextTs === undefined || current !== executionId) return
      await scheduledJobs.patch(tx, id, finished(state, clock.nowMs()))
    })
  }

  /** The system's fault, so it runs again: later each time. */
  async #postpone(id: string, error: unknown): Promise<void> {
    const { database, clock, log } = this.#deps
    await database.mutate('system:postponeScheduledJob', async (tx) => {
      const job = await scheduledJobs.get(tx, id)
      if (job?.state.type !== 'pending') return
      const attempts = (job.attempts ?? 0) + 1
      const nextTs = toTs(clock.nowMs() + backoffMs(error, attempts))
      await scheduledJobs.patch(tx, id, { nextTs, attempts })
    })
    log.warn({ err: error }, 'A scheduled mutation could not be run; it is tried again later.')
  }
}

/** The call of a scheduled function, with no identity. */
export function createCall(target: Pick<ScheduledJob, 'udfPath' | 'args'>, origin: CallOrigin): ScheduledCall {
  return {
    path: parseFunctionPath(target.udfPath),
    componentPath: '',
    args: parseJson(target.args),
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
export async function readUdfType(
  { database, registry }: Pick<RunnerDependencies, 'database' | 'registry'>,
  { path, componentPath }: ScheduledCall,
): Promise<'Query' | 'Mutation' | 'Action' | undefined> {
  const component = (await registry.load(database.begin('query'))).find(componentPath)
  return component?.code.modules.get(path.module)?.functions.find(({ name }) => name === path.name)?.udfType
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
): Promise<void> {
  for (;;) {
    try {
      await database.mutate(source, run)
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
