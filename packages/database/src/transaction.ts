import { assert, BadRequest, type Random } from '@concave/base'
import type { Ts } from '@concave/storage'
import {
  checkIdentifier,
  createInternalId,
  decodeDocumentId,
  decodeLegacyId,
  encodeDocumentId,
  findDocumentId,
  renderValue,
  ValueError,
  valuesEqual,
  type TableNumbers,
  type Value,
  type ValueObject,
} from '@concave/values'

import { Budget, type BudgetWarning, type Metrics } from './budget.ts'
import {
  byCreationTimeIndex,
  byIdIndex,
  fixedIndexes,
  tableNameDependency,
  tableNumberDependency,
  type Catalog,
  type IndexEntry,
  type TableEntry,
} from './catalog.ts'
import type { Effects } from './committer.ts'
import { CreationTimes } from './creation-times.ts'
import { assertObject, checkDocument, checkUserFields, createObject, Document } from './document.ts'
import { buildEffects } from './effects.ts'
import { compileRange } from './index-range.ts'
import { OwnWrites, type Revision, type Write, type WritesMark } from './own-writes.ts'
import { queryFingerprint, type PageCursorCodec } from './page-cursor.ts'
import { checkPageOptions, readPage, type PageOptions, type PageResult } from './pagination.ts'
import { QueryCursor, type CursorHost } from './query-cursor.ts'
import { parseQuery, type ParsedQuery } from './query-json.ts'
import { ReadSet } from './read-set.ts'
import type { Source } from './row-scanner.ts'
import { enforceSchemas } from './schema-enforcement.ts'
import type { TextCache } from './search/text-cache.ts'
import { compileSearch } from './search/text-query.ts'
import { TextSearch } from './search/text-search.ts'
import type { Snapshot } from './snapshot.ts'
import { componentTables, rootNamespace, virtualTables } from './system-tables.ts'
import { createTable } from './table-definitions.ts'
import type { TransactionLimits } from './transaction-limits.ts'
import { findVirtualShape } from './virtual-documents.ts'

/**
 * Which side a call comes from. `user`: `ctx.db`, tables of the app. `system`: `ctx.db.system`, the virtual tables,
 * read-only. `private`: native code, every table.
 */
export type Scope = 'user' | 'system' | 'private'
export type TransactionKind = 'query' | 'mutation'

/** `table`: the name given beside the id (`db.get(table, id)`), which the id must belong to. */
export type AccessOptions = { readonly scope?: Scope; readonly table?: string }

export type Savepoint = { readonly writes: WritesMark; readonly catalog: Catalog }

export type TransactionDependencies = {
  readonly kind: TransactionKind
  readonly snapshot: Snapshot
  readonly catalog: Catalog
  readonly random: Random
  readonly codec: PageCursorCodec
  readonly textCache: TextCache
  readonly limits: TransactionLimits
  /** Whose budget this one uses; then `limits` are that one's. */
  readonly partOf: Transaction | undefined
  readonly namespace: string
  /** Wall clock at begin, ns: the base of creation times and ids. */
  readonly nowNs: bigint
  /** Documents of a table as of the snapshot. */
  readonly countDocuments: (table: TableEntry) => Promise<number>
  /** Documents with a value in the first field of counted indexes, now. */
  readonly countWithValue: () => number
}

type Method = 'get' | 'patch' | 'replace' | 'delete'

/**
 * One serializable transaction: reads of one snapshot with its own writes laid over, recorded as a read set
 * (database.md §5). Calls must not overlap. Errors that user code may catch are those that `isDeveloperError` names; a
 * failed call has written nothing, but its reads and its use of the budget stay.
 */
export class Transaction {
  readonly kind: TransactionKind
  readonly #snapshot: Snapshot
  readonly #random: Random
  readonly #codec: PageCursorCodec
  readonly #textCache: TextCache
  readonly #nowMs: number
  readonly #countDocuments: (table: TableEntry) => Promise<number>
  readonly #countWithValue: () => number
  readonly #creationTimes: CreationTimes
  readonly #reads = new ReadSet()
  readonly #writes = new OwnWrites()
  readonly #budget: Budget
  readonly #cursors = new Set<QueryCursor>()
  readonly #dependencies = new Set<string>()
  #namespace: string
  #catalog: Catalog
  /** Whether `#catalog` is a clone that nobody else holds. */
  #ownsCatalog = false
  #hasPaginated = false

