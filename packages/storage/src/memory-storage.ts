import { assert, bytesEqual, bytesToHex, systemRandom } from '@concave/base'
import { OrderedMap } from './ordered-map.ts'
import type {
  Appended,
  BulkRow,
  Commit,
  DocumentWrite,
  GetResult,
  Head,
  HistoryQuery,
  IndexId,
  IndexWrite,
  KeyRange,
  KeysResult,
  LogRecord,
  MetaStore,
  PruneBounds,
  ReadOp,
  ReadResult,
  ScanResult,
  ScanRow,
  Storage,
  StoredDocument,
  Tablet,
  Ts,
} from './storage.ts'
import { outOfRetention, storageClosed, storageInUse } from './storage-errors.ts'
import { AppendBell, tailLog } from './tail.ts'

/** Visible for `from` ≤ T < `until`; the current one has no `until`. */
type Version = { readonly from: Ts; until: Ts | undefined }
type DocumentVersion = Version & { readonly document: StoredDocument }
type EntryVersion = Version & { readonly tablet: Tablet; readonly id: Uint8Array }

/** Where versions ended, in the order of their end. */
type Ended = { readonly until: Ts } & (
  | { readonly kind: 'document'; readonly tablet: Tablet; readonly id: Uint8Array }
  | { readonly kind: 'entry'; readonly index: IndexId; readonly key: Uint8Array }
)

type LoggedCommit = { readonly batchId: string; readonly commit: Commit }
type ScanOp = Extract<ReadOp, { kind: 'scanIndex' | 'scanDocuments' }>

/**
 * What a `MemoryStorage` keeps. Hand the same one to the next `MemoryStorage` to model a restart: everything that was
 * acknowledged is there, as on a disk.
 */
export class MemoryDisk {
  /** True while a storage has it open. */
  isInUse = false
  head: Head
  /** Bounds of what was pruned. */
  historyBound: Ts = 0n
  logBound: Ts = 0n
  readonly log: LoggedCommit[] = []
  readonly tablets = new Map<Tablet, OrderedMap<DocumentVersion[]>>()
  readonly indexes = new Map<IndexId, OrderedMap<EntryVersion[]>>()
  readonly ended: Ended[] = []
  readonly meta = new Map<string, { readonly value: string; readonly version: number }>()

  constructor(options?: { readonly generation?: string }) {
    this.head = { ts: 0n, generation: options?.generation ?? bytesToHex(systemRandom.bytes(8)) }
  }
}

/** The engine for tests and simulation: all versions in memory, nothing asynchronous but the signatures. */
export class MemoryStorage implements Storage {
  readonly heldTs = undefined
  readonly #disk: MemoryDisk
  readonly #bell = new AppendBell()
  #state: 'new' | 'open' | 'closed' = 'new'

  constructor(options?: { readonly disk?: MemoryDisk }) {
    this.#disk = options?.disk ?? new MemoryDisk()
  }

