/**
 * Cron jobs (function-runtime.md §8.3, database.md §10): `_cron_jobs` says what runs when, `_cron_next_run` is the queue
 * with one row per job, `_cron_job_logs` keeps the last runs. A push swaps them in the transaction that swaps the code.
 */
import { Collection, type StoredRecord, type Transaction } from '@concave/database'
import { canonicalFunctionPath, type FunctionPath } from '@concave/protocol'
import { type CronSchedule, findNextRunMs, findRunAfter } from './cron-schedule.ts'
import { schedulerLimits } from './scheduler-limits.ts'
import { toMs, toTs } from './scheduled-jobs.ts'

/** One entry of `crons.ts`, checked. */
export type CronDefinition = {
  readonly name: string
  readonly path: FunctionPath
  /** Wire JSON text of the argument object. */
  readonly args: string
  readonly schedule: CronSchedule
}

export type CronJob = {
  readonly name: string
  readonly cronSpec: {
    /** `dir/module.js:export`. */
    readonly udfPath: string
    readonly args: string
    readonly cronSchedule: CronSchedule
  }
  /** Spreads jobs with equal schedules, 0–3599; the job's own as long as it exists. */
  readonly splaySeconds: number
}

export type CronNextRun = {
  readonly cronJobId: string
  readonly state:
    | { readonly type: 'pending' }
    | { readonly type: 'inProgress'; readonly requestId: string; readonly executionId: string }
  readonly prevTs: bigint | null
  readonly nextTs: bigint
}

export type CronRunStatus =
  | { readonly type: 'success'; readonly result: { readonly type: 'default' | 'truncated'; readonly value: string } }
  | { readonly type: 'err'; readonly error: string }
  | { readonly type: 'canceled'; readonly num_canceled: bigint }

export type CronRun = {
  readonly name: string
  readonly ts: bigint
  readonly udfPath: string
  readonly args: string
  readonly status: CronRunStatus
  readonly logLines: { readonly logLines: readonly string[]; readonly isTruncated: boolean }
  /** Seconds. */
  readonly executionTime: number
}

export const cronJobs = new Collection<CronJob>('_cron_jobs')
export const cronNextRuns = new Collection<CronNextRun>('_cron_next_run')
export const cronRuns = new Collection<CronRun>('_cron_job_logs')

export type CronDiff = {
  readonly added: readonly string[]
  readonly updated: readonly string[]
  readonly deleted: readonly string[]
}

/** Makes the jobs those of `definitions`. One that is as before keeps its clock. */
export async function replaceCronJobs(
  tx: Transaction,
  definitions: readonly CronDefinition[],
  options: { readonly nowMs: number; readonly newSplaySeconds: () => number },
): Promise<CronDiff> {
  const stored = new Map((await cronJobs.list(tx)).map((job) => [job.name, job]))
  const added: string[] = []
  const updated: string[] = []
  for (const definition of definitions) {
    const existing = stored.get(definition.name)
    stored.delete(definition.name)
    if (existing === undefined) {
      await addCronJob(tx, definition, options)
      added.push(definition.name)
    } else if (await updateCronJob(tx, existing, definition, options.nowMs)) {
      updated.push(definition.name)
    }
  }
  for (const job of stored.values()) await deleteCronJob(tx, job)
  return { added, updated, deleted: [...stored.keys()] }
}

async function addCronJob(
  tx: Transaction,
  definition: CronDefinition,
  { nowMs, newSplaySeconds }: { readonly nowMs: number; readonly newSplaySeconds: () => number },
): Promise<void> {
  const splaySeconds = newSplaySeconds()
  const cronJobId = await cronJobs.insert(tx, {
    name: definition.name,
    cronSpec: toSpec(definition),
    splaySeconds,
  })
  const nextTs = toTs(firstRunMs(definition.schedule, splaySeconds, nowMs))
  await cronNextRuns.insert(tx, { cronJobId, state: { type: 'pending' }, prevTs: null, nextTs })
}

/** False if nothing has changed. */
async function updateCronJob(
  tx: Transaction,
  existing: StoredRecord<CronJob>,
  definition: CronDefinition,
  nowMs: number,
): Promise<boolean> {
  const cronSpec = toSpec(definition)
  if (describeSpec(existing.cronSpec) === describeSpec(cronSpec)) return false
  await cronJobs.patch(tx, existing._id, { cronSpec })
  const next = await cronNextRuns.first(tx, 'by_cron_job_id', [existing._id])
  if (next === null || next.state.type === 'inProgress') return true
  const nextMs = firstRunMs(definition.schedule, existing.splaySeconds, nowMs)
  if (Math.abs(nextMs - toMs(next.nextTs)) > schedulerLimits.keptNextRunMs) {
    await cronNextRuns.patch(tx, next._id, { nextTs: toTs(nextMs) })
  }
  return true
}

async function deleteCronJob(tx: Transaction, job: StoredRecord<CronJob>): Promise<void> {
  for (const next of await cronNextRuns.byIndex(tx, 'by_cron_job_id', [job._id]))
    await cronNextRuns.delete(tx, next._id)
  for (const run of await cronRuns.byIndex(tx, 'by_name_and_ts', [job.name])) await cronRuns.delete(tx, run._id)
  await cronJobs.delete(tx, job._id)
}

/** Records a run that is over and sets the next one. Occurrences that went by meanwhile are skipped, and that is recorded. */
export async function advanceCronJob(
  tx: Transaction,
  job: StoredRecord<CronJob>,
  next: StoredRecord<CronNextRun>,
  run: Pick<CronRun, 'status' | 'logLines' | 'executionTime'> & { readonly nowMs: number },
): Promise<{ readonly skipped: number }> {
  const { nowMs, status, logLines, executionTime } = run
  const { name, cronSpec, splaySeconds } = job
  const previousMs = toMs(next.nextTs)
  const { nextMs, skipped } = findRunAfter(cronSpec.cronSchedule, { splaySeconds, nowMs, previousMs })
  const target = { name, udfPath: cronSpec.udfPath, args: cronSpec.args }
  await cronRuns.insert(tx, { ...target, ts: next.nextTs, status, logLines, executionTime })
  if (skipped > 0) {
    await cronRuns.insert(tx, {
      ...target,
      ts: toTs(nowMs),
      status: { type: 'canceled', num_canceled: BigInt(skipped) },
      logLines: { logLines: [], isTruncated: false },
      executionTime: 0,
    })
  }
  const kept = await cronRuns.byIndex(tx, 'by_name_and_ts', [name], { order: 'desc' })
  for (const old of kept.slice(schedulerLimits.keptCronRuns)) await cronRuns.delete(tx, old._id)
  await cronNextRuns.patch(tx, next._id, { state: { type: 'pending' }, prevTs: next.nextTs, nextTs: toTs(nextMs) })
  return { skipped }
}

/** Intervals begin with the push. */
function firstRunMs(schedule: CronSchedule, splaySeconds: number, nowMs: number): number {
  if (schedule.type === 'interval') return nowMs
  return findNextRunMs(schedule, { splaySeconds, afterMs: nowMs, previousMs: nowMs })
}

function toSpec({ path, args, schedule }: CronDefinition): CronJob['cronSpec'] {
  return { udfPath: canonicalFunctionPath(path), args, cronSchedule: schedule }
}

/** Equal texts for equal specs. */
function describeSpec({ udfPath, args, cronSchedule }: CronJob['cronSpec']): string {
  const fields = Object.entries(cronSchedule).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([udfPath, args, fields.map(([name, value]) => [name, String(value)])])
}
