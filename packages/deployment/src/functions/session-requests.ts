/**
 * Outcomes of clients' mutations, recorded in the commit of the mutation itself: a request that is sent again after a
 * reconnect is answered from here and runs nothing (sync-and-http.md §1.6). Failed mutations leave no row.
 */
import type { Transaction } from '@concave/database'
import type { MutationOutcome, SessionRequest } from '@concave/sync'
import { commitTs, createValueObject, parseValue, stringifyValue, type Value } from '@concave/values'
import { assert } from '@concave/base'

const table = '_session_requests'

/** The look-up is in the read set, so that two runs of one request conflict. */
export async function findSessionRequest(
  tx: Transaction,
  session: SessionRequest,
): Promise<MutationOutcome | undefined> {
  const eq = (fieldPath: string, value: string | number): object => ({ type: 'Eq', fieldPath, value })
  const range = [eq('sessionId', session.sessionId), eq('requestId', session.requestNumber)]
  const source = { type: 'IndexRange', indexName: `${table}.by_session_id_and_request_id`, range, order: 'asc' }
  const cursor = tx.openCursor({ source, operators: [{ limit: 1 }] }, { scope: 'private' })
  const [text] = (await cursor.nextPage(1)).rows
  cursor.close()
  if (text === undefined) return undefined
  const row = parseValue(text) as { readonly [field: string]: Value }
  const { value, ts, logLines } = row
  assert(value !== undefined && typeof ts === 'bigint', 'a recorded request has its outcome')
  return { kind: 'success', valueText: stringifyValue(value), ts, logLines: logLines as readonly string[] }
}

export async function recordSessionRequest(
  tx: Transaction,
  session: SessionRequest,
  value: Value,
  logLines: readonly string[],
): Promise<void> {
  const row = { sessionId: session.sessionId, requestId: session.requestNumber, value, logLines, ts: commitTs }
  await tx.insert(table, Object.assign(createValueObject(), row), { scope: 'private' })
}