  constructor(deps: TransactionDependencies) {
    this.kind = deps.kind
    this.#namespace = deps.namespace
    this.#snapshot = deps.snapshot
    this.#catalog = deps.catalog
    this.#random = deps.random
    this.#codec = deps.codec
    this.#textCache = deps.textCache
    this.#budget = deps.partOf === undefined ? new Budget(deps.limits) : deps.partOf.#budget
    this.#countDocuments = deps.countDocuments
    this.#countWithValue = deps.countWithValue
    this.#creationTimes = new CreationTimes(deps.nowNs > deps.snapshot.ts ? deps.nowNs : deps.snapshot.ts + 1n)
    this.#nowMs = Number(deps.nowNs / 1_000_000n)
  }

  /** The snapshot's timestamp. */
  get beginTs(): Ts {
    return this.#snapshot.ts
  }

  /** Whose tables names and numbers mean: the app's ('') or a component's. */
  get namespace(): string {
    return this.#namespace
  }

  /** Tables and indexes as this transaction sees them, its own changes included. Reading it records no dependency. */
  get catalog(): Catalog {
    return this.#catalog
  }

  get hasWrites(): boolean {
    return !this.#writes.isEmpty
  }

  /** Everything that was looked at so far, consumed rows of open cursors included. */
  get reads(): ReadSet {
    for (const cursor of this.#cursors) cursor.settle()
    return this.#reads
  }

  metrics(): Metrics {
    for (const cursor of this.#cursors) cursor.settle()
    return this.#budget.metrics()
  }

  /** Budgets that are nearly used up. */
  warnings(): readonly BudgetWarning[] {
    for (const cursor of this.#cursors) cursor.settle()
    return this.#budget.warnings()
  }

  /** Counts a function scheduled by this transaction and the size of its arguments. Returns how many it has scheduled. */
  countScheduled(argsBytes: number): number {
    return this.#budget.schedule(argsBytes)
  }

  /**
   * How many functions are scheduled and have not finished, in all namespaces, as of the newest commit. For limits: costs
   * nothing, records no dependency and does not see this transaction's own writes.
   */
  countOutstanding(): number {
    return this.#countWithValue()
  }

  /** Counts a file whose content the function itself stores. */
  countFileWritten(sizeBytes: number): void {
    this.#budget.writeFile(sizeBytes)
  }

  /** Counts a file whose content the function itself reads. */
  countFileRead(sizeBytes: number): void {
    this.#budget.readFile(sizeBytes)
  }

  /** The document, or null. Present or absent alike, the id becomes part of the read set. */
  async get(id: string, options: AccessOptions = {}): Promise<Document | null> {
    const target = this.#resolveId(id, 'get', options)
    if (target === undefined) {
      this.#budget.query(false)
      return null
    }
    const { table, internalId } = target
    this.#budget.query(table.isSystem)
    const { current } = await this.#load(table, internalId)
    const shape = options.scope === 'system' ? findVirtualShape(table.name) : undefined
    return current === null || shape === undefined ? current : shape(current)
  }

  /** Adds a document and returns its id; creates the table if there is none of that name. */
  async insert(tableName: string, value: Value, options: AccessOptions = {}): Promise<string> {
    const scope = options.scope ?? 'user'
    this.#assertWritable()
    const fields = assertObject(value)
    const table = this.#findWritableTable(tableName, scope)
    checkUserFields(fields, [])
    return this.#insert(table ?? (await this.#createTable(tableName)), fields, scope)
  }

  /** Shallow merge; a field given as undefined is removed. A patch that changes nothing is not a write. */
  async patch(
    id: string,
    patch: ReadonlyMap<string, Value | undefined>,
    options: AccessOptions = {},
  ): Promise<Document> {
    const { table, internalId, base, current } = await this.#loadForWrite(id, 'patch', options)
    const fields = createObject(Object.entries(current.value)) as Record<string, Value>
    for (const [field, value] of patch) {
      if (value === undefined) delete fields[field]
      else fields[field] = value
    }
    return this.#update({ table, internalId, id, base, current }, fields, options)
  }

  /** Replaces all fields but `_id` and `_creationTime`, which `value` may repeat. */
  async replace(id: string, value: Value, options: AccessOptions = {}): Promise<Document> {
    const fields = assertObject(value)
    const { table, internalId, base, current } = await this.#loadForWrite(id, 'replace', options)
    return this.#update({ table, internalId, id, base, current }, fields, options)
  }

  /** Removes the document and returns what it was. */
  async delete(id: string, options: AccessOptions = {}): Promise<Document> {
    const { table, internalId, base, current } = await this.#loadForWrite(id, 'delete', options)
    this.#budget.write(table.isSystem, current.size)
    this.#put({ table, internalId, id, base, current: null })
    return current
  }

  /** The canonical id if `text` is an id of `tableName`, else null. Whether the document exists is not asked. */
  normalizeId(tableName: string, text: string, options: AccessOptions = {}): string | null {
    const table = this.#findReadableTable(tableName, options.scope ?? 'user')
    if (table === undefined) return null
    const id = findDocumentId(text)
    if (id !== undefined) return id.tableNumber === table.number ? encodeDocumentId(table.number, id.internalId) : null
    const legacy = decodeLegacyId(text)
    return legacy === undefined ? null : encodeDocumentId(table.number, legacy)
  }

  /** Number of documents. Depends on every insert and delete of the table; reads none of its documents. */
  async count(tableName: string, options: AccessOptions = {}): Promise<number> {
    const table = this.#findReadableTable(tableName, options.scope ?? 'user')
    this.#budget.query(table?.isSystem ?? false)
    if (table === undefined) return 0
    this.#reads.addInterval(indexOf(table, byIdIndex).index, new Uint8Array(0), undefined)
    return (await this.#countDocuments(table)) + this.#writes.countChange(table)
  }

  /** Opens a `queryStream` (function-runtime.md §2.2). Validates the query; reads nothing yet. */
  openCursor(queryJson: unknown, options: AccessOptions = {}): QueryCursor {
    const query = parseQuery(queryJson, 'queryStream')
    const source = this.#resolveSource(query, options.scope ?? 'user')
    this.#budget.query(source?.table.isSystem ?? false)
    const cursor = new QueryCursor({
      host: this.#cursorHost(),
      source,
      operators: query.operators,
      onClose: (closed) => this.#cursors.delete(closed),
    })
    this.#cursors.add(cursor)
    return cursor
  }

  /** One page of a query (`1.0/queryPage`). At most once per function execution. */
  async paginate(queryJson: unknown, page: PageOptions, options: AccessOptions = {}): Promise<PageResult> {
    if (this.#hasPaginated && (options.scope ?? 'user') !== 'private') throw multiplePaginatedQueries()
    checkPageOptions(page)
    const query = parseQuery(queryJson, 'queryPage')
    const source = this.#resolveSource(query, options.scope ?? 'user')
    this.#hasPaginated = true
    this.#budget.query(source?.table.isSystem ?? false)
    const fields = source === undefined ? ['_creationTime'] : source.index.fields
    const fingerprint = queryFingerprint(queryJson, fields)
    const host = this.#cursorHost()
    return readPage({ host, codec: this.#codec, fingerprint, source, operators: query.operators, options: page })
  }

  /** Marks the writes so far: what a nested mutation that fails goes back to. */
  savepoint(): Savepoint {
    this.#ownsCatalog = false
    return { writes: this.#writes.mark(), catalog: this.#catalog }
  }

  /** Undoes all writes since; reads and the use of the budget stay (database.md §5.4). May be repeated. */
  rollbackTo(savepoint: Savepoint): void {
    this.#writes.rollback(savepoint.writes)
    this.#catalog = savepoint.catalog
    this.#ownsCatalog = false
  }

  /** As `rollbackTo`, for an execution that runs again from its start on the same snapshot: its budget is whole again. */
  startOver(savepoint: Savepoint): void {
    for (const cursor of this.#cursors) cursor.close()
    this.rollbackTo(savepoint)
    this.#budget.reset()
    this.#hasPaginated = false
  }

  /**
   * Begins a nested execution with limits counted from here, on the tables of `namespace`. Call the returned function
   * when it ends.
   */
  enterNested(limits: Partial<TransactionLimits> = {}, namespace: string = this.#namespace): () => void {
    const restore = this.#budget.narrow(limits)
    const hadPaginated = this.#hasPaginated
    const outerNamespace = this.#namespace
    this.#hasPaginated = false
    this.#namespace = namespace
    return () => {
      restore()
      this.#hasPaginated = hadPaginated
      this.#namespace = outerNamespace
    }
  }

  /** Runs native code in the namespace of a component. Nothing else may use the transaction meanwhile. */
  async within<T>(namespace: string, run: () => Promise<T>): Promise<T> {
    const outerNamespace = this.#namespace
    this.#namespace = namespace
    try {
      return await run()
    } finally {
      this.#namespace = outerNamespace
    }
  }

  /** For the committer: the effects at commit ts `ts`. */
  buildEffects(ts: Ts): Effects {
    return buildEffects(this.#catalog, this.#writes, ts)
  }

  /** For native code that defines tables: adds a row to a system table, system budget, no checks of names. */
  async insertRow(tableName: string, fields: ValueObject): Promise<string> {
    const table = this.#catalog.findTable(rootNamespace, tableName)
    assert(table !== undefined, `there is no system table ${tableName}`)
    return this.#insert(table, fields, 'private')
  }

  /** The table of that name as native code sees it; depends on it. */
  findTable(name: string): TableEntry | undefined {
    return this.#findReadableTable(name, 'private')
  }

  /** For a vector search: its table and index; undefined if there is no such table. Throws the developer's error. */
  findVectorIndex(tableName: string, indexName: string): { table: TableEntry; entry: IndexEntry } | undefined {
    const table = this.#findReadableTable(tableName, 'user')
    if (table === undefined) return undefined
    const entry = this.#resolveIndex(table, indexName)
    if (entry.vector === undefined) {
      throw new BadRequest('IndexNotAVectorIndexError', `Index ${tableName}.${indexName} is not a vector index`)
    }
    return { table, entry }
  }

  /** Records that the outcome depends on the set of indexes of `table`. */
  dependOnIndexes(table: TableEntry): void {
    this.#depend(`i${table.tablet}`, fixedIndexes.index.byTableId, table.indexDependency)
  }

  /** Records that the outcome depends on the schemas. Every write does: no document may slip between check and walk. */
  dependOnSchemas(namespace: string = this.namespace): void {
    const table = this.#catalog.findTable(namespace, '_schemas')
    const index = table?.indexes.find((entry) => entry.descriptor === 'by_state')
    if (index !== undefined) this.#depend(`s${namespace}`, index.index, everything)
  }

  async #insert(table: TableEntry, fields: ValueObject, scope: Scope): Promise<string> {
    const internalId = createInternalId(this.#random, this.#nowMs)
    const id = encodeDocumentId(table.number, internalId)
    const value = withSystemFields(fields, id, this.#creationTimes.next())
    const document = Document.fromValue(value)
    // Our own records may be larger: modules, recorded results.
    if (!table.isSystem) checkDocument(document)
    this.#reads.addKey(indexOf(table, byIdIndex).index, internalId)
    await this.#beforeWrite(table, value, scope)
    this.#budget.write(table.isSystem, document.size)
    this.#put({ table, internalId, id, base: undefined, current: document })
    return id
  }

  async #update(
    target: Loaded & { readonly current: Document; readonly id: string },
    fields: ValueObject,
    options: AccessOptions,
  ): Promise<Document> {
    const { table, internalId, id, base, current } = target
    checkUserFields(fields, ['_id', '_creationTime'])
    checkSystemFields(fields, current)
    const value = withSystemFields(fields, id, current.creationTime)
    const document = Document.fromValue(value)
    if (document.text === current.text) return current
    // Our own records may be larger: modules, recorded results.
    if (!table.isSystem) checkDocument(document)
    await this.#beforeWrite(table, value, options.scope ?? 'user')
    this.#budget.write(table.isSystem, document.size)
    this.#put({ table, internalId, id, base, current: document })
    return document
  }

  /** Dependencies of every write, and the schemas it is checked against. */
  async #beforeWrite(table: TableEntry, value: ValueObject, scope: Scope): Promise<void> {
    this.#dependOnName(table)
    this.dependOnIndexes(table)
    if (table.isSystem) return
    this.dependOnSchemas(table.namespace)
    const schemas = this.#catalog.schemas(table.namespace)
    if (schemas.active === undefined && schemas.pending === undefined) return
    const contradictions = enforceSchemas(schemas, table.name, value, this.tableNumbers(table.namespace))
    if (contradictions.length === 0) return
    assert(scope !== 'system', 'the system side writes nothing')
    const schemaTable = this.#catalog.findTable(table.namespace, '_schemas')
    assert(schemaTable !== undefined, 'a schema without a table of schemas')
    for (const { schema, patch } of contradictions) {
      await this.patch(encodeDocumentId(schemaTable.number, schema.rowId), patch, { scope: 'private' })
    }
  }

  #put(write: Write): void {
    this.#assertWritable()
    this.#writes.put(write)
    const { tablet } = write.table
    if (!this.#catalog.follows(tablet)) return
    if (!this.#ownsCatalog) {
      this.#catalog = this.#catalog.clone()
      this.#ownsCatalog = true
    }
    this.#catalog.applyRow(tablet, write.internalId, write.current?.text ?? null)
  }

  /** Reads one document; counts it and records its key. */
  async #load(
    table: TableEntry,
    internalId: Uint8Array,
  ): Promise<{ base: Revision | undefined; current: Document | null }> {
    this.#reads.addKey(indexOf(table, byIdIndex).index, internalId)
    const own = this.#writes.find(table, internalId)
    let base: Revision | undefined
    let current: Document | null
    if (own === undefined) {
      const [stored] = await this.#snapshot.get(table.tablet, [internalId])
      base = stored && { ts: stored.ts, document: Document.fromStored(stored) }
      current = base?.document ?? null
    } else {
      ;({ base, current } = own)
    }
    if (current !== null) this.#budget.read(table.isSystem, 1, current.size)
    return { base, current }
  }

  async #loadForWrite(
    id: string,
    method: Exclude<Method, 'get'>,
    options: AccessOptions,
  ): Promise<Loaded & { current: Document }> {
    this.#assertWritable()
    const target = this.#resolveId(id, method, options)
    if (target === undefined) throw new BadRequest('InvalidArgument', `Table for ID "${id}" not found`)
    const { table, internalId } = target
    if (table.isSystem && options.scope !== 'private') throw readOnlyTable(table.name)
    const { base, current } = await this.#load(table, internalId)
    if (current === null) throw nonexistentDocument(id, method)
    if (method === 'delete') {
      this.#dependOnName(table)
      this.dependOnIndexes(table)
    }
    return { table, internalId, base, current }
  }

  /** The table and internal id of an id text; undefined if its number is no table's. Throws the developer's error. */
  #resolveId(
    text: string,
    method: Method,
    options: AccessOptions,
  ): { table: TableEntry; internalId: Uint8Array } | undefined {
    const scope = options.scope ?? 'user'
    const call = scope === 'system' ? `db.system.${method}` : `db.${method}`
    const { tableNumber, internalId } = decodeIdArgument(text, call)
    const table = this.#findTableByNumber(tableNumber, scope)
    if (options.table !== undefined && (table === undefined || shownName(table) !== options.table)) {
      if (table !== undefined && !(scope === 'private' && table.name === options.table)) {
        throw invalidId(call, `expected to be an Id<"${options.table}">, got Id<"${shownName(table)}"> instead.`)
      }
    }
    if (table === undefined || scope === 'private') return table && { table, internalId }
    if (scope === 'user' && table.isSystem) throw systemTableError('System tables can only be accessed with db.system.')
    if (scope === 'system' && !table.isSystem) throw systemTableError('User tables cannot be accessed with db.system.')
    if (scope === 'system' && shownName(table) === table.name) return undefined
    return { table, internalId }
  }

  #findTableByNumber(number: number, scope: Scope): TableEntry | undefined {
    const table =
      this.#catalog.findTableByNumber(this.namespace, number) ??
      (scope === 'private' ? onlyShared(this.#catalog.findTableByNumber(rootNamespace, number)) : undefined)
    if (table !== undefined) {
      this.#dependOnName(table)
    } else {
      const { byNamespaceAndNumber } = fixedIndexes.tables
      this.#depend(`n${this.namespace}/${number}`, byNamespaceAndNumber, tableNumberDependency(this.namespace, number))
    }
    return table
  }

  /** A table that `scope` may read. Its existence or absence becomes part of the read set. */
  #findReadableTable(name: string, scope: Scope): TableEntry | undefined {
    const error = checkIdentifier(name)
    if (error !== undefined) throw new BadRequest('InvalidTableName', `Invalid table name: ${error}`)
    if (scope !== 'private' && name.startsWith('_') && !virtualTables.has(name)) return undefined
    // Native code in a component's namespace also uses the tables that exist once per deployment.
    const table =
      this.#catalog.findTable(this.namespace, name) ??
      (scope === 'private' && name.startsWith('_')
        ? onlyShared(this.#catalog.findTable(rootNamespace, name))
        : undefined)
    if (table !== undefined) this.#dependOnName(table)
    else this.#dependOnAbsence(name)
    return table
  }

  #findWritableTable(name: string, scope: Scope): TableEntry | undefined {
    if (scope === 'system' || (scope === 'user' && virtualTables.has(name))) throw readOnlyTable(name)
    if (scope === 'user' && name.startsWith('_')) {
      throw new BadRequest('InvalidTableName', `Invalid table name ${name} starts with metadata prefix '_'`)
    }
    return this.#findReadableTable(name, scope)
  }

  async #createTable(name: string): Promise<TableEntry> {
    assert(!name.startsWith('_'), `there is no system table ${name}`)
    return createTable(this, { name, namespace: this.namespace, indexes: [] })
  }

  #resolveSource(query: ParsedQuery, scope: Scope): Source | undefined {
    const table = this.#findReadableTable(query.tableName, scope)
    if (table === undefined) return undefined
    const index = this.#resolveIndex(table, query.indexName ?? byCreationTimeIndex)
    const shape = scope === 'system' ? findVirtualShape(table.name) : undefined
    const name = `${shownName(table)}.${index.descriptor}`
    const { text } = index
    if (query.search === undefined) {
      if (index.kind.type !== 'database') {
        throw new BadRequest('IndexNotADatabaseIndexError', `Index ${name} is a ${index.kind.type} index`)
      }
      return { table, index, range: compileRange(table, index, query.range), order: query.order, shape }
    }
    if (text === undefined) throw new BadRequest('IndexNotASearchIndexError', `Index ${name} is not a search index`)
    const search = new TextSearch({
      snapshot: this.#snapshot,
      cache: this.#textCache,
      writes: this.#writes,
      table,
      entry: index,
      text,
      query: compileSearch(name, text, query.search),
    })
    return { table, index, range: everything, order: 'asc', search }
  }

  #resolveIndex(table: TableEntry, name: string): IndexEntry {
    if (name === byIdIndex || name === byCreationTimeIndex) return indexOf(table, name)
    this.dependOnIndexes(table)
    const entries = table.indexes.filter((entry) => entry.descriptor === name)
    const enabled = entries.find((entry) => entry.state === 'enabled')
    if (enabled !== undefined) return enabled
    const shown = `${shownName(table)}.${name}`
    if (entries.length === 0) throw new BadRequest('IndexNotFoundError', `Index ${shown} not found.`)
    if (entries.some((entry) => !entry.staged)) {
      throw new BadRequest(
        'IndexBackfillingError',
        `Index ${shown} is currently backfilling and not available to query yet.`,
      )
    }
    throw new BadRequest(
      'IndexStagedError',
      `Index ${shown} is currently staged and not available to query until it is enabled.`,
    )
  }

  /** Numbers of tables for validators; what they look up becomes part of the read set. */
  tableNumbers(namespace: string): TableNumbers {
    return {
      numberOf: (name) => {
        const table = this.#catalog.findTable(namespace, name)
        if (table !== undefined) this.#dependOnName(table)
        else this.#dependOnAbsence(name)
        return table?.number
      },
      nameOf: (number) => {
        const table = this.#catalog.findTableByNumber(namespace, number)
        return table && { name: shownName(table), system: table.isSystem }
      },
    }
  }

  #cursorHost(): CursorHost {
    return { snapshot: this.#snapshot, writes: this.#writes, reads: this.#reads, budget: this.#budget }
  }

  #dependOnName(table: TableEntry): void {
    this.#depend(`t${table.tablet}`, fixedIndexes.tables.byNamespaceAndName, table.nameDependency)
  }

  #dependOnAbsence(name: string): void {
    this.#depend(
      `a${this.namespace}/${name}`,
      fixedIndexes.tables.byNamespaceAndName,
      tableNameDependency(this.namespace, name),
    )
  }

