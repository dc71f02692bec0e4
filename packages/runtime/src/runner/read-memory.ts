/**
 * What mutations were told when they read, and what they have written since: so a runner can go on with what a read will
 * most likely answer, and the supervisor only has to confirm it. It may be wrong at any time, because others write too; a
 * guess that is not confirmed makes the call run again. Components have tables and ids of their own: keys begin with the
 * component's id, which is '' for the app.
 */
import type { Page } from './cursors.ts'
import { runnerLimits } from './runner-limits.ts'

type Reading = {
  /** Keys of documents. */
  readonly ids: readonly string[]
  readonly done: boolean
  /** Undefined for a document that was looked up by its id. */
  readonly table: string | undefined
  readonly sizeBytes: number
}

type KnownDocument = {
  text: string
  /** Keys of the readings that show it. */
  readonly keys: Set<string>
}

type Json = Record<string, unknown>

export class ReadMemory {
  /** In the order of use. */
  readonly #readings = new Map<string, Reading>()
  readonly #documents = new Map<string, KnownDocument>()
  readonly #keysByTable = new Map<string, Set<string>>()
  /** Ids of the documents that recent calls have written, by number of the call. */
  readonly #writtenByCall = new Map<number, string[]>()
  /** Texts before the writes of the call that runs, newest last. */
  #overwritten: { readonly id: string; readonly text: string }[] = []
  #sizeBytes = 0

  /** First page of a query, given as JSON text, in a component. */
  findPage(query: string, componentId = ''): Page | undefined {
    const reading = this.#find(componentId + query)
    return reading && { rows: reading.ids.map((id) => this.#textOf(id)), done: reading.done }
  }

  /** `argsText` of `1.0/get`. */
  findDocument(argsText: string, componentId = ''): string | undefined {
    const id = this.#find(componentId + argsText)?.ids[0]
    return id === undefined ? undefined : this.#textOf(id)
  }

  rememberPage(query: string, { rows, done }: Page, componentId = ''): void {
    this.#remember(query, rows, done, tableOf(query), componentId)
  }

  rememberDocument(argsText: string, text: string, componentId = ''): void {
    this.#remember(argsText, [text], true, undefined, componentId)
  }

  /** The call that runs writes: `argsText` of the syscall `op`. */
  write(op: string, argsText: string, componentId = ''): void {
    if (this.#readings.size === 0) return
    const args = JSON.parse(argsText) as { id?: unknown; table?: unknown; value?: unknown }
    if (op === '1.0/insert') {
      if (typeof args.table === 'string') this.#forgetTable(componentId + args.table)
      return
    }
    const id = componentId + String(args.id)
    const document = this.#documents.get(id)
    if (document === undefined) return
    if (op === '1.0/remove') {
      this.#forgetDocument(document)
      return
    }
    this.#overwritten.push({ id, text: document.text })
    const old = JSON.parse(document.text) as Json
    const base = op === '1.0/shallowMerge' ? old : { _id: old['_id'], _creationTime: old['_creationTime'] }
    document.text = encodeDocument({ ...base, ...(args.value as Json) })
  }

  /** If call number `call` failed, its writes never happened. */
  endCall(call: number, succeeded: boolean): void {
    this.#writtenByCall.delete(call - runnerLimits.rememberedCalls)
    if (this.#overwritten.length === 0) return
    if (succeeded) {
      this.#writtenByCall.set(
        call,
        this.#overwritten.map(({ id }) => id),
      )
    } else {
      for (const { id, text } of this.#overwritten.reverse()) {
        const document = this.#documents.get(id)
        if (document !== undefined) document.text = text
      }
    }
    this.#overwritten = []
  }

  /** The supervisor did not take these calls: what they have written is not known any more. */
  forgetCalls(calls: readonly number[]): void {
    for (const call of calls) {
      for (const id of this.#writtenByCall.get(call) ?? []) {
        const document = this.#documents.get(id)
        if (document !== undefined) this.#forgetDocument(document)
      }
      this.#writtenByCall.delete(call)
    }
  }

  #find(key: string): Reading | undefined {
    const reading = this.#readings.get(key)
    if (reading === undefined) return undefined
    this.#readings.delete(key)
    this.#readings.set(key, reading)
    return reading
  }

  #remember(
    text: string,
    rows: readonly string[],
    done: boolean,
    tableName: string | undefined,
    componentId: string,
  ): void {
    const key = componentId + text
    const table = tableName === undefined ? undefined : componentId + tableName
    this.#forget(key)
    if (rows.length > runnerLimits.rememberedRows) return
    let sizeBytes = readingOverheadBytes + key.length
    for (const row of rows) sizeBytes += readingOverheadBytes + row.length
    if (sizeBytes > runnerLimits.rememberedReadingBytes) return
    const ownIds = rows.map((row) => (JSON.parse(row) as Json | null)?.['_id'])
    if (!ownIds.every((id) => typeof id === 'string')) return
    const ids = ownIds.map((id) => componentId + id)
    for (const [position, id] of ids.entries()) {
      const row = rows[position] as string
      const document = this.#documents.get(id)
      if (document === undefined) this.#documents.set(id, { text: row, keys: new Set([key]) })
      else {
        document.text = row
        document.keys.add(key)
      }
    }
    this.#readings.set(key, { ids, done, table, sizeBytes })
    if (table !== undefined) {
      const keys = this.#keysByTable.get(table)
      if (keys === undefined) this.#keysByTable.set(table, new Set([key]))
      else keys.add(key)
    }
    this.#sizeBytes += sizeBytes
    while (this.#sizeBytes > runnerLimits.rememberedBytes) {
      const [oldest] = this.#readings.keys()
      if (oldest === undefined) return
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    const reading = this.#readings.get(key)
    if (reading === undefined) return
    this.#readings.delete(key)
    this.#sizeBytes -= reading.sizeBytes
    for (const id of reading.ids) {
      const document = this.#documents.get(id)
      document?.keys.delete(key)
      if (document?.keys.size === 0) this.#documents.delete(id)
    }
    if (reading.table === undefined) return
    const keys = this.#keysByTable.get(reading.table)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysByTable.delete(reading.table)
  }

  #forgetDocument({ keys }: KnownDocument): void {
    for (const key of keys) this.#forget(key)
  }

  /** A new document may be a row of any query on its table. */
  #forgetTable(table: string): void {
    for (const key of this.#keysByTable.get(table) ?? []) this.#forget(key)
  }

  #textOf(id: string): string {
    const document = this.#documents.get(id)
    if (document === undefined) throw new Error('A reading shows a document that is not known.')
    return document.text
  }
}

/** What a reading and a row of it take beside their texts. */
const readingOverheadBytes = 256

function tableOf(query: string): string {
  const { source } = JSON.parse(query) as { source?: { tableName?: unknown; indexName?: unknown } }
  return String(source?.tableName ?? source?.indexName).split('.', 1)[0] as string
}

/** As the database stores it: sorted keys, fields that were set to undefined left out. */
function encodeDocument(fields: Json): string {
  return JSON.stringify(fields, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const sorted: Json = {}
    for (const name of Object.keys(value).sort()) {
      const member = (value as Json)[name]
      if (!isUndefinedMarker(member)) sorted[name] = member
    }
    return sorted
  })
}

function isUndefinedMarker(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '$undefined')
}
