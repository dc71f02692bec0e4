/** Everything that changes one database file, in groups: one SQLite transaction, one sync for all that waits. */
import { assert, AssertionError, unreachable } from '@concave/base'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Ts } from '../storage.ts'
import type { CallAnswer, CallKind, CommitterReply, HeadRow, WriteRequest } from './committer-protocol.ts'
import { decodeBatch, decodeBulk } from './record-codec.ts'
import { RowPruner } from './row-pruner.ts'
import { RowWriter } from './row-writer.ts'
import { openForWriting, partition } from './schema.ts'

export type WalState = {
  /** Pages in the write-ahead log, and those of them already copied into the database. */
  readonly pages: number
  readonly copiedPages: number
}

export class DatabaseWriter {
  readonly #database: DatabaseSync
  readonly #rows: RowWriter
  /** Made when first needed: most databases are closed again before they are pruned. */
  #pruner: RowPruner | undefined
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #getHead: StatementSync
  readonly #setHead: StatementSync
  readonly #findBatch: StatementSync
  readonly #insertMeta: StatementSync
  readonly #updateMeta: StatementSync
  #headTs: Ts

  constructor(path: string, options: { readonly cacheKib: number; readonly generation: string }) {
    const database = openForWriting(path, options)
    this.#database = database
    this.#rows = new RowWriter(database)
    this.#begin = database.prepare('BEGIN IMMEDIATE')
    this.#commit = database.prepare('COMMIT')
    this.#getHead = database.prepare(
      `SELECT ts, generation, history_bound, log_bound FROM head WHERE partition = ${partition}`,
    )
    this.#getHead.setReadBigInts(true)
    this.#setHead = database.prepare(`UPDATE head SET ts = ? WHERE partition = ${partition}`)
    this.#findBatch = database.prepare(
      `SELECT ts FROM log WHERE partition = ${partition} AND ts > ? AND batch = ? ORDER BY ts DESC LIMIT 1`,
    )
    this.#findBatch.setReadBigInts(true)
    this.#insertMeta = database.prepare('INSERT INTO meta VALUES (?, ?, 1) ON CONFLICT DO NOTHING')
    this.#updateMeta = database.prepare(
      'UPDATE meta SET value = ?, version = version + 1 WHERE key = ? AND version = ?',
    )
    this.#headTs = this.head().ts
  }

  head(): HeadRow {
    const row = this.#getHead.get()
    assert(row !== undefined, 'The head row is missing.')
    return {
      ts: row['ts'] as Ts,
      generation: row['generation'] as string,
      historyBound: row['history_bound'] as Ts,
      logBound: row['log_bound'] as Ts,
    }
  }

  /**
   * Answers when all of `requests` are durable. A request that breaks an invariant must not take the others with it:
   * the group is then rolled back and each runs by itself. Throws if SQLite fails; the outcome is then unknown.
   */
  write(requests: readonly WriteRequest[]): CommitterReply[] {
    try {
      return this.#transaction(requests)
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error
      if (requests.length > 1) return requests.flatMap((request) => this.write([request]))
      return requests.map(({ requestId }) => ({ requestId, ok: false, isBug: true, message: error.message }))
    }
  }

  walState(): WalState {
    const row = this.#database.prepare('PRAGMA wal_checkpoint(NOOP)').get()
    return { pages: Number(row?.['log'] ?? 0), copiedPages: Number(row?.['checkpointed'] ?? 0) }
  }

  close(): void {
    this.#database.close()
  }

  #transaction(requests: readonly WriteRequest[]): CommitterReply[] {
    const headBefore = this.#headTs
    this.#begin.run()
    try {
      const replies = requests.map((request) => ({
        requestId: request.requestId,
        ok: true as const,
        answer: this.#answer(request),
      }))
      if (this.#headTs !== headBefore) this.#setHead.run(this.#headTs)
      this.#commit.run()
      return replies
    } catch (error) {
      this.#headTs = headBefore
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  #answer(request: WriteRequest): CallAnswer<CallKind> {
    switch (request.kind) {
      case 'append':
        return this.#append(request)
      case 'bulk':
        for (const row of decodeBulk(request.rows)) this.#rows.writeBulk(row)
        return null
      case 'setMeta':
        return this.#setMeta(request.key, request.value, request.ifVersion)
      case 'prune':
        if (this.#headTs !== this.head().ts) this.#setHead.run(this.#headTs)
        this.#pruner ??= new RowPruner(this.#database)
        return this.#pruner.prune(request.bounds, request.maxRows)
      default:
        return unreachable(request)
    }
  }

  #append(request: Extract<WriteRequest, { kind: 'append' }>): CallAnswer<'append'> {
    assert(request.expectTs <= this.#headTs, `Append to ${request.expectTs}, above the head ${this.#headTs}.`)
    if (request.expectTs !== this.#headTs) {
      const written = this.#findBatch.get(request.expectTs, request.batchId)
      if (written !== undefined) return { ok: true, ts: written['ts'] as Ts }
      return { ok: false, ts: this.#headTs }
    }
    for (const commit of decodeBatch(request.batch)) {
      assert(commit.ts > this.#headTs, `Commit ${commit.ts} is not above ${this.#headTs}.`)
      this.#rows.writeCommit(commit, request.batchId)
      this.#headTs = commit.ts
    }
    return { ok: true, ts: this.#headTs }
  }

  #setMeta(key: string, value: string, ifVersion: number): boolean {
    const result = ifVersion === 0 ? this.#insertMeta.run(key, value) : this.#updateMeta.run(value, key, ifVersion)
    return Number(result.changes) === 1
  }
}
