/** Work on many scheduled functions at once: in batches, found in a snapshot and changed by id, so that little conflicts. */
import type { Clock } from '@concave/base'
import type { Database, StoredRecord, Transaction } from '@concave/database'
import { encodeValue, parseJson } from '@concave/values'
import { cancelStored, type ScheduledJob, scheduledJobs } from './scheduled-jobs.ts'
import { schedulerLimits } from './scheduler-limits.ts'

export type JobFilter = {
  /** Of the component that has scheduled them. */
  readonly namespace: string
  /** Component that the functions belong to; undefined for any. */
  readonly targetComponentId: string | undefined
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
  const jobs = {
    namespace: filter.namespace,
    source: createRange(index, [...prefix, from, ...until], 'desc'),
    filters: filter.targetComponentId === undefined ? [] : [isForComponent(filter.targetComponentId, filter.namespace)],
  }
  await changeAll(deps.database, 'system:cancelAllJobs', jobs, (tx, job) => cancelStored(tx, job, deps.clock.nowMs()))
}

/** Rows name the component of their function only if it is another. */
function isForComponent(componentId: string, namespace: string): object {
  const literal = componentId === namespace ? { $undefined: null } : componentId
  return { $eq: [{ $field: 'component' }, { $literal: literal }] }
}

export async function deleteJobs(database: Database, namespace: string): Promise<void> {
  const source = createRange('by_creation_time', [], 'desc')
  await changeAll(database, 'system:deleteScheduledFunctions', { namespace, source }, deleteJob)
}

/** Forgets jobs that finished before `beforeTs`. */
export async function deleteFinishedJobs(
  database: Database,
  namespace: string,
  beforeTs: bigint,
  signal: AbortSignal,
): Promise<void> {
  const range = [
    { type: 'Gt', fieldPath: 'completedTs', value: null },
    { type: 'Lt', fieldPath: 'completedTs', value: encodeValue(beforeTs) },
  ]
  const source = createRange('by_completed_ts', range, 'asc')
  await changeAll(database, 'system:cleanUpScheduledJobs', { namespace, source }, deleteJob, signal)
}

async function deleteJob(tx: Transaction, job: StoredRecord<ScheduledJob>): Promise<void> {
  await scheduledJobs.delete(tx, job._id)
}

function createRange(index: string, range: readonly object[], order: 'asc' | 'desc'): object {
  return { type: 'IndexRange', indexName: `${scheduledJobs.name}.${index}`, range, order }
}

type SelectedJobs = {
  readonly namespace: string
  readonly source: object
  readonly filters?: readonly object[]
}

/** `change` must take a row out of the selection. Rows that went meanwhile are left out. */
async function changeAll(
  database: Database,
  name: string,
  jobs: SelectedJobs,
  change: (tx: Transaction, job: StoredRecord<ScheduledJob>) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  while (signal?.aborted !== true) {
    const ids = await readIds(database, jobs)
    if (ids.length === 0) return
    const changeBatch = async (tx: Transaction): Promise<void> => {
      for (const id of ids) {
        const job = await scheduledJobs.get(tx, id)
        if (job !== null) await change(tx, job)
      }
    }
    await database.mutate(name, changeBatch, { namespace: jobs.namespace })
  }
}

/** Ids of the first rows of the selection, at most a batch. */
async function readIds(
  database: Database,
  { namespace, source, filters = [] }: SelectedJobs,
): Promise<readonly string[]> {
  const operators = [...filters.map((filter) => ({ filter })), { limit: schedulerLimits.batchRows }]
  const read = async (tx: Transaction): Promise<readonly string[]> => {
    const cursor = tx.openCursor({ source, operators }, { scope: 'private' })
    const texts: string[] = []
    for (let isDone = false; !isDone;) {
      const page = await cursor.nextPage(schedulerLimits.batchRows)
      texts.push(...page.rows)
      isDone = page.done
    }
    cursor.close()
    return texts.map((text) => (parseJson(text) as { readonly _id: string })._id)
  }
  return (await database.read(read, { namespace })).value
}
