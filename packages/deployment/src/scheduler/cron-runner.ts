/**
 * Runs one occurrence of a cron job: a mutation's effects and the move to the next occurrence are one commit, an action
 * is marked before it starts and never started twice (function-runtime.md §8.3). One run at a time, because the next time
 * is set when the run has ended.
 */
import type { StoredRecord, Transaction } from '@concave/database'
import type { ScheduledCall, ScheduledOutcome } from '../functions/scheduled-run.ts'
import {
  advanceCronJob,
  type CronJob,
  cronJobs,
  type CronNextRun,
  cronNextRuns,
  type CronRun,
  type CronRunStatus,
} from './cron-jobs.ts'
import {
  createCall,
  findTarget,
  mutateSurely,
  runActionOnce,
  type RunnerDependencies,
  runningState,
  transientErrorText,
  udfTypeOf,
  unsupportedTypeText,
} from './job-runner.ts'
import { schedulerLimits } from './scheduler-limits.ts'

type Occurrence = {
  /** Of the component whose `crons.ts` has the job. */
  readonly namespace: string
  readonly job: StoredRecord<CronJob>
  readonly next: StoredRecord<CronNextRun>
}
type EndedRun = {
  readonly status: CronRunStatus
  readonly logLines: readonly string[]
  readonly durationMs: number
}

export class CronRunner {
  readonly #deps: RunnerDependencies

  constructor(deps: RunnerDependencies) {
    this.#deps = deps
  }

  /** `id` is that of the row in the component's `_cron_next_run`. Rejects if nothing could be done. */
  async run(namespace: string, id: string): Promise<void> {
    const { value: occurrence } = await this.#deps.database.read((tx) => load(tx, id), { namespace })
    if (occurrence === undefined) return
    const { job, next } = occurrence
    if (next.state.type === 'inProgress') return await this.#end(occurrence, failedRun(transientErrorText))
    const target = await findTarget(this.#deps, job.cronSpec, namespace)
    // Unmounted, and its cron jobs with it.
    if (target === undefined) return
    const call = createCall(target, job.cronSpec, { kind: 'cron', name: job.name })
    const kind = udfTypeOf(target)
    if (kind === 'Action') await this.#runAction(occurrence, call)
    else if (kind === 'Query') await this.#end(occurrence, failedRun(unsupportedTypeText(call)))
    else await this.#runMutation(occurrence, call)
  }

  async #runMutation(occurrence: Occurrence, call: ScheduledCall): Promise<void> {
    let current: Occurrence | undefined
    const outcome: ScheduledOutcome = await this.#deps.functions.runScheduled(call, {
      begin: async (tx) => {
        current = await tx.within(occurrence.namespace, () => loadSame(tx, occurrence))
        return current !== undefined
      },
      finish: async (tx, { resultText, logLines, durationMs }) => {
        if (current !== undefined)
          await this.#advance(tx, current, { status: succeeded(resultText), logLines, durationMs })
      },
    })
    if (outcome.kind !== 'error') return
    const { message, logLines, durationMs } = outcome
    await this.#end(occurrence, { status: { type: 'err', error: message }, logLines, durationMs })
  }

  async #runAction(occurrence: Occurrence, call: ScheduledCall): Promise<void> {
    const { database, functions, clock, log } = this.#deps
    const state = runningState(call)
    const start = async (tx: Transaction): Promise<boolean> => {
      if ((await loadSame(tx, occurrence)) === undefined) return false
      await cronNextRuns.patch(tx, occurrence.next._id, { state })
      return true
    }
    const { namespace } = occurrence
    const { value: isOurs } = await database.mutate('system:startCronAction', start, { namespace })
    if (!isOurs) return
    const startedAtMs = clock.nowMs()
    const ended = await runActionOnce(functions, call, log)
    const started = { ...occurrence, next: { ...occurrence.next, state } }
    const status: CronRunStatus =
      ended.state.type === 'success' ? succeeded(ended.resultText) : { type: 'err', error: ended.state.error }
    await this.#end(started, { status, logLines: ended.logLines, durationMs: clock.nowMs() - startedAtMs })
  }

  async #end(occurrence: Occurrence, run: EndedRun): Promise<void> {
    const end = async (tx: Transaction): Promise<void> => {
      const current = await loadSame(tx, occurrence)
      if (current !== undefined) await this.#advance(tx, current, run)
    }
    await mutateSurely(this.#deps, 'system:endCronRun', end, { namespace: occurrence.namespace })
  }

  async #advance(tx: Transaction, { namespace, job, next }: Occurrence, run: EndedRun): Promise<void> {
    const { clock, log } = this.#deps
    const ended = {
      nowMs: clock.nowMs(),
      status: run.status,
      logLines: shorten(run.logLines),
      executionTime: run.durationMs / 1000,
    }
    const { skipped } = await tx.within(namespace, () => advanceCronJob(tx, job, next, ended))
    if (skipped === 0) return
    const text = `Skipping ${skipped} run(s) of job ${job.name} because multiple scheduled runs are in the past`
    log.warn({ code: 'SkippingPastScheduledRuns' }, text)
  }
}

/** In the namespace of `tx`. */
async function load(tx: Transaction, id: string): Promise<Occurrence | undefined> {
  const next = await cronNextRuns.get(tx, id)
  const job = next === null ? null : await cronJobs.get(tx, next.cronJobId)
  return next === null || job === null ? undefined : { namespace: tx.namespace, job, next }
}

/** The occurrence as it is now, in the namespace of `tx`; undefined if it was run, or its job changed or went, meanwhile. */
async function loadSame(tx: Transaction, { next }: Occurrence): Promise<Occurrence | undefined> {
  const current = await load(tx, next._id)
  if (current === undefined || current.next.nextTs !== next.nextTs) return undefined
  return executionOf(current.next) === executionOf(next) ? current : undefined
}

function executionOf({ state }: CronNextRun): string | undefined {
  return state.type === 'inProgress' ? state.executionId : undefined
}

function succeeded(resultText: string): CronRunStatus {
  const { maxCronRecordLength } = schedulerLimits
  return resultText.length > maxCronRecordLength
    ? { type: 'success', result: { type: 'truncated', value: resultText.slice(0, maxCronRecordLength) } }
    : { type: 'success', result: { type: 'default', value: resultText } }
}

function failedRun(error: string): EndedRun {
  return { status: { type: 'err', error }, logLines: [], durationMs: 0 }
}

/** As many characters of log lines as a record keeps. */
function shorten(lines: readonly string[]): CronRun['logLines'] {
  let left: number = schedulerLimits.maxCronRecordLength
  const logLines: string[] = []
  for (const line of lines) {
    if (line.length > left) return { logLines, isTruncated: true }
    left -= line.length
    logLines.push(line)
  }
  return { logLines, isTruncated: false }
}
