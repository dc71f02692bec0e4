import { assert, bytesCompare } from '@concave/base'
import type { IndexId, KeyRange, Tablet } from '@concave/storage'
import { decodeValue, encodeKey, encodeValue, keySuccessor } from '@concave/values'

import { bytesKey, parseFieldPath, type FieldPath } from './index-key.ts'
import {
  databaseKind,
  fieldsOfKind,
  toTextIndex,
  toVectorIndex,
  type IndexKind,
  type IndexShape,
  type TextIndex,
  type VectorIndex,
} from './index-kind.ts'
import { LoadedSchema } from './loaded-schema.ts'
import { rootNamespace, systemTables, virtualTables } from './system-tables.ts'

/**
 * Which tables and indexes exist as of some commit, derived from the documents of `_tables`, `_index`, `_db` and
 * `_schemas`. A committed catalog is never changed: a transaction that creates tables works on a clone.
 */

export type TableState = 'active' | 'hidden' | 'deleting'
export type IndexState = 'backfilling' | 'backfilled' | 'enabled'

export type IndexEntry = {
  /** Internal id of the `_index` row. */
  readonly rowId: Uint8Array
  readonly index: IndexId
  readonly descriptor: string
  readonly kind: IndexKind
  /** Declared fields; without `_creationTime` and `_id`. */
  readonly fields: readonly string[]
  /** Effective paths of a database index's key. Empty for `by_id`, whose key is the internal id. */
  readonly paths: readonly FieldPath[]
  /** Set for search indexes: one document has many keys there. */
  readonly text: TextIndex | undefined
  /** Set for vector indexes. */
  readonly vector: VectorIndex | undefined
  readonly state: IndexState
  readonly staged: boolean
}

export type TableEntry = {
  /** Internal id of the `_tables` row. */
  readonly rowId: Uint8Array
  /** URL-safe base64 of `rowId`: how `_index` rows name the table. */
  readonly tableId: string
  readonly tablet: Tablet
  readonly name: string
  readonly number: number
  readonly namespace: string
  readonly state: TableState
  readonly isSystem: boolean
  /** `by_id` first, then `by_creation_time`, then the others. */
  readonly indexes: readonly IndexEntry[]
  /** In `_index.by_table_id`: what depends on this table's set of indexes. */
  readonly indexDependency: KeyRange
  /** In `_tables.by_namespace_and_name`: what depends on this table's existence under its name. */
  readonly nameDependency: KeyRange
}

/** The counters of `_db`: numbers that were never used. */
export type Counters = { readonly rowId: Uint8Array; readonly nextTablet: Tablet; readonly nextIndex: IndexId }

/** The schemas that writes of a namespace are checked against (database.md §4.6). `pending` includes validated ones. */
export type NamespaceSchemas = { readonly active: LoadedSchema | undefined; readonly pending: LoadedSchema | undefined }

/** Places that never move, so that the catalog itself can be found. */
export const fixedTablets = { tables: 1, index: 2, db: 3 } as const
export const fixedIndexes = {
  tables: { byId: 1, byCreationTime: 2, byName: 3, byNamespaceAndName: 4, byNamespaceAndNumber: 5 },
  index: { byId: 6, byCreationTime: 7, byTableId: 8 },
  db: { byId: 9, byCreationTime: 10 },
} as const
export const firstFreeTablet = 16
export const firstFreeIndex = 32

export const byIdIndex = 'by_id'
export const byCreationTimeIndex = 'by_creation_time'

export class Catalog {
  readonly #tables = new Map<Tablet, TableEntry>()
  readonly #names = new Map<string, TableEntry>()
  readonly #numbers = new Map<string, TableEntry>()
  readonly #tabletOfTableRow = new Map<string, Tablet>()
  readonly #tabletOfTableId = new Map<string, Tablet>()
  readonly #tabletOfIndexRow = new Map<string, Tablet>()
  readonly #schemaRows = new Map<string, LoadedSchema>()
  readonly #schemas = new Map<string, NamespaceSchemas>()
  #counters: Counters | undefined
  #userTableCount = 0

