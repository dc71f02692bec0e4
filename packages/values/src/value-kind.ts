import { CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'

/** The kinds in their total order (database.md §1.3); a value's rank is its position. The placeholder counts as int64. */
const kinds = ['undefined', 'null', 'int64', 'float64', 'boolean', 'string', 'bytes', 'array', 'object'] as const

export type ValueKind = (typeof kinds)[number]

const ranks = Object.fromEntries(kinds.map((kind, rank) => [kind, rank])) as Readonly<Record<ValueKind, number>>

export function kindOf(value: Value | undefined): ValueKind {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'number') return 'float64'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'boolean') return 'boolean'
  if (value === undefined) return 'undefined'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (value instanceof Uint8Array) return 'bytes'
  return value instanceof CommitTsPlaceholder ? 'int64' : 'object'
}

/** Position of the value's kind in the total order of kinds. */
export function rankOf(value: Value | undefined): number {
  return ranks[kindOf(value)]
}

/** Whether the value is of kind object: not an array, not bytes, not the commit timestamp placeholder. */
export function isValueObject(value: Value | undefined): value is ValueObject {
  return typeof value === 'object' && value !== null && kindOf(value) === 'object'
}

/** Narrower than `Array.isArray`, which loses the element type of readonly arrays. */
export function isValueArray(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value)
}

/**
 * The field names of an object by bytes. Field names are ASCII, so UTF-16 order is byte order. Needed because an engine
 * enumerates integer-like names first, whatever the order of insertion.
 */
export function sortedFieldNames(object: object): string[] {
  const names = Object.keys(object)
  for (let i = 1; i < names.length; i++) {
    if (names[i - 1]! > names[i]!) return names.sort()
  }
  return names
}

/**
 * An object value without fields, to be filled by its maker. It inherits no fields, so `__proto__` and `constructor` are
 * names like any other. Its prototype is an empty object rather than null, because V8 keeps objects with a null prototype as
 * hash tables: twice as slow to copy, ten times as slow to list.
 */
export function createValueObject(): Record<string, Value> {
  return new EmptyObject()
}

const EmptyObject = function EmptyObject() {} as unknown as new () => Record<string, Value>
EmptyObject.prototype = Object.freeze(Object.create(null))
