import { assert } from '@concave/base'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type {
  CountResult,
  GetResult,
  HistoryQuery,
  KeyRange,
  KeysResult,
  LogRecord,
  ReadOp,
  ReadResult,
  ScanResult,
  ScanRow,
  StoredDocument,
  Tablet,
  Ts,
} from '../storage.ts'
import { decodeCommit } from './record-codec.ts'
import { openForReading, partition, type ConnectionOptions } from './schema.ts'

type ScanOp = Extract<ReadOp, { kind: 'scanIndex' | 'scanDocuments' }>
type KeysOp = Extract<ReadOp, { kind: 'scanKeys' }>
type CountOp = Extract<ReadOp, { kind: 'countKeys' }>
type Column = string | bigint | null
/** Key and document id in hex, then the current revision: ts, size, text; null where there is none. */
type CurrentRow = readonly [string, string, bigint | null, bigint | null, string | null]
/** An entry of the past, whose revision must still be looked up. */
type PastRow = readonly [string, string]

/** Rows fetched at once; a page with large documents then stops soon after `maxBytes`. */
const fetchRowsMax = 128

/**
 * Reads one database file on the calling thread. A read at T takes current rows that appeared at or before T, and from
 * history those that were visible at T; an entry's document likewise.
 *
 * Reads share one SQLite transaction until a read asks for a ts above its head or `release` ends it: opening one costs
 * as much as several reads, and SQLite forgets all cached pages when the file has changed since the last one. A read at
 * exactly its head needs no history. It holds checkpoints up, so it must be released every now and then.
 *
 * Scans read byte strings as hex: `node:sqlite` makes each BLOB an ArrayBuffer of its own, which costs more than all the
 * rest of a row. Upper case hex sorts as the bytes do. The byte strings of one page share one buffer.
 *
 * `LIMIT ? + 0`: SQLite looks at the value of a bare `LIMIT ?` while it plans, and so plans anew whenever it is bound.
 */
export class SnapshotReader {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  #heldTs: Ts | undefined

  constructor(path: string, options: ConnectionOptions) {
    this.#database = openForReading(path, options)
    this.#begin = this.#database.prepare('BEGIN')
    this.#commit = this.#database.prepare('COMMIT')
  }

  /** Head of the transaction that is open, undefined if none is. */
  get heldTs(): Ts | undefined {
    return this.#heldTs
  }