  /** The three tables that every catalog is read from, before any row exists. */
  static bootstrap(): Catalog {
    const catalog = new Catalog()
    for (const table of bootstrapTables()) catalog.#putTable(table)
    return catalog
  }

  clone(): Catalog {
    const copy = new Catalog()
    copyInto(copy.#tables, this.#tables)
    copyInto(copy.#names, this.#names)
    copyInto(copy.#numbers, this.#numbers)
    copyInto(copy.#tabletOfTableRow, this.#tabletOfTableRow)
    copyInto(copy.#tabletOfTableId, this.#tabletOfTableId)
    copyInto(copy.#tabletOfIndexRow, this.#tabletOfIndexRow)
    copyInto(copy.#schemaRows, this.#schemaRows)
    copyInto(copy.#schemas, this.#schemas)
    copy.#counters = this.#counters
    copy.#userTableCount = this.#userTableCount
    return copy
  }

  /** The active table of that name, also virtual names (`_storage`). */
  findTable(namespace: string, name: string): TableEntry | undefined {
    return this.#names.get(nameKey(namespace, virtualTables.get(name) ?? name))
  }

  findTableByNumber(namespace: string, number: number): TableEntry | undefined {
    return this.#numbers.get(numberKey(namespace, number))
  }

  findTablet(tablet: Tablet): TableEntry | undefined {
    return this.#tables.get(tablet)
  }

  findTableById(tableId: string): TableEntry | undefined {
    const tablet = this.#tabletOfTableId.get(tableId)
    return tablet === undefined ? undefined : this.#tables.get(tablet)
  }

  /** The table and index behind a storage index number; for conflict messages and tests, not for hot paths. */
  findIndex(index: IndexId): { readonly table: TableEntry; readonly entry: IndexEntry } | undefined {
    for (const table of this.#tables.values()) {
      const entry = table.indexes.find((candidate) => candidate.index === index)
      if (entry !== undefined) return { table, entry }
    }
    return undefined
  }

  /** The index whose `_index` row has this internal id. */
  findIndexRow(rowId: Uint8Array): { readonly table: TableEntry; readonly entry: IndexEntry } | undefined {
    const tablet = this.#tabletOfIndexRow.get(bytesKey(rowId))
    const table = tablet === undefined ? undefined : this.#tables.get(tablet)
    const entry = table?.indexes.find((candidate) => bytesCompare(candidate.rowId, rowId) === 0)
    return table === undefined || entry === undefined ? undefined : { table, entry }
  }

  tables(): Iterable<TableEntry> {
    return this.#tables.values()
  }

  get counters(): Counters {
    assert(this.#counters !== undefined, 'the catalog has no counters row')
    return this.#counters
  }

  get userTableCount(): number {
    return this.#userTableCount
  }

  /** The smallest number that no table of the namespace has, whatever its state (database.md §2.4). */
  freeTableNumber(namespace: string, first: number): number {
    const used = new Set<number>()
    for (const table of this.#tables.values()) if (table.namespace === namespace) used.add(table.number)
    let number = first
    while (used.has(number)) number += 1
    return number
  }

  schemas(namespace: string): NamespaceSchemas {
    return this.#schemas.get(namespace) ?? noSchemas
  }

  findSchema(rowId: Uint8Array): LoadedSchema | undefined {
    return this.#schemaRows.get(bytesKey(rowId))
  }

  /** True if documents of this tablet decide what the catalog says. */
  follows(tablet: Tablet): boolean {
    return tablet <= fixedTablets.db || this.#tables.get(tablet)?.name === '_schemas'
  }

  /** Takes over one new revision of a followed table; `text` null = deleted. Only on a clone. */
  applyRow(tablet: Tablet, id: Uint8Array, text: string | null): void {
    switch (tablet) {
      case fixedTablets.tables:
        return this.#applyTableRow(id, text)
      case fixedTablets.index:
        return this.#applyIndexRow(id, text)
      case fixedTablets.db:
        return this.#applyCountersRow(id, text)
      default:
        return this.#applySchemaRow(tablet, id, text)
    }
  }

  #applyTableRow(id: Uint8Array, text: string | null): void {
    const key = bytesKey(id)
    const tablet = this.#tabletOfTableRow.get(key)
    if (text === null) {
      if (tablet !== undefined) this.#removeTable(tablet)
      return
    }
    const row = JSON.parse(text) as TableRow
    // The rows of the fixed tables describe entries that exist already; those keep their indexes.
    const previous = this.#tables.get(row.tablet)
    this.#putTable(createTableEntry(id, row, previous?.indexes ?? []))
  }

  #putTable(table: TableEntry): void {
    const previous = this.#tables.get(table.tablet)
    if (previous !== undefined) this.#forgetNames(previous)
    this.#tables.set(table.tablet, table)
    if (table.rowId.length > 0) this.#tabletOfTableRow.set(bytesKey(table.rowId), table.tablet)
    this.#tabletOfTableId.set(table.tableId, table.tablet)
    if (!table.isSystem) this.#userTableCount += 1
    if (table.state !== 'active') return
    this.#names.set(nameKey(table.namespace, table.name), table)
    this.#numbers.set(numberKey(table.namespace, table.number), table)
  }

  #forgetNames(table: TableEntry): void {
    if (!table.isSystem) this.#userTableCount -= 1
    this.#tabletOfTableId.delete(table.tableId)
    const name = nameKey(table.namespace, table.name)
    if (this.#names.get(name) === table) this.#names.delete(name)
    const number = numberKey(table.namespace, table.number)
    if (this.#numbers.get(number) === table) this.#numbers.delete(number)
  }

  #removeTable(tablet: Tablet): void {
    const table = this.#tables.get(tablet)
    if (table === undefined) return
    this.#forgetNames(table)
    this.#tables.delete(tablet)
    this.#tabletOfTableRow.delete(bytesKey(table.rowId))
    for (const index of table.indexes) this.#tabletOfIndexRow.delete(bytesKey(index.rowId))
  }

  #applyIndexRow(id: Uint8Array, text: string | null): void {
    const key = bytesKey(id)
    if (text === null) {
      const tablet = this.#tabletOfIndexRow.get(key)
      this.#tabletOfIndexRow.delete(key)
      const table = tablet === undefined ? undefined : this.#tables.get(tablet)
      if (table === undefined) return
      const indexes = table.indexes.filter((entry) => bytesCompare(entry.rowId, id) !== 0)
      this.#putTable({ ...table, indexes })
      return
    }
    const row = JSON.parse(text) as IndexRow
    const table = this.findTableById(row.table_id)
    assert(table !== undefined, `index row ${row.descriptor} names a table that does not exist`)
    this.#tabletOfIndexRow.set(key, table.tablet)
    const entry = createIndexEntry(id, row)
    const others = table.indexes.filter((candidate) => candidate.index !== entry.index)
    this.#putTable({ ...table, indexes: [...others, entry].toSorted(compareEntries) })
  }

  #applyCountersRow(id: Uint8Array, text: string | null): void {
    assert(text !== null, 'the counters row was deleted')
    const row = JSON.parse(text) as CountersRow
    this.#counters = { rowId: id, nextTablet: row.nextTablet, nextIndex: row.nextIndex }
  }

  #applySchemaRow(tablet: Tablet, id: Uint8Array, text: string | null): void {
    const table = this.#tables.get(tablet)
    assert(table !== undefined, 'a schema row of a table that does not exist')
    const key = bytesKey(id)
    if (text === null) this.#schemaRows.delete(key)
    else this.#schemaRows.set(key, LoadedSchema.parseRow(table, id, text, this.#schemaRows.get(key)))
    let active: LoadedSchema | undefined
    let pending: LoadedSchema | undefined
    for (const schema of this.#schemaRows.values()) {
      if (schema.namespace !== table.namespace) continue
      if (schema.state.state === 'active') active = schema
      if (schema.state.state === 'pending' || schema.state.state === 'validated') pending = schema
    }
    this.#schemas.set(table.namespace, { active, pending })
  }
}

function copyInto<K, V>(target: Map<K, V>, source: ReadonlyMap<K, V>): void {
  for (const [key, value] of source) target.set(key, value)
}

const noSchemas: NamespaceSchemas = { active: undefined, pending: undefined }

/** Wire JSON of the rows. `tablet` and `index` are storage numbers, beside the published fields of database.md §10. */
export type TableRow = {
  readonly name: string
  readonly number: number
  readonly namespace: string
  readonly state: TableState
  readonly tablet: Tablet
}
export type IndexRow = {
  readonly table_id: string
  readonly descriptor: string
  readonly index: IndexId
  readonly config: IndexConfig
}
export type IndexConfig =
  | { readonly type: 'database'; readonly fields: readonly string[]; readonly onDiskState: OnDiskState }
  | (Extract<IndexKind, { type: 'search' }> & { readonly onDiskState: SearchOnDiskState })
  /** `dimensions` is an int64 in wire form. */
  | (Omit<Extract<IndexKind, { type: 'vector' }>, 'dimensions'> & {
      readonly dimensions: unknown
      readonly onDiskState: SearchOnDiskState
    })
export type OnDiskState =
  | { readonly type: 'Backfilling'; readonly backfillState: { readonly staged: boolean } }
  | { readonly type: 'Backfilled2'; readonly staged: boolean }
  | { readonly type: 'Enabled' }
export type SearchOnDiskState =
  | { readonly state: 'backfilling' | 'backfilled2'; readonly staged: boolean }
  | { readonly state: 'snapshotted' }
export type CountersRow = { readonly nextTablet: Tablet; readonly nextIndex: IndexId }

function onDiskState(state: IndexState, staged: boolean): OnDiskState {
  switch (state) {
    case 'backfilling':
      return { type: 'Backfilling', backfillState: { staged } }
    case 'backfilled':
      return { type: 'Backfilled2', staged }
    case 'enabled':
      return { type: 'Enabled' }
  }
}

/** The `config` of an index's row. */
export function indexConfig(
  { kind, fields }: Pick<IndexShape, 'kind' | 'fields'>,
  state: IndexState,
  staged: boolean,
): IndexConfig {
  if (kind.type === 'database') return { type: 'database', fields, onDiskState: onDiskState(state, staged) }
  const disk = { onDiskState: searchOnDiskState(state, staged) }
  if (kind.type === 'search') return { ...kind, ...disk }
  return { ...kind, dimensions: encodeValue(BigInt(kind.dimensions)), ...disk }
}

function searchOnDiskState(state: IndexState, staged: boolean): SearchOnDiskState {
  if (state === 'enabled') return { state: 'snapshotted' }
  return { state: state === 'backfilled' ? 'backfilled2' : 'backfilling', staged }
}

export function tableIdOf(rowId: Uint8Array): string {
  return Buffer.from(rowId).toString('base64url')
}

/** What depends on whether a table of that name exists, in `_tables.by_namespace_and_name`. */
export function tableNameDependency(namespace: string, name: string): KeyRange {
  return prefixRange([namespace, virtualTables.get(name) ?? name])
}

/** What depends on whether a table of that number exists, in `_tables.by_namespace_and_number`. */
export function tableNumberDependency(namespace: string, number: number): KeyRange {
  return prefixRange([namespace, number])
}

function prefixRange(values: readonly (string | number)[]): KeyRange {
  const from = encodeKey(values)
  return { from, to: keySuccessor(from) }
}

function nameKey(namespace: string, name: string): string {
  return namespace === rootNamespace ? name : `${namespace}/${name}`
}

function numberKey(namespace: string, number: number): string {
  return `${namespace}/${number}`
}

function createTableEntry(rowId: Uint8Array, row: TableRow, indexes: readonly IndexEntry[]): TableEntry {
  const tableId = tableIdOf(rowId)
  return {
    rowId,
    tableId,
    tablet: row.tablet,
    name: row.name,
    number: row.number,
    namespace: row.namespace,
    state: row.state,
    isSystem: row.name.startsWith('_'),
    indexes,
    indexDependency: prefixRange([tableId]),
    nameDependency: tableNameDependency(row.namespace, row.name),
  }
}

function createIndexEntry(rowId: Uint8Array, row: IndexRow): IndexEntry {
  const { config } = row
  const kind = kindOfConfig(config)
  const fields = config.type === 'database' ? config.fields : fieldsOfKind(kind)
  const paths =
    row.descriptor === byIdIndex
      ? []
      : [...(row.descriptor === byCreationTimeIndex ? [] : fields.map(parseFieldPath)), ['_creationTime'], ['_id']]
  return {
    rowId,
    index: row.index,
    descriptor: row.descriptor,
    kind,
    fields,
    paths,
    text: toTextIndex(kind),
    vector: toVectorIndex(kind),
    ...stateOfConfig(config),
  }
}

function kindOfConfig(config: IndexConfig): IndexKind {
  if (config.type === 'database') return databaseKind
  if (config.type === 'search') {
    const { type, searchField, filterFields } = config
    return { type, searchField, filterFields }
  }
  const { type, vectorField, filterFields } = config
  return { type, vectorField, dimensions: Number(decodeValue(config.dimensions)), filterFields }
}

function stateOfConfig(config: IndexConfig): Pick<IndexEntry, 'state' | 'staged'> {
  if (config.type === 'database') {
    const disk = config.onDiskState
    if (disk.type === 'Enabled') return { state: 'enabled', staged: false }
    if (disk.type === 'Backfilled2') return { state: 'backfilled', staged: disk.staged }
    return { state: 'backfilling', staged: disk.backfillState.staged }
  }
  const disk = config.onDiskState
  if (disk.state === 'snapshotted') return { state: 'enabled', staged: false }
  return { state: disk.state === 'backfilled2' ? 'backfilled' : 'backfilling', staged: disk.staged }
}

/** An entry as a schema would define it. */
export function shapeOf({ descriptor, fields, kind }: IndexEntry): IndexShape {
  return { name: descriptor, fields, kind }
}

function compareEntries(a: IndexEntry, b: IndexEntry): number {
  return rank(a) - rank(b) || a.index - b.index
}

function rank(entry: IndexEntry): number {
  return entry.descriptor === byIdIndex ? 0 : entry.descriptor === byCreationTimeIndex ? 1 : 2
}

function bootstrapTables(): readonly TableEntry[] {
  const ids = { _tables: fixedIndexes.tables, _index: fixedIndexes.index, _db: fixedIndexes.db }
  const tablets = { _tables: fixedTablets.tables, _index: fixedTablets.index, _db: fixedTablets.db }
  return (['_tables', '_index', '_db'] as const).map((name) => {
    const definition = systemTables.find((table) => table.name === name)
    assert(definition !== undefined, `${name} is not among the system tables`)
    const numbers = Object.values(ids[name]) as number[]
    const indexes = builtInAndDeclared(definition).map((index, position) =>
      createIndexEntry(new Uint8Array(0), {
        table_id: '',
        descriptor: index.name,
        index: numbers[position] as number,
        config: { type: 'database', fields: index.fields, onDiskState: { type: 'Enabled' } },
      }),
    )
    return createTableEntry(
      new Uint8Array(0),
      { name, number: definition.number, namespace: rootNamespace, state: 'active', tablet: tablets[name] },
      indexes,
    )
  })
}

/** All indexes of a table in the order in which numbers are given out. */
export function builtInAndDeclared(table: {
  readonly indexes: readonly { readonly name: string; readonly fields: readonly string[] }[]
}): readonly { readonly name: string; readonly fields: readonly string[] }[] {
  return [{ name: byIdIndex, fields: [] }, { name: byCreationTimeIndex, fields: ['_creationTime'] }, ...table.indexes]
}
