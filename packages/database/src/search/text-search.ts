import { bytesCompare } from '@concave/base'
import type { KeyRange } from '@concave/storage'

import type { IndexEntry, TableEntry } from '../catalog.ts'
import type { TextIndex } from '../index-kind.ts'
import type { OwnWrites } from '../own-writes.ts'
import type { Snapshot } from '../snapshot.ts'
import { lengthNorms, termWeight } from './bm25.ts'
import { fieldLengths } from './field-length.ts'
import { decodePostings, patchPostings, type Postings } from './postings.ts'
import { filterWord, RankedDocuments, scorePostings, sumScores, type WordFilter } from './scored-documents.ts'
import type { TextCache } from './text-cache.ts'
import {
  hashFilter,
  lengthOfKey,
  lengthsRange,
  postingsPrefix,
  prefixRange,
  recordBytes,
  termOf,
  termsRange,
} from './text-keys.ts'
import { textLimits } from './text-limits.ts'
import type { TextQuery } from './text-query.ts'
import { loadTerms, type TextStatistics } from './text-reader.ts'

type Term = { readonly term: string; readonly boost: number }

const exactBoost = 1
const prefixBoost = 0.5

/** One search of one text index: a snapshot with a transaction's own writes laid over. */
export class TextSearch {
  readonly query: TextQuery
  readonly text: TextIndex
  readonly #snapshot: Snapshot
  readonly #cache: TextCache
  readonly #writes: OwnWrites
  readonly #table: TableEntry
  readonly #entry: IndexEntry
  #ranked: Promise<RankedDocuments> | undefined

  constructor(deps: {
    readonly snapshot: Snapshot
    readonly cache: TextCache
    readonly writes: OwnWrites
    readonly table: TableEntry
    readonly entry: IndexEntry
    readonly text: TextIndex
    readonly query: TextQuery
  }) {
    this.query = deps.query
    this.text = deps.text
    this.#snapshot = deps.snapshot
    this.#cache = deps.cache
    this.#writes = deps.writes
    this.#table = deps.table
    this.#entry = deps.entry
  }

  /** The best documents, as of the first call: whoever goes through them and writes meets each once. */
  rank(): Promise<RankedDocuments> {
    this.#ranked ??= this.#rank()
    return this.#ranked
  }

  async #rank(): Promise<RankedDocuments> {
    const own = this.#writes.has(this.#table)
      ? new OwnTextWrites({ writes: this.#writes, table: this.#table, entry: this.#entry, text: this.text })
      : undefined
    const statistics = await this.#statistics(own)
    const norms = lengthNorms(statistics)
    const terms = await this.#expand(own)
    const { group, filters } = this.#filters()
    const parts = []
    for (const { term, boost } of terms) {
      const postings = await this.#postings(term, group, own)
      if (postings.count === 0) continue
      const count = await this.#countDocuments(term, own)
      parts.push(scorePostings(postings, filters, termWeight(statistics, count) * boost, norms))
    }
    return new RankedDocuments(sumScores(parts), textLimits.maxCandidates)
  }

  /** A filter on the first field chooses a group of postings; the others are hashes to compare. */
  #filters(): { readonly group: Uint8Array | undefined; readonly filters: readonly WordFilter[] } {
    const hashes = this.query.filters.map(({ field, value }) => ({ field, hash: hashFilter(value) }))
    const group = hashes.find(({ field }) => field === 0)?.hash
    const filters = hashes.map(({ field, hash }) => ({ word: filterWord(field), hash: hash.readUInt32BE(0) }))
    const isGrouped = ({ word, hash }: WordFilter): boolean => word === 0 && hash === group?.readUInt32BE(0)
    return { group, filters: filters.filter((filter) => !isGrouped(filter)) }
  }

