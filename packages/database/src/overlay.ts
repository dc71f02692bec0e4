/**
 * Commits that are applied but may not be in storage yet, as versions laid over what storage holds.
 *
 * A read at `at` captures a ts that is known to be in storage, its base B ≤ `at`, reads storage as of B and lays the
 * versions in (B, `at`] over that. So it does not matter whether some of those have landed in the meantime. While storage
 * holds a snapshot, the base stays there: reading from it is much cheaper than opening a new one. Versions are forgotten
 * once the base has passed them and no read whose base is older is under way; such a read pins its base.
 */
import { assert } from '@concave/base'
import type { Commit, DocumentWrite, IndexId, IndexWrite, KeyRange, Tablet, Ts } from '@concave/storage'
import { overlayLimits } from './limits.ts'
import { VersionedMap, type Order } from './versioned-map.ts'

export type DocumentVersion = Pick<DocumentWrite, 'text' | 'size' | 'id'> & { readonly ts: Ts }
export type EntryVersion = Pick<IndexWrite, 'present' | 'id'> & { readonly ts: Ts }

/** Which commits a read takes from the overlay: those in (`base`, `at`]. */
export type Window = { readonly base: Ts; readonly at: Ts }

export type PinnedWindow = Window & {
  /** Ends the read. Once. */
  readonly release: () => void
}

type Pin = { readonly base: Ts; reads: number }

export class Overlay {
  readonly #documents = new Map<Tablet, VersionedMap<DocumentVersion>>()
  readonly #entries = new Map<IndexId, VersionedMap<EntryVersion>>()
  #commits: Pick<Commit, 'ts' | 'documents' | 'indexes'>[] = []
  /** Bases of reads under way, ascending: the base never goes back. */
  readonly #pins: Pin[] = []
  #landedTs: Ts
  /** Base of reads that begin now; at most `#landedTs`. */
  #baseTs: Ts
  readonly #heldTs: () => Ts | undefined
  /** Of the commits not yet forgotten. */
  #sizeBytes = 0

  /** `heldTs`: the snapshot that storage holds, see `Storage`. */
  constructor(landedTs: Ts, heldTs: () => Ts | undefined) {
    this.#landedTs = landedTs
    this.#baseTs = landedTs
    this.#heldTs = heldTs
  }

  /** Newest commit that storage is known to hold, with all before it. */
  get landedTs(): Ts {
    return this.#landedTs
  }

  /** Commits not yet forgotten. */
  get commitCount(): number {
    return this.#commits.length
  }

  apply({ ts, documents, indexes }: Commit): void {
    for (const { tablet, id, text, size } of documents) {
      getOrCreate(this.#documents, tablet).add(id, { ts, id, text, size })
    }
    for (const { index, key, id, present } of indexes) getOrCreate(this.#entries, index).add(key, { ts, id, present })
    this.#commits.push({ ts, documents, indexes })
    this.#sizeBytes += sizeOf(documents, indexes)
  }

  /** Storage holds everything up to `ts`. */
  land(ts: Ts): void {
    assert(ts >= this.#landedTs, 'Storage does not lose commits.')
    this.#landedTs = ts
    if (this.#heldTs() === undefined || this.#sizeBytes > overlayLimits.maxLandedBytes) this.#rebase(ts)
  }

  /** Moves the base up to all that has landed. To be called before storage forgets what lies below. */
  rebase(): void {
    this.#rebase(this.#landedTs)
  }

  /** Opens a read as of `at`. */
  pin(at: Ts): PinnedWindow {
    const heldTs = this.#heldTs() ?? this.#landedTs
    if (heldTs > this.#baseTs) this.#rebase(heldTs < this.#landedTs ? heldTs : this.#landedTs)
    const base = at < this.#baseTs ? at : this.#baseTs
    if (base === at) return { base, at, release: () => undefined }
    let pin = this.#pins.at(-1)
    if (pin?.base !== base) {
      pin = { base, reads: 0 }
      this.#pins.push(pin)
    }
    pin.reads += 1
    return { base, at, release: () => this.#unpin(pin) }
  }

  findDocument(tablet: Tablet, id: Uint8Array, { base, at }: Window): DocumentVersion | undefined {
    return this.#documents.get(tablet)?.find(id, base, at)
  }

  /** Documents written in the window, tombstones included, in id order. Not to be used across an await. */
  documents(
    tablet: Tablet,
    range: KeyRange,
    order: Order,
    { base, at }: Window,
  ): ReturnType<VersionedMap<DocumentVersion>['range']> {
    return this.#documents.get(tablet)?.range(range, order, base, at) ?? []
  }

  /** Index entries that appeared or disappeared in the window, in key order. Not to be used across an await. */
  entries(
    index: IndexId,
    range: KeyRange,
    order: Order,
    { base, at }: Window,
  ): ReturnType<VersionedMap<EntryVersion>['range']> {
    return this.#entries.get(index)?.range(range, order, base, at) ?? []
  }

  /** Whether no commit in the overlay wrote documents of `tablet` or entries of `index`. */
  isEmpty(tablet: Tablet, index?: IndexId): boolean {
    return !this.#documents.has(tablet) && (index === undefined || !this.#entries.has(index))
  }

  #unpin(pin: Pin): void {
    pin.reads -= 1
    if (pin.reads > 0 || pin !== this.#pins[0]) return
    const firstUsed = this.#pins.findIndex(({ reads }) => reads > 0)
    this.#pins.splice(0, firstUsed === -1 ? this.#pins.length : firstUsed)
    this.#forget()
  }

  #rebase(ts: Ts): void {
    this.#baseTs = ts
    this.#forget()
  }

  #forget(): void {
    const until = this.#pins[0]?.base ?? this.#baseTs
    let count = 0
    for (const commit of this.#commits) {
      if (commit.ts > until) break
      this.#drop(commit)
      this.#sizeBytes -= sizeOf(commit.documents, commit.indexes)
      count += 1
    }
    if (count > 0) this.#commits = this.#commits.slice(count)
  }

  #drop({ ts, documents, indexes }: Pick<Commit, 'ts' | 'documents' | 'indexes'>): void {
    for (const { tablet, id } of documents) dropVersion(this.#documents, tablet, id, ts)
    for (const { index, key } of indexes) dropVersion(this.#entries, index, key, ts)
  }
}

function sizeOf(documents: Commit['documents'], indexes: Commit['indexes']): number {
  let sizeBytes = (documents.length + indexes.length) * overlayLimits.writeOverheadBytes
  for (const { size } of documents) sizeBytes += size
  return sizeBytes
}

function getOrCreate<V extends { readonly ts: Ts }>(
  maps: Map<number, VersionedMap<V>>,
  owner: number,
): VersionedMap<V> {
  let map = maps.get(owner)
  if (map === undefined) {
    map = new VersionedMap()
    maps.set(owner, map)
  }
  return map
}

function dropVersion<V extends { readonly ts: Ts }>(
  maps: Map<number, VersionedMap<V>>,
  owner: number,
  key: Uint8Array,
  ts: Ts,
): void {
  const map = maps.get(owner)
  map?.drop(key, ts)
  if (map?.size === 0) maps.delete(owner)
}