  #depend(key: string, index: number, range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }): void {
    if (this.#dependencies.has(key)) return
    this.#dependencies.add(key)
    this.#reads.addInterval(index, range.from, range.to)
  }

  #assertWritable(): void {
    assert(this.kind === 'mutation', 'a query does not write')
  }
}

/** The table if it exists once per deployment: a component that lacks one must not be given the app's own. */
function onlyShared(table: TableEntry | undefined): TableEntry | undefined {
  return table?.isSystem === true && !componentTables.has(table.name) ? table : undefined
}

type Loaded = {
  readonly table: TableEntry
  readonly internalId: Uint8Array
  readonly base: Revision | undefined
}

const everything = { from: new Uint8Array(0), to: undefined }

/** The index of that name; every table has the built-in ones. */
export function indexOf(table: TableEntry, descriptor: string): IndexEntry {
  const entry =
    descriptor === byIdIndex ? table.indexes[0] : table.indexes.find((index) => index.descriptor === descriptor)
  assert(entry !== undefined && entry.descriptor === descriptor, `${table.name} has no index ${descriptor}`)
  return entry
}

const virtualNames: ReadonlyMap<string, string> = new Map(
  Array.from(virtualTables, ([virtual, table]) => [table, virtual]),
)

/** The name by which functions know a table. */
function shownName(table: TableEntry): string {
  return virtualNames.get(table.name) ?? table.name
}

