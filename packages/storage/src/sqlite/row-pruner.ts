import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { PruneBounds, Ts } from '../storage.ts'
import { decodeWrites } from './record-codec.ts'
import { partition } from './schema.ts'

/**
 * Forgets history, log records and dropped tablets and indexes. Superseded rows are found through the log: the record
 * at T names exactly the documents and entries whose history row ends at T, so history needs no index by time. Hence a
 * log record outlives the history that it names. Runs inside a transaction that the caller opened.
 */
export class RowPruner {
  readonly #bounds: StatementSync
  readonly #setBounds: StatementSync
  readonly #setHistoryPruned: StatementSync
  readonly #nextRecords: StatementSync
  readonly #deleteHistoryDocument: StatementSync
  readonly #deleteHistoryEntry: StatementSync
  readonly #deleteLog: StatementSync
  readonly #deleteTablet: readonly StatementSync[]
  readonly #deleteIndex: readonly StatementSync[]

  constructor(database: DatabaseSync) {
    const prepare = (sql: string): StatementSync => {
      const statement = database.prepare(sql)
      statement.setReadBigInts(true)
      return statement
    }
    this.#bounds = prepare(`SELECT history_pruned FROM head WHERE partition = ${partition}`)
    this.#setBounds = prepare(
      `UPDATE head SET history_bound = max(history_bound, min(ts, ?)), log_bound = max(log_bound, min(ts, ?))
       WHERE partition = ${partition} RETURNING history_bound, log_bound`,
    )
    this.#setHistoryPruned = prepare(`UPDATE head SET history_pruned = ? WHERE partition = ${partition}`)
    this.#nextRecords = prepare(
      `SELECT ts, record FROM log WHERE partition = ${partition} AND ts > ? AND ts <= ? ORDER BY ts LIMIT 64`,
    )
    this.#deleteHistoryDocument = prepare('DELETE FROM hdocs WHERE tablet = ? AND id = ? AND until_ts = ?')
    this.#deleteHistoryEntry = prepare('DELETE FROM hidx WHERE index_id = ? AND until_ts = ? AND key = ?')
    this.#deleteLog = prepare(
      `DELETE FROM log WHERE partition = ${partition} AND ts IN
       (SELECT ts FROM log WHERE partition = ${partition} AND ts <= ? ORDER BY ts LIMIT ? + 0)`,
    )
    this.#deleteTablet = [
      prepare('DELETE FROM docs WHERE tablet = ?1 AND id IN (SELECT id FROM docs WHERE tablet = ?1 LIMIT ?2 + 0)'),
      prepare(
        `DELETE FROM hdocs WHERE tablet = ?1 AND (id, until_ts) IN
         (SELECT id, until_ts FROM hdocs WHERE tablet = ?1 LIMIT ?2 + 0)`,
      ),
    ]
    this.#deleteIndex = [
      prepare('DELETE FROM idx WHERE index_id = ?1 AND key IN (SELECT key FROM idx WHERE index_id = ?1 LIMIT ?2 + 0)'),
      prepare(
        `DELETE FROM hidx WHERE index_id = ?1 AND (until_ts, key) IN
         (SELECT until_ts, key FROM hidx WHERE index_id = ?1 LIMIT ?2 + 0)`,
      ),
    ]
  }

  prune(bounds: PruneBounds, maxRows: number): { done: boolean; historyBound: Ts; logBound: Ts } {
    const set = this.#setBounds.get(bounds.history, bounds.log)
    const historyBound = set?.['history_bound'] as Ts
    const logBound = set?.['log_bound'] as Ts
    let budget = maxRows
    budget -= this.#pruneHistory(historyBound, budget)
    const historyPruned = this.#bounds.get()?.['history_pruned'] as Ts
    budget -= run(this.#deleteLog, logBound < historyPruned ? logBound : historyPruned, budget)
    for (const tablet of bounds.tablets) {
      for (const statement of this.#deleteTablet) budget -= run(statement, tablet, budget)
    }
    for (const index of bounds.indexes) {
      for (const statement of this.#deleteIndex) budget -= run(statement, index, budget)
    }
    return { done: budget > 0, historyBound, logBound }
  }

  /** A record is done only when all its rows are gone; the next call meets a half-done one again. */
  #pruneHistory(bound: Ts, maxRows: number): number {
    let count = 0
    let position = this.#bounds.get()?.['history_pruned'] as Ts
    const start = position
    while (count < maxRows && position < bound) {
      const records = this.#nextRecords.all(position, bound)
      if (records.length === 0) position = bound
      for (const record of records) {
        if (count >= maxRows) break
        const ts = record['ts'] as Ts
        const { documents, indexes } = decodeWrites(record['record'] as Uint8Array)
        for (const { tablet, id, prevTs } of documents) {
          if (prevTs !== null && count < maxRows) count += changes(this.#deleteHistoryDocument.run(tablet, id, ts))
        }
        for (const { index, key } of indexes) {
          if (count < maxRows) count += changes(this.#deleteHistoryEntry.run(index, ts, key))
        }
        if (count < maxRows) position = ts
      }
    }
    if (position > start) this.#setHistoryPruned.run(position)
    return count
  }
}

function run(statement: StatementSync, key: number | bigint, budget: number): number {
  return budget > 0 ? changes(statement.run(key, budget)) : 0
}

function changes(result: { readonly changes: number | bigint }): number {
  return Number(result.changes)
}
