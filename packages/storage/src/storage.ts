/**
 * The interface that every storage engine implements: a commit log with conditional append, multi-version reads of
 * documents and index entries, and a change feed. Conflict detection, timestamps, subscriptions and schema live above
 * it, once, for every engine.
 *
 * Rules an engine keeps: an append is atomic and durable when it answers; a read at `at` ≤ head never changes later;
 * `tail` never shows a commit before everything up to it is readable; an append of unknown outcome is resolved by
 * looking for its batch id in the log, never by guessing.
 */

/** Commit timestamp: nanoseconds since the Unix epoch, strictly increasing per deployment. 0 = before all commits. */
export type Ts = bigint

/** Newest durable commit. `generation` changes when history was replaced (a restore). */
export type Head = { readonly ts: Ts; readonly generation: string }

/** One physical incarnation of a table; small positive integer, never reused. */
export type Tablet = number
/** One physical incarnation of an index; small positive integer, never reused. */
export type IndexId = number

/** A document as of some snapshot. `text` is its wire JSON with sorted keys, `size` the official size in bytes. */
export type StoredDocument = {
  /** Internal id, 16 bytes. */
  readonly id: Uint8Array
  /** Commit that wrote this revision. */
  readonly ts: Ts
  readonly text: string
  readonly size: number
}

/** Key range `[from, to)` in memcmp order; `to` undefined = to the end. */
export type KeyRange = { readonly from: Uint8Array; readonly to: Uint8Array | undefined }

export type ReadOp =
  | { readonly kind: 'get'; readonly tablet: Tablet; readonly ids: readonly Uint8Array[] }
  /** One page of an index range, with documents. Ends at `limit` rows or after the row that reaches `maxBytes`. */
  | {
      readonly kind: 'scanIndex'
      readonly index: IndexId
      readonly tablet: Tablet
      readonly range: KeyRange
      readonly order: 'asc' | 'desc'
      readonly limit: number
      readonly maxBytes: number
    }
  /** The same over the documents of a tablet, in internal id order: the key is the internal id. */
  | {
      readonly kind: 'scanDocuments'
      readonly tablet: Tablet
      readonly range: KeyRange
      readonly order: 'asc' | 'desc'
      readonly limit: number
      readonly maxBytes: number
    }
  /**
   * The first keys of an index range, ascending, at most `limit`, each without its first `skip` bytes: for indexes whose
   * keys say all there is to know. Unless `limit` is 1 they must all be of one length.
   */
  | {
      readonly kind: 'scanKeys'
      readonly index: IndexId
      readonly range: KeyRange
      readonly limit: number
      readonly skip: number
    }
  /** How many entries an index range has. */
  | { readonly kind: 'countKeys'; readonly index: IndexId; readonly range: KeyRange }

export type ScanRow = StoredDocument & { readonly key: Uint8Array }

export type GetResult = { readonly kind: 'get'; readonly documents: readonly (StoredDocument | undefined)[] }
/** `exhausted`: no row of the range lies beyond the last one returned. May be false although none does. */
export type ScanResult = { readonly kind: 'scan'; readonly rows: readonly ScanRow[]; readonly exhausted: boolean }
/** `bytes`: the `count` keys one behind the other, in a buffer of their own. `exhausted`: as for scans. */
export type KeysResult = {
  readonly kind: 'keys'
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly count: number
  readonly exhausted: boolean
}
export type CountResult = { readonly kind: 'count'; readonly count: number }
export type ReadResult = GetResult | ScanResult | KeysResult | CountResult

/** A new revision; `text` null is a tombstone. `prevTs` is the ts of the revision it replaces, null if there is none. */
export type DocumentWrite = {
  readonly tablet: Tablet
  readonly id: Uint8Array
  readonly prevTs: Ts | null
  readonly text: string | null
  readonly size: number
}

/** An index entry that appears or disappears. Entries whose key did not change are not written. */
export type IndexWrite = {
  readonly index: IndexId
  readonly key: Uint8Array
  readonly tablet: Tablet
  readonly id: Uint8Array
  readonly present: boolean
}

export type IndexKey = { readonly index: IndexId; readonly key: Uint8Array }

/** One transaction's effects. `touched` = every key, old and new, of every index of the tables written (database.md §5.3). */
export type Commit = {
  readonly ts: Ts
  readonly documents: readonly DocumentWrite[]
  readonly indexes: readonly IndexWrite[]
  readonly touched: readonly IndexKey[]
  /** What wrote it (a function path or a system job), for conflict messages. Not secret, at most 200 characters. */
  readonly source: string
}

export type LogRecord = Commit

export type Appended =
  | { readonly ok: true; readonly head: Head }
  /** The head was not `expect`: the records after `expect.ts` that the caller has not seen. Nothing was written. */
  | { readonly ok: false; readonly head: Head; readonly missed: readonly LogRecord[] }

/** Index entries that no snapshot can see yet (backfill). Skipped atomically unless the document's current ts is `documentTs`. */
export type BulkRow = {
  readonly index: IndexId
  readonly key: Uint8Array
  readonly tablet: Tablet
  readonly id: Uint8Array
  readonly documentTs: Ts
}

export type HistoryQuery = { readonly after: Ts; readonly until: Ts; readonly limit: number }

/** What may be forgotten: superseded revisions that ended at or before `history`, log records at or before `log`, dropped tablets and indexes. */
export type PruneBounds = {
  readonly history: Ts
  readonly log: Ts
  readonly tablets: readonly Tablet[]
  readonly indexes: readonly IndexId[]
}

export interface Storage {
  /** Opens or creates; may be called once. Throws if another process holds the data. */
  open(): Promise<Head>
  /** Closes files and threads; pending appends are finished first. */
  close(): Promise<void>
  /** All ops as of `at`, which must be ≤ the engine's head (assertion otherwise). One consistent snapshot. */
  read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]>
  /**
   * Head of the snapshot from which reads are answered at present, if the engine keeps one open between reads; it may be
   * above what an append has told. Reading at it, or a little below, is cheaper than reading above it.
   */
  readonly heldTs: Ts | undefined
  /** Appends `batch` (ascending ts, all > expect.ts) if the head is still `expect`. `batchId` identifies the attempt in the log. */
  append(expect: Head, batchId: string, batch: readonly Commit[]): Promise<Appended>
  /** Durable commits after `after`, in order, without gaps, until `signal` aborts. */
  tail(after: Ts, signal: AbortSignal): AsyncIterable<readonly LogRecord[]>
  history(query: HistoryQuery): Promise<LogRecord[]>
  bulk(rows: readonly BulkRow[]): Promise<void>
  readonly meta: MetaStore
  /** Forgets within `bounds`, at most `maxRows` rows per call. */
  prune(bounds: PruneBounds, maxRows: number): Promise<{ readonly done: boolean }>
}

/** Small durable records with compare-and-set: leases, checkpoints, flags. */
export interface MetaStore {
  get(key: string): Promise<{ readonly value: string; readonly version: number } | undefined>
  /** Writes if the record's version is still `ifVersion` (0 = must not exist). False = it was not. */
  set(key: string, value: string, ifVersion: number): Promise<boolean>
}
