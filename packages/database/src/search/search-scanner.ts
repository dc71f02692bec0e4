import { bytesCompare, type BadRequest } from '@concave/base'
import { compareValues } from '@concave/values'

import { Document } from '../document.ts'
import { valueAt } from '../index-key.ts'
import type { OwnWrites } from '../own-writes.ts'
import type { Scanner, ScannedRow, Source } from '../row-scanner.ts'
import type { Snapshot } from '../snapshot.ts'
import { databaseLimits } from '../transaction-limits.ts'
import type { RankedDocuments } from './scored-documents.ts'
import { tooManyDocuments } from './text-query.ts'
import type { TextSearch } from './text-search.ts'

/** The results of a search, best first; the key of a row is its rank. Documents are read as they are now. */
export class SearchScanner implements Scanner {
  readonly #snapshot: Snapshot
  readonly #writes: OwnWrites
  readonly #source: Source
  readonly #search: TextSearch
  #rows: readonly ScannedRow[] = []
  #position = 0
  /** Rank of the next document to load; undefined before the first. */
  #nextRank: number | undefined
  #cutOff: BadRequest | undefined

  constructor(deps: {
    readonly snapshot: Snapshot
    readonly writes: OwnWrites
    readonly source: Source
    readonly search: TextSearch
  }) {
    this.#snapshot = deps.snapshot
    this.#writes = deps.writes
    this.#source = deps.source
    this.#search = deps.search
  }

  get cutOff(): BadRequest | undefined {
    return this.#cutOff
  }

  take(): ScannedRow | undefined {
    const row = this.#rows[this.#position]
    if (row !== undefined) this.#position += 1
    return row
  }

  async fill(rows: number): Promise<boolean> {
    const ranked = await this.#search.rank()
    const first = this.#nextRank ?? ranked.findRank(this.#source.range.from)
    const limit = Math.max(1, Math.min(rows, databaseLimits.maxCursorPageRows))
    const ranks: number[] = []
    for (let rank = first; rank < ranked.count && ranks.length < limit; rank += 1) {
      if (this.#isBehindEnd(ranked, rank)) break
      ranks.push(rank)
    }
    if (ranks.length === 0) {
      if (first === ranked.count && ranked.omitted > 0) this.#cutOff = tooManyDocuments()
      return false
    }
    this.#nextRank = first + ranks.length
    this.#rows = await this.#load(ranked, ranks)
    this.#position = 0
    return true
  }

  #isBehindEnd(ranked: RankedDocuments, rank: number): boolean {
    const { to } = this.#source.range
    return to !== undefined && bytesCompare(ranked.key(rank), to) >= 0
  }

  async #load(ranked: RankedDocuments, ranks: readonly number[]): Promise<readonly ScannedRow[]> {
    const { table } = this.#source
    const ids = ranks.map((rank) => ranked.internalId(rank))
    const own = ids.map((id) => this.#writes.find(table, id))
    const missing = ids.filter((_, position) => own[position] === undefined)
    const stored = missing.length === 0 ? [] : await this.#snapshot.get(table.tablet, missing)
    let next = 0
    return ranks.flatMap((rank, position) => {
      const write = own[position]
      const found = write === undefined ? stored[next] : undefined
      if (write === undefined) next += 1
      const document = write === undefined ? found && Document.fromStored(found) : (write.current ?? undefined)
      // It may have been deleted since the ranking, and hashes of filters may collide.
      if (document === undefined || !this.#passes(document)) return []
      return [{ key: ranked.key(rank), document }]
    })
  }

  #passes(document: Document): boolean {
    const { filters } = this.#search.query
    const paths = this.#search.text.filterPaths
    return filters.every(({ field, value }) => compareValues(valueAt(document.value, paths[field] ?? []), value) === 0)
  }
}
