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
import type { TermPostings, TextCache } from './text-cache.ts'
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

type Term = TermPostings & { readonly boost: number }

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
    const { group, filters, ungrouped } = this.#filters()
    const parts = []
    for (const { postings, isGrouped, documents, boost } of await this.#expand(own, group)) {
      const weight = termWeight(statistics, documents) * boost
      parts.push(scorePostings(postings, isGrouped ? filters : ungrouped, weight, norms))
    }
    return new RankedDocuments(sumScores(parts), textLimits.maxCandidates)
  }

  /** A filter on the first field chooses a group of postings; the others are hashes to compare. */
  #filters(): {
    readonly group: Uint8Array | undefined
    /** For postings of the group, and for those of all groups. */
    readonly filters: readonly WordFilter[]
    readonly ungrouped: readonly WordFilter[]
  } {
    const hashes = this.query.filters.map(({ field, value }) => ({ field, hash: hashFilter(value) }))
    const group = hashes.find(({ field }) => field === 0)?.hash
    const ungrouped = hashes.map(({ field, hash }) => ({ word: filterWord(field), hash: hash.readUInt32BE(0) }))
    const isGrouped = ({ word, hash }: WordFilter): boolean => word === 0 && hash === group?.readUInt32BE(0)
    return { group, filters: ungrouped.filter((filter) => !isGrouped(filter)), ungrouped }
  }

  /** The terms of the index that the words stand for, closest first, each once. */
  async #expand(own: OwnTextWrites | undefined, group: Uint8Array | undefined): Promise<Iterable<Term>> {
    const { words } = this.query
    const terms = new Map<string, Term>()
    const add = async (term: string, boost: number): Promise<void> => {
      if (terms.has(term)) return
      const found = await this.#postings(term, group, own)
      if (found.documents > 0) terms.set(term, { ...found, boost })
    }
    for (const word of words) await add(word, exactBoost)
    const prefix = words.at(-1)
    for (const term of prefix === undefined ? [] : await this.#termsWith(prefix, own)) {
      if (terms.size >= textLimits.maxExpandedTerms) break
      await add(term, prefixBoost)
    }
    return terms.values()
  }

  async #termsWith(prefix: string, own: OwnTextWrites | undefined): Promise<readonly string[]> {
    const { index } = this.#entry
    if (own === undefined) return (await this.#cache.terms(this.#snapshot, index, prefix)).terms
    const replaced = own.replacedTerms(prefix)
    const { terms } = await loadTerms(this.#snapshot, index, prefix, textLimits.maxExpandedTerms + replaced.size)
    return [...new Set([...terms, ...own.terms(prefix)])].sort((a, b) => bytesCompare(Buffer.from(a), Buffer.from(b)))
  }

  async #postings(term: string, group: Uint8Array | undefined, own: OwnTextWrites | undefined): Promise<TermPostings> {
    const found = await this.#cache.postings(this.#snapshot, this.#entry.index, this.text, term, group)
    if (own === undefined) return found
    const prefix = postingsPrefix(term, found.isGrouped ? group : undefined)
    const documents = found.documents + own.countChange(prefixRange(postingsPrefix(term, undefined)))
    return { ...found, documents, postings: own.patch(found.postings, prefixRange(prefix)) }
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