function withSystemFields(fields: ValueObject, id: string, creationTime: number): ValueObject {
  if (fields['_id'] === id && Object.is(fields['_creationTime'], creationTime)) return fields
  const value = createObject(Object.entries(fields)) as Record<string, Value>
  value['_creationTime'] = creationTime
  value['_id'] = id
  return value
}

function checkSystemFields(fields: ValueObject, current: Document): void {
  const id = fields['_id']
  if (id !== undefined && id !== current.id) {
    throw new BadRequest(
      'InvalidIdError',
      `Provided document ID ${current.id} doesn't match '_id' field ${renderId(id)}`,
    )
  }
  const creationTime = fields['_creationTime']
  if (creationTime !== undefined && !valuesEqual(creationTime, current.creationTime)) {
    throw new BadRequest(
      'InvalidCreationTimeError',
      `Provided creation time ${current.creationTime} doesn't match '_creationTime' field in ${renderValue(fields)}`,
    )
  }
}

function renderId(id: Value): string {
  return typeof id === 'string' ? id : renderValue(id)
}

function decodeIdArgument(
  text: string,
  call: string,
): { readonly tableNumber: number; readonly internalId: Uint8Array } {
  try {
    return decodeDocumentId(text)
  } catch (error) {
    if (error instanceof ValueError) throw invalidId(call, error.message)
    throw error
  }
}

function invalidId(call: string, reason: string): BadRequest {
  return new BadRequest('InvalidArgument', `Invalid argument \`id\` for \`${call}\`: ${reason}`)
}

function systemTableError(message: string): BadRequest {
  return new BadRequest('SystemTableError', message)
}

function readOnlyTable(name: string): BadRequest {
  return new BadRequest('ReadOnlyTable', `${name} is a read-only table`)
}

const missingVerbs = { patch: 'Update', replace: 'Replace', delete: 'Delete' } as const

function nonexistentDocument(id: string, method: Exclude<Method, 'get'>): BadRequest {
  return new BadRequest('NonexistentDocument', `${missingVerbs[method]} on nonexistent document ID ${id}`)
}

function multiplePaginatedQueries(): BadRequest {
  return new BadRequest(
    'MultiplePaginatedDatabaseQueries',
    'This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.',
  )
}
