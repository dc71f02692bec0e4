/** Rows of a system table with an index `by_next_ts` in the order of that time: the queues of the scheduler. */
import type { Database, ReadSet, Transaction } from '@concave/database'
import { decodeValue } from '@concave/values'
import { schedulerLimits } from './scheduler-limits.ts'

export type DueTable = '_scheduled_jobs' | '_cron_next_run'

/** A table of one component: every component has queues of its own. */
export type DueQueue = { readonly table: DueTable; readonly namespace: string }

export type DueRows = {
  /** Ids of rows that are due, those that were due first in front; not all when there are many. */
  readonly due: readonly string[]
  /** When the first row that is not due will be; undefined if `due` holds not all or nothing follows. */
  readonly nextTs: bigint | undefined
  /** What was looked at, as of `ts`: a commit that touches it may change the answer. */
  readonly reads: ReadSet
  readonly ts: bigint
}

/** Reads as far as the first page with due rows that `isTaken` does not know, and otherwise one row beyond what is due. */
export async function readDueRows(
  database: Database,
  queue: DueQueue,
  options: { readonly nowNs: bigint; readonly isTaken: (id: string) => boolean },
): Promise<DueRows> {
  const { table, namespace } = queue
  const { value, ts, reads } = await database.read((tx) => scanDueRows(tx, table, options), { namespace })
  return { ...value, ts, reads }
}

/** When the first row will be due, whether that is past or to come. */
export async function readFirstDue(database: Database, { table, namespace }: DueQueue): Promise<bigint | undefined> {
  const options = { nowNs: 0n, isTaken: () => false }
  const { value } = await database.read((tx) => scanDueRows(tx, table, options), { namespace })
  return value.nextTs
}

async function scanDueRows(
  tx: Transaction,
  table: DueTable,
  options: { readonly nowNs: bigint; readonly isTaken: (id: string) => boolean },
): Promise<Pick<DueRows, 'due' | 'nextTs'>> {
  // Rows without a time sort before null.
  const range = [{ type: 'Gt', fieldPath: 'nextTs', value: null }]
  const source = { type: 'IndexRange', indexName: `${table}.by_next_ts`, range, order: 'asc' }
  const cursor = tx.openCursor({ source, operators: [] }, { scope: 'private' })
  const due: string[] = []
  let nextTs: bigint | undefined
  let isDone = false
  // Mostly nothing is due: then one row tells, and no others are brought into memory.
  let rows = 1
  while (!isDone && due.length < 2 && nextTs === undefined) {
    const page = await cursor.nextPage(rows)
    isDone = page.done
    rows = schedulerLimits.pageRows
    let consumed = 0
    for (const text of page.rows) {
      const row = JSON.parse(text) as { readonly _id: string; readonly nextTs: unknown }
      const rowTs = decodeValue(row.nextTs) as bigint
      consumed += 1
      if (rowTs > options.nowNs) {
        nextTs = rowTs
        break
      }
      if (!options.isTaken(row._id)) due.push(row._id)
    }
    cursor.consumed(consumed)
  }
  cursor.close()
  return { due, nextTs }
}
