import { assert } from '@concave/base'
import { decodeExpressionValue, encodeValue, type Value, type ValueObject } from '@concave/values'

import type { Document } from './document.ts'
import type { Transaction } from './transaction.ts'
import { databaseLimits } from './transaction-limits.ts'

/** What records of native code may hold; undefined means absent. */
export type FieldValue =
  | string
  | number
  | boolean
  | null
  | bigint
  | undefined
  | readonly FieldValue[]
  | { readonly [field: string]: FieldValue }
export type RecordFields = { readonly [field: string]: FieldValue }

/** A record as read: its fields with the system fields. */
export type StoredRecord<T> = T & { readonly _id: string; readonly _creationTime: number }

export type RangeOptions = { readonly order?: 'asc' | 'desc'; readonly limit?: number }

/**
 * Typed records of one table, for native code (private scope). Stateless: the transaction is an argument, so that one
 * collection serves them all.
 */
export class Collection<T extends object> {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  async insert(tx: Transaction, fields: T): Promise<string> {
    return tx.insert(this.name, toValue(fields), { scope: 'private' })
  }

  async get(tx: Transaction, id: string): Promise<StoredRecord<T> | null> {
    const document = await tx.get(id, { scope: 'private', table: this.name })
    return document === null ? null : toRecord<T>(document)
  }

  /** Sets the given fields; one given as undefined is removed. */
  async patch(tx: Transaction, id: string, fields: Partial<T>): Promise<void> {
    const patch = new Map<string, Value | undefined>()
    for (const [field, value] of Object.entries(fields)) patch.set(field, toFieldValue(value as FieldValue))
    await tx.patch(id, patch, { scope: 'private', table: this.name })
  }

  async replace(tx: Transaction, id: string, fields: T): Promise<void> {
    await tx.replace(id, toValue(fields), { scope: 'private', table: this.name })
  }

  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.delete(id, { scope: 'private', table: this.name })
  }

  /** Records whose leading index fields equal `values`, in index order. */
  async byIndex(
    tx: Transaction,
    index: string,
    values: readonly FieldValue[],
    options: RangeOptions = {},
  ): Promise<readonly StoredRecord<T>[]> {
    const { order = 'asc', limit } = options
    const operators = limit === undefined ? [] : [{ limit }]
    const range = this.#equalities(tx, index, values)
    return this.#collect(tx, {
      source: { type: 'IndexRange', indexName: `${this.name}.${index}`, range, order },
      operators,
    })
  }

  /** All records in insert order. */
  async list(tx: Transaction, options: RangeOptions = {}): Promise<readonly StoredRecord<T>[]> {
    const { order = 'asc', limit } = options
    const operators = limit === undefined ? [] : [{ limit }]
    return this.#collect(tx, { source: { type: 'FullTableScan', tableName: this.name, order }, operators })
  }

  /** The first record whose leading index fields equal `values`. */
  async first(
    tx: Transaction,
    index: string,
    values: readonly FieldValue[],
    order: 'asc' | 'desc' = 'asc',
  ): Promise<StoredRecord<T> | null> {
    const [record] = await this.byIndex(tx, index, values, { order, limit: 1 })
    return record ?? null
  }

  #equalities(tx: Transaction, index: string, values: readonly FieldValue[]): readonly object[] {
    const entry = tx.findTable(this.name)?.indexes.find((candidate) => candidate.descriptor === index)
    const fields = index === 'by_id' ? ['_id'] : entry === undefined ? [] : [...entry.fields, '_creationTime', '_id']
    return values.map((value, position) => {
      const fieldPath = fields[position]
      assert(fieldPath !== undefined, `more values than fields in index ${this.name}.${index}`)
      const encoded = toFieldValue(value)
      return { type: 'Eq', fieldPath, value: encoded === undefined ? { $undefined: null } : encodeValue(encoded) }
    })
  }

  async #collect(tx: Transaction, query: object): Promise<readonly StoredRecord<T>[]> {
    const cursor = tx.openCursor(query, { scope: 'private' })
    const records: StoredRecord<T>[] = []
    for (;;) {
      const { rows, done } = await cursor.nextPage(databaseLimits.maxCursorPageRows)
      for (const text of rows) records.push(parseRecord<T>(text))
      if (done) break
    }
    cursor.close()
    return records
  }
}

function toRecord<T>(document: Document): StoredRecord<T> {
  return parseRecord(document.text)
}

/** Integers of the wire form become bigints; everything else a record may hold is plain JSON already. */
function parseRecord<T>(text: string): StoredRecord<T> {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const keys = Object.keys(value)
    return keys.length === 1 && keys[0]?.startsWith('$') ? decodeExpressionValue(value) : value
  }) as StoredRecord<T>
}

function toValue(fields: object): ValueObject {
  return toFieldValue(fields as RecordFields) as ValueObject
}

function toFieldValue(value: FieldValue): Value | undefined {
  if (Array.isArray(value)) return value.map((element: FieldValue) => toFieldValue(element) ?? null)
  if (typeof value === 'object' && value !== null) {
    const object: Record<string, Value> = Object.create(null) as Record<string, Value>
    for (const [field, member] of Object.entries(value)) {
      const encoded = toFieldValue(member)
      if (encoded !== undefined) object[field] = encoded
    }
    return object
  }
  return value as Value | undefined
}