  /** The terms of the index that the words stand for, closest first, each once. */
  async #expand(own: OwnTextWrites | undefined): Promise<readonly Term[]> {
    const { words } = this.query
    const terms = new Map<string, number>()
    for (const word of words) {
      if ((await this.#countDocuments(word, own)) > 0) terms.set(word, exactBoost)
    }
    const prefix = words.at(-1)
    for (const term of prefix === undefined ? [] : await this.#termsWith(prefix, own)) {
      if (terms.size >= textLimits.maxExpandedTerms) break
      if (!terms.has(term)) terms.set(term, prefixBoost)
    }
    return Array.from(terms, ([term, boost]) => ({ term, boost }))
  }

  async #termsWith(prefix: string, own: OwnTextWrites | undefined): Promise<readonly string[]> {
    const { index } = this.#entry
    if (own === undefined) return (await this.#cache.terms(this.#snapshot, index, prefix)).terms
    const replaced = own.replacedTerms(prefix)
    const { terms } = await loadTerms(this.#snapshot, index, prefix, textLimits.maxExpandedTerms + replaced.size)
    const remaining: string[] = []
    for (const term of terms) {
      if (!replaced.has(term) || (await this.#countDocuments(term, own)) > 0) remaining.push(term)
    }
    return [...new Set([...remaining, ...own.terms(prefix)])].sort((a, b) =>
      bytesCompare(Buffer.from(a), Buffer.from(b)),
    )
  }

  async #postings(term: string, group: Uint8Array | undefined, own: OwnTextWrites | undefined): Promise<Postings> {
    const postings = await this.#cache.postings(this.#snapshot, this.#entry.index, this.text, term, group)
    return own === undefined ? postings : own.patch(postings, prefixRange(postingsPrefix(term, group)))
  }

  async #countDocuments(term: string, own: OwnTextWrites | undefined): Promise<number> {
    const count = await this.#cache.countDocuments(this.#snapshot, this.#entry.index, term)
    return count + (own?.countChange(prefixRange(postingsPrefix(term, undefined))) ?? 0)
  }

  async #statistics(own: OwnTextWrites | undefined): Promise<TextStatistics> {
    const statistics = await this.#cache.statistics(this.#snapshot, this.#entry.index)
    return own === undefined ? statistics : own.change(statistics)
  }
}

/** What a transaction's own writes do to the keys of a text index. */
class OwnTextWrites {
  readonly #writes: OwnWrites
  readonly #table: TableEntry
  readonly #entry: IndexEntry
  readonly #text: TextIndex
  /** Ascending. */
  readonly #replaced: readonly Uint8Array[]

  constructor(deps: {
    readonly writes: OwnWrites
    readonly table: TableEntry
    readonly entry: IndexEntry
    readonly text: TextIndex
  }) {
    this.#writes = deps.writes
    this.#table = deps.table
    this.#entry = deps.entry
    this.#text = deps.text
    this.#replaced = deps.writes.replacedKeys(deps.table, deps.entry)
  }

  patch(postings: Postings, range: KeyRange): Postings {
    const width = recordBytes(this.#text)
    const removed = this.#replacedIn(range)
    const added = this.#keysIn(range)
    if (removed.length === 0 && added.length === 0) return postings
    return patchPostings(postings, decodePostings(removed, width), decodePostings(added, width))
  }

  countChange(range: KeyRange): number {
    return this.#keysIn(range).length - this.#replacedIn(range).length
  }

  change({ documents, totalLength }: TextStatistics): TextStatistics {
    const range = lengthsRange()
    const sum = (keys: readonly Uint8Array[]): number =>
      keys.reduce((total, key) => total + (fieldLengths[lengthOfKey(key) as number] as number), 0)
    const added = this.#keysIn(range)
    const removed = this.#replacedIn(range)
    return {
      documents: documents + added.length - removed.length,
      totalLength: totalLength + sum(added) - sum(removed),
    }
  }

  terms(prefix: string): Iterable<string> {
    return this.#keysIn(termsRange(prefix)).map(termOf)
  }

  /** Terms that documents had before. */
  replacedTerms(prefix: string): ReadonlySet<string> {
    return new Set(this.#replacedIn(termsRange(prefix)).map(termOf))
  }

  #keysIn(range: KeyRange): readonly Uint8Array[] {
    return this.#writes.rows(this.#table, this.#entry, range).map(({ key }) => key)
  }

  #replacedIn({ from, to }: KeyRange): readonly Uint8Array[] {
    return this.#replaced.filter(
      (key) => bytesCompare(from, key) <= 0 && (to === undefined || bytesCompare(key, to) < 0),
    )
  }
}