  async open(): Promise<Head> {
    assert(this.#state === 'new', 'A storage is opened once.')
    if (this.#disk.isInUse) throw storageInUse('memory')
    this.#disk.isInUse = true
    this.#state = 'open'
    return this.#disk.head
  }

  async close(): Promise<void> {
    if (this.#state === 'open') this.#disk.isInUse = false
    this.#state = 'closed'
    this.#bell.close()
  }

  async read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]> {
    this.#requireOpen()
    assert(at <= this.#disk.head.ts, `Read at ${at}, above the head ${this.#disk.head.ts}.`)
    if (at < this.#disk.historyBound) throw outOfRetention('snapshot', at, this.#disk.historyBound)
    return ops.map((op) => this.#readOne(at, op))
  }

  async append(expect: Head, batchId: string, batch: readonly Commit[]): Promise<Appended> {
    this.#requireOpen()
    const { head, log } = this.#disk
    if (expect.generation !== head.generation) return { ok: false, head, missed: [] }
    assert(expect.ts <= head.ts, `Append to ${expect.ts}, above the head ${head.ts}.`)
    if (expect.ts !== head.ts) {
      const missed = this.#recordsAfter(expect.ts)
      const written = missed.findLast((record) => record.batchId === batchId)
      if (written !== undefined) return { ok: true, head: { ts: written.commit.ts, generation: head.generation } }
      return { ok: false, head, missed: missed.map((record) => record.commit) }
    }
    this.#checkBatch(batch)
    for (const commit of batch) {
      for (const write of commit.documents) this.#writeDocument(commit.ts, write)
      for (const write of commit.indexes) this.#writeEntry(commit.ts, write)
      log.push({ batchId, commit })
      this.#disk.head = { ts: commit.ts, generation: head.generation }
    }
    if (batch.length > 0) this.#bell.ring()
    return { ok: true, head: this.#disk.head }
  }

  tail(after: Ts, signal: AbortSignal): AsyncIterable<readonly LogRecord[]> {
    this.#requireOpen()
    return tailLog(
      { bell: this.#bell, head: () => this.#disk.head.ts, history: (query) => this.#history(query) },
      after,
      signal,
    )
  }

  async history(query: HistoryQuery): Promise<LogRecord[]> {
    this.#requireOpen()
    return this.#history(query)
  }

  async bulk(rows: readonly BulkRow[]): Promise<void> {
    this.#requireOpen()
    for (const row of rows) {
      const current = this.#disk.tablets.get(row.tablet)?.get(row.id)?.at(-1)
      if (current === undefined || current.until !== undefined || current.from !== row.documentTs) continue
      const entry = this.#disk.indexes.get(row.index)?.get(row.key)?.at(-1)
      if (entry === undefined || entry.until !== undefined) this.#putEntry(row.documentTs, row)
    }
  }

  readonly meta: MetaStore = {
    get: async (key) => {
      this.#requireOpen()
      return this.#disk.meta.get(key)
    },
    set: async (key, value, ifVersion) => {
      this.#requireOpen()
      if ((this.#disk.meta.get(key)?.version ?? 0) !== ifVersion) return false
      this.#disk.meta.set(key, { value, version: ifVersion + 1 })
      return true
    },
  }

  async prune(bounds: PruneBounds, maxRows: number): Promise<{ readonly done: boolean }> {
    this.#requireOpen()
    const disk = this.#disk
    const history = bounds.history < disk.head.ts ? bounds.history : disk.head.ts
    const logUntil = bounds.log < disk.head.ts ? bounds.log : disk.head.ts
    if (history > disk.historyBound) disk.historyBound = history
    if (logUntil > disk.logBound) disk.logBound = logUntil
    let budget = maxRows
    budget -= this.#pruneEnded(history, budget)
    budget -= this.#pruneLog(logUntil, budget)
    for (const tablet of bounds.tablets) budget -= dropRows(disk.tablets, tablet, budget)
    for (const index of bounds.indexes) budget -= dropRows(disk.indexes, index, budget)
    return { done: budget > 0 }
  }

  #requireOpen(): void {
    if (this.#state !== 'open') throw storageClosed()
  }

  /** Checked before anything changes, so that a batch applies as a whole or not at all. */
  #checkBatch(batch: readonly Commit[]): void {
    let last = this.#disk.head.ts
    const written = new Map<string, Ts | null>()
    for (const commit of batch) {
      assert(commit.ts > last, `Commit ${commit.ts} is not above ${last}.`)
      last = commit.ts
      for (const write of commit.documents) {
        const key = `${write.tablet}:${bytesToHex(write.id)}`
        const before = written.get(key)
        const current = before === undefined ? this.#currentTs(write.tablet, write.id) : before
        // A document that is gone may be written with or without the ts of its tombstone.
        assert(
          current === null || write.prevTs === current,
          `Revision ${key} replaces ${current}, not ${write.prevTs}.`,
        )
        assert(write.prevTs === null || write.prevTs < commit.ts, `Revision ${key} is written twice in one commit.`)
        written.set(key, write.text === null ? null : commit.ts)
      }
    }
  }

  #currentTs(tablet: Tablet, id: Uint8Array): Ts | null {
    const current = this.#disk.tablets.get(tablet)?.get(id)?.at(-1)
    return current === undefined || current.until !== undefined ? null : current.from
  }

  #writeDocument(ts: Ts, { tablet, id, text, size }: DocumentWrite): void {
    const rows = getOrCreate(this.#disk.tablets, tablet)
    const versions = rows.get(id) ?? []
    const current = versions.at(-1)
    if (current !== undefined && current.until === undefined) {
      current.until = ts
      this.#disk.ended.push({ kind: 'document', until: ts, tablet, id })
    }
    if (text !== null) versions.push({ from: ts, until: undefined, document: { id, ts, text, size } })
    if (versions.length > 0) rows.set(id, versions)
  }

  #writeEntry(ts: Ts, write: IndexWrite): void {
    if (write.present) this.#putEntry(ts, write)
    else this.#endEntry(ts, write.index, write.key)
  }

  /** Leaves an entry alone that is already there: its document did not change places. */
  #putEntry(ts: Ts, entry: Pick<IndexWrite, 'index' | 'key' | 'tablet' | 'id'>): void {
    const rows = getOrCreate(this.#disk.indexes, entry.index)
    const current = rows.get(entry.key)?.at(-1)
    if (current !== undefined && current.until === undefined) {
      if (current.tablet === entry.tablet && bytesEqual(current.id, entry.id)) return
      this.#endEntry(ts, entry.index, entry.key)
    }
    const versions = rows.get(entry.key) ?? []
    versions.push({ from: ts, until: undefined, tablet: entry.tablet, id: entry.id })
    rows.set(entry.key, versions)
  }

  #endEntry(ts: Ts, index: IndexId, key: Uint8Array): void {
    const rows = this.#disk.indexes.get(index)
    const versions = rows?.get(key)
    const current = versions?.at(-1)
    if (rows === undefined || versions === undefined || current === undefined || current.until !== undefined) return
    if (current.from === ts) {
      // Came and went in the same commit: no snapshot ever sees it.
      versions.pop()
      if (versions.length === 0) rows.delete(key)
      return
    }
    current.until = ts
    this.#disk.ended.push({ kind: 'entry', until: ts, index, key })
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
        return { kind: 'count', count: this.#visibleKeys(at, op).length }
    }
  }

  #scanKeys(at: Ts, op: Extract<ReadOp, { kind: 'scanKeys' }>): KeysResult {
    const keys = this.#visibleKeys(at, op)
    const page = keys.slice(0, op.limit)
    const bytes = new Uint8Array(Buffer.concat(page.map((key) => key.subarray(op.skip))))
    return { kind: 'keys', bytes, count: page.length, exhausted: page.length === keys.length }
  }

  #visibleKeys(at: Ts, { index, range }: { readonly index: IndexId; readonly range: KeyRange }): readonly Uint8Array[] {
    const keys: Uint8Array[] = []
    for (const [key, versions] of this.#disk.indexes.get(index)?.range(range, 'asc') ?? []) {
      if (visible(versions, at) !== undefined) keys.push(key)
    }
    return keys
  }

  #get(at: Ts, tablet: Tablet, ids: readonly Uint8Array[]): GetResult {
    const rows = this.#disk.tablets.get(tablet)
    return { kind: 'get', documents: ids.map((id) => visible(rows?.get(id), at)?.document) }
  }

  #scan(at: Ts, op: ScanOp): ScanResult {
    const rows: ScanRow[] = []
    let bytes = 0
    for (const row of op.kind === 'scanIndex' ? this.#indexRows(at, op) : this.#documentRows(at, op)) {
      if (rows.length >= op.limit || bytes >= op.maxBytes) return { kind: 'scan', rows, exhausted: false }
      rows.push(row)
      bytes += row.size
    }
    return { kind: 'scan', rows, exhausted: true }
  }

  *#documentRows(at: Ts, op: Extract<ScanOp, { kind: 'scanDocuments' }>): Generator<ScanRow> {
    for (const [key, versions] of this.#disk.tablets.get(op.tablet)?.range(op.range, op.order) ?? []) {
      const version = visible(versions, at)
      if (version !== undefined) yield { ...version.document, key }
    }
  }

