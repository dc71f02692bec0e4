/** What the dashboard reads of scheduled functions and cron jobs (sync-and-http.md §6.4). */
import type { Transaction } from '@concave/database'
import { canonicalFunctionPath, parseFunctionPath } from '@concave/protocol'
import { isValueObject, parseValue, type Value, type ValueObject } from '@concave/values'
import { z } from 'zod'
import { cronJobs, cronNextRuns, cronRuns } from '../scheduler/cron-jobs.ts'
import { scheduledJobs } from '../scheduler/scheduled-jobs.ts'
import { define, object, pageLimits, paginationOpts, scan, type SystemFunction } from './system-function.ts'

/** By name. */
export function listScheduleFunctions(): readonly (readonly [string, SystemFunction])[] {
  const noArgs = z.looseObject({})
  return [
    ['_system/frontend/listCronJobs', define(noArgs, listCronJobs)],
    ['_system/frontend/listCronJobRuns', define(noArgs, listCronRuns)],
    [
      '_system/frontend/paginatedScheduledJobs',
      define(z.looseObject({ paginationOpts, udfPath: z.string().nullish() }), readScheduledJobs),
    ],
    ['_system/frontend/scheduler:getArgs', define(z.looseObject({ argsId: z.string() }), readArguments)],
  ]
}

async function listCronJobs(tx: Transaction): Promise<Value> {
  const runs = await scan(tx, cronRuns.name, { scope: 'private', order: 'desc' })
  const nextRuns = await scan(tx, cronNextRuns.name, { scope: 'private' })
  const jobs = await scan(tx, cronJobs.name, { scope: 'private' })
  return jobs.map((job) => {
    const lastRun = runs.find(({ name }) => name === job['name'])
    const nextRun = nextRuns.find(({ cronJobId }) => cronJobId === job['_id']) ?? null
    const { cronSpec } = job
    return object({
      ...job,
      cronSpec: isValueObject(cronSpec) ? withArgumentBytes(cronSpec) : null,
      lastRun: lastRun === undefined ? null : withArgumentBytes(lastRun),
      nextRun,
    })
  })
}

async function listCronRuns(tx: Transaction): Promise<Value> {
  return (await scan(tx, cronRuns.name, { scope: 'private', order: 'desc' })).map(withArgumentBytes)
}

/** Those that have not finished, the first due first. */
async function readScheduledJobs(
  tx: Transaction,
  args: { readonly paginationOpts: z.infer<typeof paginationOpts>; readonly udfPath?: string | null | undefined },
): Promise<Value> {
  const { paginationOpts: page, udfPath } = args
  const unfinished = { type: 'Gt', fieldPath: 'nextTs', value: null }
  const source =
    typeof udfPath === 'string'
      ? {
          indexName: `${scheduledJobs.name}.by_udf_path_and_next_event_ts`,
          range: [
            { type: 'Eq', fieldPath: 'udfPath', value: canonicalFunctionPath(parseFunctionPath(udfPath)) },
            unfinished,
          ],
        }
      : { indexName: `${scheduledJobs.name}.by_next_ts`, range: [unfinished] }
  const result = await tx.paginate(
    { source: { type: 'IndexRange', order: 'asc', ...source }, operators: [] },
    { cursor: page.cursor, endCursor: page.endCursor ?? null, numItems: page.numItems, journal: null, ...pageLimits },
    { scope: 'private' },
  )
  const rows = result.page.map((text) => parseValue(text) as ValueObject)
  return object({
    // Arguments lie in the row itself, which so is also the row that `scheduler:getArgs` finds.
    page: rows.map((row) => object({ ...withArgumentBytes(row), argsId: row['_id'] ?? null })),
    isDone: result.isDone,
    continueCursor: result.continueCursor,
  })
}

async function readArguments(tx: Transaction, { argsId }: { readonly argsId: string }): Promise<Value> {
  const id = tx.normalizeId('_scheduled_functions', argsId, { scope: 'private' })
  const job = id === null ? null : await scheduledJobs.get(tx, id)
  if (job === null) return null
  const { _id, _creationTime, args } = job
  return object({ _id, _creationTime, args: argumentBytes(args) })
}

/** `args`, the text of the argument object, as `udfArgs`: bytes of the argument array. */
function withArgumentBytes({ args, ...row }: ValueObject): ValueObject {
  return object({ ...row, udfArgs: argumentBytes(typeof args === 'string' ? args : '{}') })
}

function argumentBytes(args: string): Uint8Array {
  return new TextEncoder().encode(`[${args}]`)
}
