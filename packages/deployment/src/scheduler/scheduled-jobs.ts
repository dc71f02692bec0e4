/**
 * Scheduled functions: rows of `_scheduled_jobs` (function-runtime.md §8.2, database.md §10). A row is written by the
 * transaction that schedules it. While it has to run or runs it has `nextTs`, and the index on that is the queue; a
 * finished one has `completedTs` instead.
 */
import { Collection, type StoredRecord, type Transaction } from '@concave/database'
import { canonicalFunctionPath, displayFunctionPath } from '@concave/protocol'
import { decodeValue, humanizeBytes, sizeOf, stringifyValue } from '@concave/values'
import { hasCommitTs } from '../functions/call-values.ts'
import type { JobReference } from '../functions/call-origin.ts'
import { FunctionError } from '../functions/function-error.ts'
import type { FunctionAddress } from '../components/loaded-app.ts'
import { schedulerLimits } from './scheduler-limits.ts'

export type JobState =
  | { readonly type: 'pending' }
  | { readonly type: 'inProgress'; readonly requestId: string; readonly executionId: string }
  | { readonly type: 'success' }
  | { readonly type: 'failed'; readonly error: string }
  | { readonly type: 'canceled' }

export type ScheduledJob = {
  /** Id of the component that the function belongs to, if that is not the one that schedules it; '' for the app. */
  readonly component?: string | undefined
  /** `dir/module.js:export`. */
  readonly udfPath: string
  /** Wire JSON text of the argument object. */
  readonly args: string
  readonly originalScheduledTs: bigint
  /** When it runs or ran; moved by retries. Absent once finished. */
  readonly nextTs?: bigint | undefined
  readonly completedTs?: bigint | undefined
  readonly state: JobState
  /** Failed attempts so far. */
  readonly attempts?: number | undefined
}

export const scheduledJobs = new Collection<ScheduledJob>('_scheduled_jobs')

export type ScheduleRequest = {
  readonly target: FunctionAddress
  /** The argument object in wire form. */
  readonly args: unknown
  /** Seconds since the epoch, with fraction, as the client library sends it. */
  readonly atSeconds: unknown
}

export type ScheduleContext = {
  readonly nowMs: number
  /** The scheduled function that schedules, if one does: one that was canceled schedules nothing that runs. */
  readonly parentJob: JobReference | undefined
  /** Adds a line to the log of the function that schedules. */
  readonly warn: (code: string, message: string) => void
}

/** Adds a pending job to the transaction and returns its id. Throws `FunctionError`s and the budget's errors. */
export async function scheduleJob(
  tx: Transaction,
  request: ScheduleRequest,
  context: ScheduleContext,
): Promise<string> {
  const scheduledTs = readScheduledTs(request.atSeconds, context.nowMs)
  const { component, path } = request.target
  checkTarget(request.target)
  const args = decodeValue(request.args)
  if (hasCommitTs(args)) {
    throw new FunctionError('Invalid arguments for `scheduler`: they hold a commit timestamp that is not known yet.')
  }
  const argumentsBytes = sizeOf(args)
  const scheduledHere = tx.countScheduled(argumentsBytes)
  checkOutstanding(tx, scheduledHere)
  if (argumentsBytes > schedulerLimits.largeArgumentsBytes) {
    context.warn(
      'ScheduledFunctionArgumentsLarge',
      `Large arguments of the scheduled function ${displayFunctionPath(path)} (actual: ${humanizeBytes(argumentsBytes)}, recommended: at most 4 MiB). Consider storing them in a document and passing its ID.`,
    )
  }
  const job = {
    ...(component.id === tx.namespace ? {} : { component: component.id }),
    udfPath: canonicalFunctionPath(path),
    args: stringifyValue(args),
    originalScheduledTs: scheduledTs,
  }
  if (await isCanceled(tx, context.parentJob)) {
    return await scheduledJobs.insert(tx, { ...job, ...finished({ type: 'canceled' }, context.nowMs) })
  }
  return await scheduledJobs.insert(tx, { ...job, state: { type: 'pending' }, nextTs: scheduledTs })
}

async function isCanceled(tx: Transaction, job: JobReference | undefined): Promise<boolean> {
  if (job === undefined) return false
  const found = await tx.within(job.componentId, () => scheduledJobs.get(tx, job.id))
  return found?.state.type === 'canceled'
}

/** Cancels a job that has not finished; one that runs goes on, and its outcome is not recorded. */
export async function cancelJob(tx: Transaction, id: string, nowMs: number): Promise<void> {
  const jobId = tx.normalizeId('_scheduled_functions', id, { scope: 'private' })
  if (jobId === null) {
    throw new FunctionError("Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.")
  }
  const job = await scheduledJobs.get(tx, jobId)
  if (job !== null) await cancelStored(tx, job, nowMs)
}

export async function cancelStored(tx: Transaction, job: StoredRecord<ScheduledJob>, nowMs: number): Promise<void> {
  if (job.nextTs === undefined) return
  await scheduledJobs.patch(tx, job._id, finished({ type: 'canceled' }, nowMs))
}

/** The fields of a job that has come to an end. */
export function finished(
  state: JobState,
  nowMs: number,
): { readonly state: JobState; readonly nextTs: undefined; readonly completedTs: bigint } {
  return { state, nextTs: undefined, completedTs: toTs(nowMs) }
}

/** Milliseconds as a timestamp. */
export function toTs(ms: number): bigint {
  return BigInt(Math.round(ms * 1000)) * 1000n
}

/** The first millisecond at or after `ts`. */
export function toMs(ts: bigint): number {
  return Number((ts + 999_999n) / 1_000_000n)
}

/** Parallel mutations do not see each other's: the limit may be overstepped by what they schedule at one time. */
function checkOutstanding(tx: Transaction, scheduledHere: number): void {
  const { maxOutstanding } = schedulerLimits
  if (tx.countOutstanding() + scheduledHere <= maxOutstanding) return
  throw new FunctionError(
    `TooManyOutstandingScheduledFunctions: Too many scheduled functions that have not run yet (limit: ${maxOutstanding}). Schedule fewer at a time, or let them schedule the next ones.`,
  )
}

function readScheduledTs(atSeconds: unknown, nowMs: number): bigint {
  if (typeof atSeconds !== 'number' || !Number.isFinite(atSeconds)) {
    throw new FunctionError('Invalid arguments for `scheduler`: the time to run at must be a finite number.')
  }
  const atMs = atSeconds * 1000
  const distanceMs = atMs - nowMs
  if (Math.abs(distanceMs) > schedulerLimits.maxScheduleDistanceMs) {
    const direction = distanceMs > 0 ? 'future' : 'past'
    throw new FunctionError(`${atSeconds} is more than 5 years in the ${direction}`)
  }
  return toTs(atMs)
}

/** The function must exist now; what kind it is and whether the arguments fit shows when it runs. */
function checkTarget({ component, path }: FunctionAddress): void {
  const module = component.code.modules.get(path.module)
  if (module === undefined) {
    const where = component.isApp ? '' : `${component.path} `
    throw new FunctionError(`Attempted to schedule function at nonexistent path: ${where}${path.module}`)
  }
  if (!module.functions.some(({ name }) => name === path.name)) {
    throw new FunctionError(
      `Attempted to schedule function, but no exported function ${path.name} found in the file: ${path.module}${component.isApp ? '' : ` in '${component.path}'`}. Did you forget to export it?`,
    )
  }
}