  *#indexRows(at: Ts, op: Extract<ScanOp, { kind: 'scanIndex' }>): Generator<ScanRow> {
    const documents = this.#disk.tablets.get(op.tablet)
    for (const [key, versions] of this.#disk.indexes.get(op.index)?.range(op.range, op.order) ?? []) {
      const entry = visible(versions, at)
      if (entry === undefined) continue
      const document = visible(documents?.get(entry.id), at)?.document
      assert(document !== undefined, `Index ${op.index} has an entry without a document at ${at}.`)
      yield { ...document, key }
    }
  }

  #history({ after, until, limit }: HistoryQuery): LogRecord[] {
    const records: LogRecord[] = []
    for (const { commit } of this.#recordsAfter(after)) {
      if (commit.ts > until || records.length >= limit) break
      records.push(commit)
    }
    return records
  }

  #recordsAfter(after: Ts): LoggedCommit[] {
    const { log, logBound } = this.#disk
    if (after < logBound) throw outOfRetention('log', after, logBound)
    let low = 0
    let high = log.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((log[middle] as LoggedCommit).commit.ts <= after) low = middle + 1
      else high = middle
    }
    return log.slice(low)
  }

  #pruneEnded(history: Ts, maxRows: number): number {
    const { ended, tablets, indexes } = this.#disk
    let count = 0
    for (const version of ended) {
      if (version.until > history || count >= maxRows) break
      if (version.kind === 'document') forgetEnded(tablets.get(version.tablet), version.id, history)
      else forgetEnded(indexes.get(version.index), version.key, history)
      count += 1
    }
    ended.splice(0, count)
    return count
  }

  #pruneLog(until: Ts, maxRows: number): number {
    const { log } = this.#disk
    let count = 0
    while (count < maxRows && count < log.length && (log[count] as LoggedCommit).commit.ts <= until) count += 1
    log.splice(0, count)
    return count
  }
}

