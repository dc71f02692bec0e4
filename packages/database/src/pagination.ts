import { BadRequest } from '@concave/base'
import type { KeyRange } from '@concave/storage'

import type { PageCursorCodec, Position } from './page-cursor.ts'
import { Pipeline } from './pipeline.ts'
import type { CursorHost } from './query-cursor.ts'
import type { QueryOperator } from './query-json.ts'
import { openScanner, rangeThrough, recordReads, restAfter, type Source } from './row-scanner.ts'
import { databaseLimits, defaultTransactionLimits } from './transaction-limits.ts'

/** Arguments of `1.0/queryPage`. `journal`: the end cursor of this query's previous run for the same subscription. */
export type PageOptions = {
  readonly cursor: string | null
  readonly endCursor: string | null
  readonly numItems: number
  readonly maximumRowsRead: number | null
  readonly maximumBytesRead: number | null
  readonly journal: string | null
}

export type PageResult = {
  /** Documents as wire JSON. */
  readonly page: readonly string[]
  readonly isDone: boolean
  readonly continueCursor: string
  readonly splitCursor: string | null
  readonly pageStatus: 'SplitRecommended' | 'SplitRequired' | null
  /** To be given back as `journal` when the query runs again. */
  readonly journal: string
}

export function checkPageOptions(options: PageOptions): void {
  const { numItems, maximumRowsRead, maximumBytesRead } = options
  if (numItems === 0) {
    throw new BadRequest('NoDocumentsForPagination', 'Must request at least 1 document while paginating')
  }
  if (numItems > databaseLimits.maxPageItems) {
    throw new BadRequest('PageSizeTooLarge', `Requested too many items: ${numItems}`)
  }
  if (maximumRowsRead === 0 || maximumBytesRead === 0) {
    throw new BadRequest('InvalidPaginationLimit', 'maximumRowsRead and maximumBytesRead must be greater than 0')
  }
}

/** One page of a query (database.md §4.4, function-runtime.md §2.3). */
export async function readPage(deps: {
  readonly host: CursorHost
  readonly codec: PageCursorCodec
  readonly fingerprint: Uint8Array
  /** Undefined: the table does not exist. */
  readonly source: Source | undefined
  readonly operators: readonly QueryOperator[]
  readonly options: PageOptions
}): Promise<PageResult> {
  const { host, codec, fingerprint, source, operators, options } = deps
  const decode = (text: string | null): Position | undefined =>
    text === null ? undefined : codec.decode(fingerprint, text)
  const start = decode(options.cursor)
  const end = decode(options.endCursor ?? options.journal)
  const toResult = (
    page: Omit<Page, 'keys' | 'position'>,
    position: Position,
    keys: readonly Uint8Array[],
  ): PageResult => {
    const continueCursor = codec.encode(fingerprint, position)
    const middle = keys.length > 2 ? keys[Math.floor(keys.length / 2)] : undefined
    return {
      page: page.rows,
      isDone: position.kind === 'end',
      continueCursor,
      splitCursor: middle === undefined ? null : codec.encode(fingerprint, { kind: 'after', key: middle }),
      pageStatus: page.status,
      journal: continueCursor,
    }
  }
  if (source === undefined || start?.kind === 'end') return toResult({ rows: [], status: null }, { kind: 'end' }, [])
  let range = source.range
  if (start !== undefined) range = restAfter(range, start.key, source.order)
  if (end?.kind === 'after') range = rangeThrough(range, end.key, source.order)
  const page = await scanPage(host, { ...source, range }, new Pipeline(operators), options, end)
  return toResult(page, page.position, page.keys)
}

type Page = {
  readonly rows: readonly string[]
  readonly keys: readonly Uint8Array[]
  readonly status: PageResult['pageStatus']
  readonly position: Position
}

async function scanPage(
  host: CursorHost,
  source: Source,
  pipeline: Pipeline,
  options: PageOptions,
  end: Position | undefined,
): Promise<Page> {
  const scanner = openScanner({ snapshot: host.snapshot, writes: host.writes, source })
  const { isSystem } = source.table
  const readable = host.budget.readable(isSystem)
  const maxItems = end === undefined ? options.numItems : Number.MAX_SAFE_INTEGER
  const maxRows = end === undefined ? (options.maximumRowsRead ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER
  const maxBytes = end === undefined ? (options.maximumBytesRead ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER
  const rows: string[] = []
  const keys: Uint8Array[] = []
  let documents = 0
  let bytes = 0
  let last: Uint8Array | undefined
  const finish = (range: KeyRange, position: Position, isStopped: boolean): Page => {
    host.budget.addRead(isSystem, documents, bytes)
    recordReads(host.reads, source, range)
    const rowLimit = options.maximumRowsRead ?? defaultTransactionLimits.documentsRead
    const byteLimit = options.maximumBytesRead ?? defaultTransactionLimits.bytesRead
    const isLarge =
      documents > rowLimit * 0.75 || bytes > byteLimit * 0.75 || rows.length > databaseLimits.splitPageItems
    return { rows, keys, position, status: isStopped ? 'SplitRequired' : isLarge ? 'SplitRecommended' : null }
  }
  const stopAfter = (key: Uint8Array, isStopped: boolean): Page =>
    finish(rangeThrough(source.range, key, source.order), { kind: 'after', key }, isStopped)

  for (;;) {
    if (pipeline.isFull) {
      return last === undefined
        ? finish({ from: source.range.from, to: source.range.from }, { kind: 'end' }, false)
        : finish(rangeThrough(source.range, last, source.order), { kind: 'end' }, false)
    }
    if (last !== undefined && rows.length >= maxItems) return stopAfter(last, false)
    if (last !== undefined && (documents >= maxRows || bytes >= maxBytes)) return stopAfter(last, true)
    const row = scanner.take()
    if (row === undefined) {
      const wanted = pipeline.hasFilter ? databaseLimits.maxScanRows : maxItems - rows.length
      if (await scanner.fill(Math.min(wanted, maxRows - documents))) continue
      if (scanner.cutOff !== undefined) {
        if (last !== undefined) return stopAfter(last, true)
        finish(source.range, { kind: 'end' }, true)
        throw scanner.cutOff
      }
      return finish(source.range, end ?? { kind: 'end' }, false)
    }
    const { size } = row.document
    if (documents + 1 > readable.documents || bytes + size > readable.bytes) {
      if (last !== undefined) return stopAfter(last, true)
      host.budget.read(isSystem, 1, size)
    }
    documents += 1
    bytes += size
    last = row.key
    if (!pipeline.accepts(row.document)) continue
    rows.push(row.document.text)
    keys.push(row.key)
  }
}