  /** `at` must be at or below the head. */
  read(at: Ts, ops: readonly ReadOp[]): ReadResult[] {
    if (this.#heldTs === undefined || this.#heldTs < at) this.#renew(at)
    return ops.map((op) => this.#readOne(at, op))
  }

  /** Ends the transaction: the next read sees all that is in the file by then. */
  release(): void {
    if (this.#heldTs === undefined) return
    this.#heldTs = undefined
    this.#commit.run()
  }

  #readOne(at: Ts, op: ReadOp): ReadResult {
    switch (op.kind) {
      case 'get':
        return this.#get(at, op.tablet, op.ids)
      case 'scanIndex':
      case 'scanDocuments':
        return this.#scan(at, op)
      case 'scanKeys':
        return this.#scanKeys(at, op)
      case 'countKeys':
        return this.#countKeys(at, op)
    }
  }

  history({ after, until, limit }: HistoryQuery): LogRecord[] {
    this.release()
    const rows = this.#all(
      `SELECT ts, record FROM log WHERE partition = ${partition} AND ts > ? AND ts <= ? ORDER BY ts LIMIT ? + 0`,
      [after, until, limit],
    ) as unknown as (readonly [bigint, Uint8Array])[]
    return rows.map(([ts, record]) => decodeCommit(ts, record))
  }

  getMeta(key: string): { readonly value: string; readonly version: number } | undefined {
    this.release()
    const row = this.#get1('SELECT value, version FROM meta WHERE key = ?', [key])
    return row === undefined ? undefined : { value: row[0] as string, version: Number(row[1]) }
  }

  close(): void {
    this.release()
    this.#statements.clear()
    this.#database.close()
  }

  #renew(at: Ts): void {
    this.release()
    this.#begin.run()
    const head = this.#get1(`SELECT ts FROM head WHERE partition = ${partition}`, [])
    this.#heldTs = head?.[0] as Ts
    assert(at <= this.#heldTs, `Read at ${at}, above the head ${this.#heldTs}.`)
  }

  #get(at: Ts, tablet: Tablet, ids: readonly Uint8Array[]): GetResult {
    return { kind: 'get', documents: ids.map((id) => this.#document(at, tablet, id)) }
  }

  #document(at: Ts, tablet: Tablet, id: Uint8Array): StoredDocument | undefined {
    const row = this.#get1('SELECT ts, size, text FROM docs WHERE tablet = ? AND id = ?', [tablet, id])
    if (row !== undefined && (row[0] as bigint) <= at) {
      return { id, ts: row[0] as bigint, text: row[2] as string, size: Number(row[1]) }
    }
    return at === this.#heldTs ? undefined : this.#pastDocument(at, tablet, id)
  }

  #pastDocument(at: Ts, tablet: Tablet, id: Uint8Array): StoredDocument | undefined {
    const row = this.#get1(
      'SELECT from_ts, size, text FROM hdocs WHERE tablet = ? AND id = ? AND until_ts > ? ORDER BY until_ts LIMIT 1',
      [tablet, id, at],
    )
    if (row === undefined || (row[0] as bigint) > at) return undefined
    return { id, ts: row[0] as bigint, text: row[2] as string, size: Number(row[1]) }
  }

  #scan(at: Ts, op: ScanOp): ScanResult {
    const rows: ScanRow[] = []
    let bytes = 0
    let range = op.range
    while (rows.length < op.limit && bytes < op.maxBytes) {
      // One row more than needed tells whether the range ends here.
      const fetchMax = Math.min(op.limit - rows.length + 1, fetchRowsMax)
      const page =
        op.kind === 'scanIndex' ? this.#indexPage(at, op, range, fetchMax) : this.#documentPage(at, op, range, fetchMax)
      let taken = 0
      for (const row of page) {
        if (rows.length >= op.limit || bytes >= op.maxBytes) break
        rows.push(row)
        bytes += row.size
        taken += 1
      }
      if (taken < page.length) return { kind: 'scan', rows, exhausted: false }
      const last = page.at(-1)
      if (last === undefined || page.length < fetchMax) return { kind: 'scan', rows, exhausted: true }
      range = beyond(range, op.order, last.key)
    }
    return { kind: 'scan', rows, exhausted: false }
  }

  #indexPage(at: Ts, op: Extract<ScanOp, { kind: 'scanIndex' }>, range: KeyRange, fetchMax: number): ScanRow[] {
    const bounds = rangeSql('key', range, op.order)
    const current = this.#all(
      `SELECT hex(i.key), hex(i.id), d.ts, d.size, d.text FROM idx AS i LEFT JOIN docs AS d ON d.tablet = i.tablet AND d.id = i.id
       WHERE i.index_id = ? ${bounds.where} AND i.from_ts <= ? ${bounds.orderBy} LIMIT ? + 0`,
      [op.index, ...bounds.values, at, fetchMax],
    ) as unknown as CurrentRow[]
    const past =
      at === this.#heldTs
        ? []
        : (this.#all(
            `SELECT hex(key), hex(id) FROM hidx WHERE index_id = ? AND until_ts > ? ${bounds.where} AND from_ts <= ? ${bounds.orderBy} LIMIT ? + 0`,
            [op.index, at, ...bounds.values, at, fetchMax],
          ) as unknown as PastRow[])
    const rows = mergeRows(current, past, op.order, fetchMax)
    const bytes = new PageBytes(rows)
    return rows.map(([keyHex, idHex, ts, size, text]) => {
      const key = bytes.decode(keyHex)
      const id = bytes.decode(idHex)
      if (ts !== null && ts !== undefined && ts <= at) return { id, ts, text: text as string, size: Number(size), key }
      // `ts` is undefined for an entry of the past, whose document may well be current.
      const document = ts === undefined ? this.#document(at, op.tablet, id) : this.#pastDocument(at, op.tablet, id)
      assert(document !== undefined, `Index ${op.index} has an entry without a document at ${at}.`)
      return { ...document, key }
    })
  }

  /** One text of hex digits for the whole page: making something of every key would cost more than reading it. */
  #scanKeys(at: Ts, { index, range, limit, skip }: KeysOp): KeysResult {
    const bounds = rangeSql('key', range, 'asc')
    const current = `SELECT key FROM idx WHERE index_id = ? ${bounds.where} AND from_ts <= ?`
    const past = `UNION ALL SELECT key FROM hidx WHERE index_id = ? AND until_ts > ? ${bounds.where} AND from_ts <= ?`
    const isHead = at === this.#heldTs
    const row = this.#get1(
      `SELECT count(*), coalesce(group_concat(hex(substr(key, ?)), ''), '')
       FROM (${current} ${isHead ? '' : past} ORDER BY key LIMIT ? + 0)`,
      [skip + 1, index, ...bounds.values, at, ...(isHead ? [] : [index, at, ...bounds.values, at]), limit],
    )
    const count = Number(row?.[0])
    const hex = row?.[1] as string
    const bytes = Buffer.allocUnsafeSlow(hex.length / 2)
    bytes.write(hex, 'hex')
    return { kind: 'keys', bytes: new Uint8Array(bytes.buffer), count, exhausted: count < limit }
  }

  #countKeys(at: Ts, { index, range }: CountOp): CountResult {
    const bounds = rangeSql('key', range, 'asc')
    const current = this.#get1(`SELECT count(*) FROM idx WHERE index_id = ? ${bounds.where} AND from_ts <= ?`, [
      index,
      ...bounds.values,
      at,
    ])
    if (at === this.#heldTs) return { kind: 'count', count: Number(current?.[0]) }
    const past = this.#get1(
      `SELECT count(*) FROM hidx WHERE index_id = ? AND until_ts > ? ${bounds.where} AND from_ts <= ?`,
      [index, at, ...bounds.values, at],
    )
    return { kind: 'count', count: Number(current?.[0]) + Number(past?.[0]) }
  }

  #documentPage(at: Ts, op: Extract<ScanOp, { kind: 'scanDocuments' }>, range: KeyRange, fetchMax: number): ScanRow[] {
    const bounds = rangeSql('id', range, op.order)
    const current = this.#all(
      `SELECT hex(id), NULL, ts, size, text FROM docs WHERE tablet = ? ${bounds.where} AND ts <= ? ${bounds.orderBy} LIMIT ? + 0`,
      [op.tablet, ...bounds.values, at, fetchMax],
    ) as unknown as CurrentRow[]
    const past =
      at === this.#heldTs
        ? []
        : (this.#all(
            `SELECT hex(id), NULL, from_ts, size, text FROM hdocs
             WHERE tablet = ? ${bounds.where} AND until_ts > ? AND from_ts <= ? ${bounds.orderBy} LIMIT ? + 0`,
            [op.tablet, ...bounds.values, at, at, fetchMax],
          ) as unknown as CurrentRow[])
    const rows = mergeRows(current, past, op.order, fetchMax)
    const bytes = new PageBytes(rows)
    return rows.map(([idHex, , ts, size, text]) => {
      const id = bytes.decode(idHex)
      return { id, ts: ts as bigint, text: text as string, size: Number(size), key: id }
    })
  }

  #all(sql: string, values: SQLInputValue[]): Column[][] {
    return this.#statement(sql).all(...values) as unknown as Column[][]
  }

  #get1(sql: string, values: SQLInputValue[]): Column[] | undefined {
    return this.#statement(sql).get(...values) as unknown as Column[] | undefined
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      statement.setReadBigInts(true)
      statement.setReturnArrays(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function rangeSql(
  column: 'key' | 'id',
  { from, to }: KeyRange,
  order: 'asc' | 'desc',
): { readonly where: string; readonly orderBy: string; readonly values: readonly Uint8Array[] } {
  const where = to === undefined ? `AND ${column} >= ?` : `AND ${column} >= ? AND ${column} < ?`
  return { where, orderBy: `ORDER BY ${column} ${order}`, values: to === undefined ? [from] : [from, to] }
}

/** What of `range` comes after `key` in `order`. */
function beyond(range: KeyRange, order: 'asc' | 'desc', key: Uint8Array): KeyRange {
  if (order === 'desc') return { from: range.from, to: key }
  // The smallest byte string above a key is the key with a zero byte.
  const from = new Uint8Array(key.length + 1)
  from.set(key)
  return { from, to: range.to }
}

/** Both are in `order`, and no key is visible in both. */
function mergeRows<C extends HexRow, P extends HexRow>(
  current: readonly C[],
  past: readonly P[],
  order: 'asc' | 'desc',
  limit: number,
): readonly (C | P)[] {
  if (past.length === 0) return current
  const sign = order === 'asc' ? 1 : -1
  const merged: (C | P)[] = [...current, ...past]
  merged.sort((left, right) => (left[0] < right[0] ? -sign : sign))
  return merged.slice(0, limit)
}

type HexRow = readonly [string, string | null, ...unknown[]]

/** One buffer for the byte strings of a page of rows. */
class PageBytes {
  readonly #buffer: Buffer<ArrayBuffer>
  #position = 0

  constructor(rows: readonly HexRow[]) {
    let digits = 0
    for (const [key, id] of rows) digits += key.length + (id?.length ?? 0)
    this.#buffer = Buffer.allocUnsafeSlow(digits / 2)
  }

  decode(hex: string): Uint8Array {
    const start = this.#position
    const length = this.#buffer.write(hex, start, 'hex')
    this.#position += length
    return new Uint8Array(this.#buffer.buffer, start, length)
  }
}
