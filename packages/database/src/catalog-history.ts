import { assert } from '@concave/base'
import type { Commit, ScanRow, Tablet, Ts } from '@concave/storage'

import { OutOfRetention } from './commit-errors.ts'
import { Catalog, fixedTablets } from './catalog.ts'
import type { Snapshot } from './snapshot.ts'
import { databaseLimits } from './transaction-limits.ts'

type Version = { readonly ts: Ts; readonly catalog: Catalog }

/** The catalog as of every recent commit. Follows applied commits; one that changes no table or index costs nothing. */
export class CatalogHistory {
  /** Ascending; each holds until the next one's ts. */
  readonly #versions: Version[]

  private constructor(first: Version) {
    this.#versions = [first]
  }

  /** Reads the rows that define tables, indexes and schemas, and nothing else. */
  static async load(snapshot: Snapshot): Promise<CatalogHistory> {
    const catalog = Catalog.bootstrap()
    for (const tablet of [fixedTablets.db, fixedTablets.tables, fixedTablets.index]) {
      await applyAll(catalog, snapshot, tablet)
    }
    for (const table of Array.from(catalog.tables())) {
      if (table.name === '_schemas') await applyAll(catalog, snapshot, table.tablet)
    }
    return new CatalogHistory({ ts: snapshot.ts, catalog })
  }

  get latest(): Catalog {
    return this.#last.catalog
  }

  at(ts: Ts): Catalog {
    for (let position = this.#versions.length - 1; position >= 0; position -= 1) {
      const version = this.#versions[position] as Version
      if (version.ts <= ts) return version.catalog
    }
    throw new OutOfRetention('The snapshot of this transaction')
  }

  apply(commit: Commit): void {
    const { latest } = this
    if (!commit.documents.some(({ tablet }) => latest.follows(tablet))) return
    const catalog = latest.clone()
    // Tables first: index rows name them.
    for (const isTable of [true, false]) {
      for (const { tablet, id, text } of commit.documents) {
        if ((tablet === fixedTablets.tables) === isTable && catalog.follows(tablet)) catalog.applyRow(tablet, id, text)
      }
    }
    this.#versions.push({ ts: commit.ts, catalog })
    this.forget(commit.ts - databaseLimits.snapshotRetentionNs)
  }

  /** Forgets catalogs that held only before `bound`. */
  forget(bound: Ts): void {
    const last = this.#versions.length - 1
    const first = this.#versions.findIndex(
      (_, position) => position === last || this.#versions[position + 1]!.ts > bound,
    )
    this.#versions.splice(0, first)
  }

  /** The oldest catalog that a snapshot may still need. */
  get oldest(): Catalog {
    const [first] = this.#versions
    assert(first !== undefined, 'there is always a catalog')
    return first.catalog
  }

  get #last(): Version {
    const last = this.#versions.at(-1)
    assert(last !== undefined, 'there is always a catalog')
    return last
  }
}

async function applyAll(catalog: Catalog, snapshot: Snapshot, tablet: Tablet): Promise<void> {
  for await (const row of allDocuments(snapshot, tablet)) catalog.applyRow(tablet, row.id, row.text)
}

/** All documents of a tablet as of the snapshot, in internal id order, a page at a time. */
export async function* allDocuments(snapshot: Snapshot, tablet: Tablet): AsyncIterable<ScanRow> {
  let from: Uint8Array = new Uint8Array(0)
  for (;;) {
    const { maxScanRows, maxScanBytes } = databaseLimits
    const page = await snapshot.scanDocuments(tablet, { from, to: undefined }, 'asc', maxScanRows, maxScanBytes)
    yield* page.rows
    const last = page.rows.at(-1)
    if (page.exhausted || last === undefined) return
    from = new Uint8Array(last.key.length + 1)
    from.set(last.key)
  }
}
