/** The statements that change rows. Everything here runs inside a transaction that the caller opened. */
import { assert, bytesEqual } from '@concave/base'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { BulkRow, IndexWrite, Ts } from '../storage.ts'
import { decodeWrites, type EncodedCommit, type EncodedDocumentWrite } from './record-codec.ts'
import { partition } from './schema.ts'

export class RowWriter {
  readonly #insertLog: StatementSync
  readonly #insertDocument: StatementSync
  readonly #updateDocument: StatementSync
  readonly #deleteDocument: StatementSync
  readonly #findDocumentTs: StatementSync
  readonly #keepDocument: StatementSync
  readonly #insertEntry: StatementSync
  readonly #findEntry: StatementSync
  readonly #keepEntry: StatementSync
  readonly #deleteEntry: StatementSync
  readonly #insertBulk: StatementSync

  constructor(database: DatabaseSync) {
    const prepare = (sql: string): StatementSync => {
      const statement = database.prepare(sql)
      statement.setReadBigInts(true)
      return statement
    }
    this.#insertLog = prepare('INSERT INTO log VALUES (?, ?, ?, ?)')
    // The text arrives as UTF-8 bytes; the cast stores them as they are.
    this.#insertDocument = prepare(
      'INSERT INTO docs (tablet, id, ts, size, text) VALUES (?, ?, ?, ?, CAST(? AS TEXT)) ON CONFLICT DO NOTHING',
    )
    this.#updateDocument = prepare(
      'UPDATE docs SET ts = ?, size = ?, text = CAST(? AS TEXT) WHERE tablet = ? AND id = ?',
    )
    this.#deleteDocument = prepare('DELETE FROM docs WHERE tablet = ? AND id = ?')
    this.#findDocumentTs = prepare('SELECT ts FROM docs WHERE tablet = ? AND id = ?')
    this.#keepDocument = prepare(
      `INSERT INTO hdocs (tablet, id, until_ts, from_ts, size, text)
       SELECT tablet, id, ?, ts, size, text FROM docs WHERE tablet = ? AND id = ? AND ts = ?`,
    )
    this.#insertEntry = prepare(
      'INSERT INTO idx (index_id, key, from_ts, tablet, id) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    )
    this.#findEntry = prepare('SELECT tablet, id FROM idx WHERE index_id = ? AND key = ?')
    this.#keepEntry = prepare(
      `INSERT INTO hidx (index_id, until_ts, key, from_ts, tablet, id)
       SELECT index_id, ?1, key, from_ts, tablet, id FROM idx WHERE index_id = ?2 AND key = ?3 AND from_ts < ?1`,
    )
    this.#deleteEntry = prepare('DELETE FROM idx WHERE index_id = ? AND key = ?')
    this.#insertBulk = prepare(
      `INSERT INTO idx (index_id, key, from_ts, tablet, id)
       SELECT ?, ?, ts, tablet, id FROM docs WHERE tablet = ? AND id = ? AND ts = ? ON CONFLICT DO NOTHING`,
    )
  }

  writeCommit({ ts, record }: EncodedCommit, batchId: string): void {
    this.#insertLog.run(partition, ts, batchId, record)
    const { documents, indexes } = decodeWrites(record)
    for (const write of documents) this.#writeDocument(ts, write)
    for (const write of indexes) this.#writeEntry(ts, write)
  }

  /** Skips a row unless its document is still the revision that it was computed from. */
  writeBulk(row: BulkRow): void {
    this.#insertBulk.run(row.index, row.key, row.tablet, row.id, row.documentTs)
  }

  #writeDocument(ts: Ts, { tablet, id, prevTs, text, size }: EncodedDocumentWrite): void {
    assert(prevTs === null || prevTs < ts, `A document of tablet ${tablet} is written twice in commit ${ts}.`)
    // A document that is gone may be written with or without the ts of its tombstone.
    const isReplaced = prevTs !== null && Number(this.#keepDocument.run(ts, tablet, id, prevTs).changes) === 1
    if (isReplaced) {
      if (text === null) this.#deleteDocument.run(tablet, id)
      else this.#updateDocument.run(ts, size, text, tablet, id)
      return
    }
    const isFree =
      text === null
        ? this.#findDocumentTs.get(tablet, id) === undefined
        : Number(this.#insertDocument.run(tablet, id, ts, size, text).changes) === 1
    assert(
      isFree,
      `A document of tablet ${tablet} has another current revision than the one that commit ${ts} replaces.`,
    )
  }

  #writeEntry(ts: Ts, { index, key, tablet, id, present }: IndexWrite): void {
    if (!present) {
      this.#endEntry(ts, index, key)
      return
    }
    if (Number(this.#insertEntry.run(index, key, ts, tablet, id).changes) === 1) return
    // An entry that is already there stays: its document did not change places.
    const current = this.#findEntry.get(index, key)
    if (Number(current?.['tablet']) === tablet && bytesEqual(current?.['id'] as Uint8Array, id)) return
    this.#endEntry(ts, index, key)
    this.#insertEntry.run(index, key, ts, tablet, id)
  }

  #endEntry(ts: Ts, index: number, key: Uint8Array): void {
    this.#keepEntry.run(ts, index, key)
    this.#deleteEntry.run(index, key)
  }
}
