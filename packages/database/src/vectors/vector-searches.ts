import { assert } from '@concave/base'
import type { Commit, IndexId, Ts } from '@concave/storage'

import type { IndexEntry } from '../catalog.ts'
import { bytesKey } from '../index-key.ts'
import type { VectorIndex } from '../index-kind.ts'
import { LruList, type LruItem } from '../lru-list.ts'
import { FollowedValue } from '../search/followed-value.ts'
import { RecentWrites } from '../search/recent-writes.ts'
import type { Snapshot } from '../snapshot.ts'
import { hashBytes, vectorPrefix, vectorRowBytes } from './vector-keys.ts'
import { vectorLimits } from './vector-limits.ts'
import type { CompiledVectorQuery } from './vector-query.ts'
import { addedRows, foldVectors, loadVectors, type VectorSet } from './vector-rows.ts'
import { addRanked, vectorWord, type ScoredVector, type VectorRows, type WordsFilter } from './vector-scores.ts'
import { VectorScorer } from './vector-scorer.ts'

type Item = LruItem<Item> & { readonly name: string; readonly set: FollowedValue<VectorSet> }

/**
 * Vector searches: every vector that may pass is scored, in a thread of its own. The vectors of recently searched groups
 * (or of the whole index) stay in memory, bounded, and follow the commits.
 */
export class VectorSearches {
  readonly #maxBytes: number
  readonly #scorer = new VectorScorer()
  readonly #items = new LruList<Item>()
  readonly #byName = new Map<string, Item>()
  readonly #recent: RecentWrites

  constructor(options: { readonly startTs: Ts; readonly maxBytes?: number }) {
    this.#maxBytes = options.maxBytes ?? vectorLimits.maxKeptBytes
    this.#recent = new RecentWrites({ startTs: options.startTs, max: vectorLimits.maxRecentWrites })
  }

  /** Follows a commit. Commits come in order, before anyone reads at their ts. */
  apply({ ts, indexes }: Pick<Commit, 'ts' | 'indexes'>): void {
    for (const write of this.#recent.add(ts, indexes)) {
      const group = write.key.subarray(1, 1 + hashBytes)
      for (const name of [nameOf(write.index, undefined), nameOf(write.index, group)]) {
        const set = this.#byName.get(name)?.set
        set?.add(ts, write)
        if (set !== undefined && set.changeCount > vectorLimits.maxRecentChanges) set.forget()
      }
    }
  }

  /** The nearest documents, best first. */
  async search(snapshot: Snapshot, entry: IndexEntry, query: CompiledVectorQuery): Promise<readonly ScoredVector[]> {
    const { vector } = entry
    assert(vector !== undefined, 'a vector index')
    const { conditions } = query
    const isGrouped = conditions?.every(({ field }) => field === 0) ?? false
    const groups = new Map(isGrouped ? conditions?.map(({ hash }) => [bytesKey(hash), hash]) : [['', undefined]])
    const best: ScoredVector[] = []
    for (const group of groups.values()) {
      const filters = isGrouped ? undefined : conditions?.map((condition) => toFilter(vector, condition))
      const search = { entry, vector, query, filters, best }
      const known = this.#find(nameOf(entry.index, group))?.set.at(snapshot.ts)
      if (known !== undefined) await this.#score(search, known.value)
      else await this.#loadAndScore(snapshot, group, search)
    }
    return best
  }

  async close(): Promise<void> {
    await this.#scorer.close()
  }

  /** Scores page after page, and keeps them if they are not too many. */
  async #loadAndScore(snapshot: Snapshot, group: Uint8Array | undefined, search: Search): Promise<void> {
    const { index } = search.entry
    this.#recent.follow(index)
    let rows: VectorRows[] = []
    let sizeBytes = 0
    let scored = Promise.resolve()
    for await (const page of loadVectors(snapshot, index, search.vector, vectorPrefix(group))) {
      await scored
      scored = this.#score(search, { ...unchanged, rows: [page] })
      sizeBytes += page.memory.byteLength
      if (sizeBytes <= this.#maxBytes) rows.push(page)
      else rows = []
    }
    await scored
    if (sizeBytes <= this.#maxBytes) this.#keep(snapshot.ts, index, group, search.vector, { ...unchanged, rows })
  }

  #keep(at: Ts, index: IndexId, group: Uint8Array | undefined, vector: VectorIndex, value: VectorSet): void {
    const name = nameOf(index, group)
    const since = this.#recent.since(index, at)
    if (since === undefined || this.#byName.has(name)) return
    const stride = vectorRowBytes(vector) / 4
    const set = new FollowedValue(at, value, (before, writes) => foldVectors(before, writes, stride))
    for (const { ts, write } of since) {
      if (group === undefined || bytesKey(write.key.subarray(1, 1 + hashBytes)) === bytesKey(group)) set.add(ts, write)
    }
    const sizeBytes = value.rows.reduce((sum, { memory }) => sum + memory.byteLength, 1024)
    const item: Item = { name, set, sizeBytes, newer: undefined, older: undefined }
    this.#byName.set(name, item)
    this.#items.add(item)
    while (this.#items.sizeBytes > this.#maxBytes) {
      const { oldest } = this.#items
      if (oldest === undefined) return
      this.#items.remove(oldest)
      this.#byName.delete(oldest.name)
    }
  }

  #find(name: string): Item | undefined {
    const item = this.#byName.get(name)
    if (item !== undefined) this.#items.touch(item)
    return item
  }

  async #score({ vector, query, filters, best }: Search, set: VectorSet): Promise<void> {
    const stride = vectorRowBytes(vector) / 4
    const request = { stride, vector: query.vector, filters, limit: query.limit }
    const parts = [{ rows: set.rows, hidden: [...set.hidden.values()] }]
    if (set.added.size > 0) parts.push({ rows: addedRows(set), hidden: [] })
    for (const part of parts) {
      for (const result of await this.#scorer.score({ ...request, ...part })) addRanked(best, result, query.limit)
    }
  }
}

type Search = {
  readonly entry: IndexEntry
  readonly vector: VectorIndex
  readonly query: CompiledVectorQuery
  readonly filters: readonly WordsFilter[] | undefined
  readonly best: ScoredVector[]
}

const unchanged: Omit<VectorSet, 'rows'> = { hidden: new Map(), added: new Map() }

function nameOf(index: IndexId, group: Uint8Array | undefined): string {
  return `${index}:${group === undefined ? '' : bytesKey(group)}`
}

function toFilter(
  { dimensions }: VectorIndex,
  condition: { readonly field: number; readonly hash: Buffer },
): WordsFilter {
  const { field, hash } = condition
  const word = field === 0 ? 0 : vectorWord + dimensions + ((field - 1) * hashBytes) / 4
  return { word, hash: [0, 4, 8, 12].map((offset) => hash.readUInt32BE(offset)) }
}
