/** Work on many scheduled functions at once: in batches, found in a snapshot and changed by id, so that little conflicts. */
import type { Clock } from '@concave/base'
import type { Database, StoredRecord, Transaction } from '@concave/database'
import { encodeValue, parseJson } from '@concave/values'
import { cancelStored, type ScheduledJob, scheduledJobs } from './scheduled-jobs.ts'
import { schedulerLimits } from './scheduler-limits.ts'

export type JobFilter = {
  /** `dir/module.js:export`. */
  readonly udfPath: string | undefined
  /** Due times, the first included and the second not. */
  readonly startTs: bigint | undefined
  readonly endTs: bigint | undefined
}

/** Cancels what has not finished, the latest due first: the earliest are being run. */
export async function cancelJobs(deps: { database: Database; clock: Clock }, filter: JobFilter): Promise<void> {
  const prefix = filter.udfPath === undefined ? [] : [{ type: 'Eq', fieldPath: 'udfPath', value: filter.udfPath }]
  const from =
    filter.startTs === undefined
      ? { type: 'Gt', fieldPath: 'nextTs', value: null }
      : { type: 'Gte', fieldPath: 'nextTs', value: encodeValue(filter.startTs) }
  const until =
    filter.endTs === undefined ? [] : [{ type: 'Lt', fieldPath: 'nextTs', value: encodeValue(filter.endTs) }]
  const index = filter.udfPath === undefined ? 'by_next_ts' : 'by_udf_path_and_next_event_ts'
  const source = createRange(index, [...prefix, from, ...until], 'desc')
  await changeAll(deps.database, 'system:cancelAllJobs', source, (tx, job) => cancelStored(tx, job, deps.clock.nowMs()))
}

export async function deleteJobs(database: Database): Promise<void> {
  const source = createRange('by_creation_time', [], 'desc')
  await changeAll(database, 'system:deleteScheduledFunctions', source, deleteJob)
}

/** Forgets jobs that finished before `beforeTs`. */
export async function deleteFinishedJobs(database: Database, beforeTs: bigint, signal: AbortSignal): Promise<void> {
  const range = [
    { type: 'Gt', fieldPath: 'completedTs', value: null },
    { type: 'Lt', fieldPath: 'completedTs', value: encodeValue(beforeTs) },
  ]
  const source = createRange('by_completed_ts', range, 'asc')
  await changeAll(database, 'system:cleanUpScheduledJobs', source, deleteJob, signal)
}

async function deleteJob(tx: Transaction, job: StoredRecord<ScheduledJob>): Promise<void> {
  await scheduledJobs.delete(tx, job._id)
}

function createRange(index: string, range: readonly object[], order: 'asc' | 'desc'): object {
  return { type: 'IndexRange', indexName: `${scheduledJobs.name}.${index}`, range, order }
}

/** `change` must take a row out of the range. Rows that went meanwhile are left out. */
async function changeAll(
  database: Database,
  name: string,
  source: object,
  change: (tx: Transaction, job: StoredRecord<ScheduledJob>) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  while (signal?.aborted !== true) {
    const ids = await readIds(database, source)
    if (ids.length === 0) return
    await database.mutate(name, async (tx) => {
      for (const id of ids) {
        const job = await scheduledJobs.get(tx, id)
        if (job !== null) await change(tx, job)
      }
    })
  }
}

/** Ids of the first rows of the range, as far as one page goes. */
async function readIds(database: Database, source: object): Promise<readonly string[]> {
  const { value } = await database.read(async (tx) => {
    const operators = [{ limit: schedulerLimits.batchRows }]
    const cursor = tx.openCursor({ source, operators }, { scope: 'private' })
    const { rows } = await cursor.nextPage(schedulerLimits.batchRows)
    cursor.close()
    return rows.map((text) => (parseJson(text) as { readonly _id: string })._id)
  })
  return value
}