function visible<V extends Version>(versions: readonly V[] | undefined, at: Ts): V | undefined {
  const version = versions?.findLast(({ from }) => from <= at)
  return version === undefined || (version.until !== undefined && version.until <= at) ? undefined : version
}

function getOrCreate<V>(maps: Map<number, OrderedMap<V>>, id: number): OrderedMap<V> {
  let map = maps.get(id)
  if (map === undefined) {
    map = new OrderedMap()
    maps.set(id, map)
  }
  return map
}

function forgetEnded<V extends Version>(rows: OrderedMap<V[]> | undefined, key: Uint8Array, history: Ts): void {
  const kept = rows?.get(key)?.filter(({ until }) => until === undefined || until > history)
  if (kept === undefined) return
  if (kept.length === 0) rows?.delete(key)
  else rows?.set(key, kept)
}

/** Drops up to `maxRows` rows of a dropped tablet or index; the number dropped. */
function dropRows<V>(maps: Map<number, OrderedMap<V>>, id: number, maxRows: number): number {
  const rows = maps.get(id)
  if (rows === undefined) return 0
  const keys: Uint8Array[] = []
  for (const [key] of rows.range({ from: new Uint8Array(), to: undefined }, 'asc')) {
    if (keys.length >= maxRows) break
    keys.push(key)
  }
  for (const key of keys) rows.delete(key)
  if (rows.size === 0) maps.delete(id)
  return keys.length
}
