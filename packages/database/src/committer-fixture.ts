/** What the tests of the committer share: a clock of their own and one small table with two indexes. */
import { createDeferred, createLog, type Clock, type Deferred } from '@concave/base'
import {
  FaultyStorage,
  MemoryDisk,
  MemoryStorage,
  type DocumentWrite,
  type IndexKey,
  type IndexWrite,
  type ReadOp,
  type ReadResult,
  type StoredDocument,
  type Ts,
} from '@concave/storage'
import { Committer, type CommitQueueLimits, type Effects } from './committer.ts'

/** Time that stands still until it is told otherwise. */
export class ManualClock implements Clock {
  wallNs = 1_000_000n
  elapsedMs = 0

  nowNs(): bigint {
    return this.wallNs
  }

  nowMs(): number {
    return Number(this.wallNs / 1_000_000n)
  }

  monotonicMs(): number {
    return this.elapsedMs
  }
}

export const silentLog = createLog({ level: 'silent' })

/** A storage whose reads, too, wait on demand. */
export class HoldableStorage extends FaultyStorage {
  readonly #heldReads: Deferred<void>[] = []
  /** How often it was asked. */
  reads = 0

  /** The next read has its answer at once, but hands it over when it is released. */
  holdNextRead(): { readonly release: () => void } {
    const released = createDeferred<void>()
    this.#heldReads.push(released)
    return { release: () => released.resolve() }
  }

  override async read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]> {
    this.reads += 1
    const held = this.#heldReads.shift()
    const results = await super.read(at, ops)
    await held?.promise
    return results
  }
}

export type Fixture = {
  readonly committer: Committer
  readonly clock: ManualClock
  readonly storage: HoldableStorage
  readonly disk: MemoryDisk
  /** The process ends without a word: what the disk has is opened by the next one. */
  readonly crash: (options?: FixtureOptions) => Promise<Fixture>
}

export type FixtureOptions = {
  readonly clock?: ManualClock
  readonly queueLimits?: CommitQueueLimits
  readonly readCacheBytes?: number
}

export async function openFixture(options: FixtureOptions & { readonly disk?: MemoryDisk } = {}): Promise<Fixture> {
  const { disk = new MemoryDisk(), clock = new ManualClock() } = options
  const storage = new HoldableStorage(new MemoryStorage({ disk }))
  const queueLimits = options.queueLimits === undefined ? {} : { queueLimits: options.queueLimits }
  const cache = options.readCacheBytes === undefined ? {} : { readCacheBytes: options.readCacheBytes }
  const committer = await Committer.open({ storage, clock, log: silentLog, ...queueLimits, ...cache })
  const crash = (next: FixtureOptions = {}): Promise<Fixture> => {
    disk.isInUse = false
    return openFixture({ clock, ...next, disk })
  }
  return { committer, clock, storage, disk, crash }
}

/** The table: documents `{value}`, looked up by id and by value. */
export const table = 1
export const byId = 1
export const byValue = 2

export const everything = { from: new Uint8Array(), to: undefined }

/** Read caches: none, such that hardly anything stays, and such that everything does. */
export const readCacheSizes = [0, 3 * 1024, 7 * 1024, 1_048_576] as const

/** Sizes are equal, so that tests can count rows in bytes. */
export const documentSize = 10

export function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16)
  id[15] = number
  return id
}

export function numberOf(id: Uint8Array): number {
  return id[15] ?? 0
}

/** Key of `byValue`. */
export function valueKey(value: number, id: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + id.length)
  key[0] = value
  key.set(id, 1)
  return key
}

/** Keys of `byValue` with values in [`from`, `to`). */
export function valueRange(from: number, to: number): { readonly from: Uint8Array; readonly to: Uint8Array } {
  return { from: Uint8Array.of(from), to: Uint8Array.of(to) }
}

/** One document's change; `value` null deletes it. */
export type Change = {
  readonly id: Uint8Array
  readonly before: StoredDocument | undefined
  readonly value: number | null
}

export function effectsOf(changes: readonly Change[]): Effects {
  const documents: DocumentWrite[] = []
  const indexes: IndexWrite[] = []
  const touched: IndexKey[] = []
  for (const { id, before, value } of changes) {
    if (before === undefined && value === null) continue
    const text = value === null ? null : JSON.stringify({ value })
    documents.push({ tablet: table, id, prevTs: before?.ts ?? null, text, size: value === null ? 0 : documentSize })
    const oldKey = before && valueKey(valueOf(before), id)
    const newKey = value === null ? undefined : valueKey(value, id)
    touched.push({ index: byId, key: id })
    for (const key of [oldKey, newKey]) if (key !== undefined) touched.push({ index: byValue, key })
    if (oldKey !== undefined && newKey !== undefined && Buffer.compare(oldKey, newKey) === 0) continue
    if (oldKey !== undefined) indexes.push({ index: byValue, key: oldKey, tablet: table, id, present: false })
    if (newKey !== undefined) indexes.push({ index: byValue, key: newKey, tablet: table, id, present: true })
    if (before === undefined) indexes.push({ index: byId, key: id, tablet: table, id, present: true })
    if (value === null) indexes.push({ index: byId, key: id, tablet: table, id, present: false })
  }
  return { documents, indexes, touched }
}

export function valueOf({ text }: StoredDocument): number {
  return (JSON.parse(text) as { readonly value: number }).value
}
