/** A naive storage for tests: every snapshot is a full copy of two maps. Also makes random commits that fit it. */
import { bytesCompare, bytesToHex } from '@concave/base'
import type {
  Commit,
  DocumentWrite,
  Head,
  IndexId,
  IndexWrite,
  KeyRange,
  ReadOp,
  ScanRow,
  StoredDocument,
  Tablet,
  Ts,
} from './storage.ts'

type Snapshot = {
  readonly ts: Ts
  readonly documents: ReadonlyMap<string, StoredDocument & { readonly tablet: Tablet }>
  readonly entries: ReadonlyMap<string, IndexWrite>
}

/** One change of one of a few documents; `rank` decides its index key, undefined deletes it. */
export type Change = {
  readonly tablet: Tablet
  readonly document: number
  readonly rank: number | undefined
  readonly filler: string
}

export type ScanOp = Extract<ReadOp, { kind: 'scanIndex' | 'scanDocuments' }>

export const everything: KeyRange = { from: new Uint8Array(), to: undefined }

/** Prefixes of index keys that are likely to be sorted wrongly. */
const rankPrefixes = [[], [0], [0, 0], [0, 255], [1], [255], [255, 0], [255, 255]] as const
export const rankCount: number = rankPrefixes.length

export function documentId(document: number): Uint8Array {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(12, document)
  return id
}

export function indexOf(tablet: Tablet): IndexId {
  return tablet + 100
}

export function indexKey(rank: number, document: number): Uint8Array {
  return Uint8Array.from([...(rankPrefixes[rank % rankPrefixes.length] ?? []), 0, ...documentId(document)])
}

export class StorageModel {
  readonly commits: Commit[] = []
  readonly #snapshots: Snapshot[] = [{ ts: 0n, documents: new Map(), entries: new Map() }]

  get headTs(): Ts {
    return this.#latest.ts
  }

  /** A commit that makes `changes` on top of the model; the last change of a document counts. */
  commitOf(changes: readonly Change[], ts: Ts): Commit {
    const documents = new Map<string, DocumentWrite>()
    const indexes = new Map<string, IndexWrite[]>()
    for (const { tablet, document, rank, filler } of changes) {
      const id = documentId(document)
      const name = documentName(tablet, id)
      const before = this.#latest.documents.get(name)
      if (before === undefined && rank === undefined) {
        documents.delete(name)
        indexes.delete(name)
        continue
      }
      const text = rank === undefined ? null : JSON.stringify({ rank, filler })
      documents.set(name, { tablet, id, prevTs: before?.ts ?? null, text, size: text === null ? 0 : text.length + 10 })
      indexes.set(name, indexWrites(tablet, document, before === undefined ? undefined : rankOf(before), rank))
    }
    const entries = [...indexes.values()].flat()
    const touched = entries.map(({ index, key }) => ({ index, key }))
    return { ts, documents: [...documents.values()], indexes: entries, touched, source: `test:${ts}` }
  }

  apply(commit: Commit): void {
    const documents = new Map(this.#latest.documents)
    const entries = new Map(this.#latest.entries)
    for (const { tablet, id, text, size } of commit.documents) {
      if (text === null) documents.delete(documentName(tablet, id))
      else documents.set(documentName(tablet, id), { tablet, id, ts: commit.ts, text, size })
    }
    for (const write of commit.indexes) {
      const name = `${write.index}:${bytesToHex(write.key)}`
      if (write.present) entries.set(name, write)
      else entries.delete(name)
    }
    this.commits.push(commit)
    this.#snapshots.push({ ts: commit.ts, documents, entries })
  }

  get(at: Ts, tablet: Tablet, id: Uint8Array): StoredDocument | undefined {
    const found = this.#at(at).documents.get(documentName(tablet, id))
    return found === undefined ? undefined : withoutTablet(found)
  }

  /** The whole range, in order; limits are not the model's business. */
  scan(at: Ts, op: Pick<ScanOp, 'kind' | 'tablet' | 'range' | 'order'>): ScanRow[] {
    const { documents, entries } = this.#at(at)
    const rows: ScanRow[] = []
    if (op.kind === 'scanDocuments') {
      for (const document of documents.values()) {
        if (document.tablet === op.tablet) rows.push({ ...withoutTablet(document), key: document.id })
      }
    } else {
      for (const entry of entries.values()) {
        const document = documents.get(documentName(entry.tablet, entry.id))
        if (entry.index !== indexOf(op.tablet)) continue
        if (document === undefined) throw new Error('The model has an entry without a document.')
        rows.push({ ...withoutTablet(document), key: entry.key })
      }
    }
    const sign = op.order === 'asc' ? 1 : -1
    return rows
      .filter(({ key }) => isInRange(key, op.range))
      .toSorted((left, right) => sign * bytesCompare(left.key, right.key))
  }

  head(generation: string): Head {
    return { ts: this.headTs, generation }
  }

  get #latest(): Snapshot {
    return this.#snapshots.at(-1) as Snapshot
  }

  #at(at: Ts): Snapshot {
    return this.#snapshots.findLast(({ ts }) => ts <= at) as Snapshot
  }
}

function indexWrites(
  tablet: Tablet,
  document: number,
  before: number | undefined,
  after: number | undefined,
): IndexWrite[] {
  if (before === after) return []
  const entry = (rank: number, present: boolean): IndexWrite => {
    return { index: indexOf(tablet), key: indexKey(rank, document), tablet, id: documentId(document), present }
  }
  return [...(before === undefined ? [] : [entry(before, false)]), ...(after === undefined ? [] : [entry(after, true)])]
}

function rankOf(document: StoredDocument): number {
  return (JSON.parse(document.text) as { readonly rank: number }).rank
}

function documentName(tablet: Tablet, id: Uint8Array): string {
  return `${tablet}:${bytesToHex(id)}`
}

function withoutTablet({ id, ts, text, size }: StoredDocument): StoredDocument {
  return { id, ts, text, size }
}

function isInRange(key: Uint8Array, { from, to }: KeyRange): boolean {
  return bytesCompare(from, key) <= 0 && (to === undefined || bytesCompare(key, to) < 0)
}
