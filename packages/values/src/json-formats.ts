/** The other JSON renderings of database.md §1.2: `json`, which loses kinds, and `export_json`, which keeps them in digits. */
import { assert, bytesToBase64 } from '@concave/base'
import { isValueArray, sortedFieldNames } from './value-kind.ts'
import { CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'
import { encodeFloat } from './wire-scalars.ts'

/** Format `json` (alias `convex_clean_json`): int64 as decimal string, NaN and ±Infinity as strings, bytes as base64. */
export function toCleanJson(value: Value): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (isValueArray(value)) return value.map(toCleanJson)
  if (value instanceof Uint8Array) return bytesToBase64(value)
  assertResolved(value)
  const object = Object.create(null) as Record<string, unknown>
  for (const name of sortedFieldNames(value)) object[name] = toCleanJson(value[name]!)
  return object
}

/**
 * Format `export_json` (snapshot export, data sync): int64 as bare digits, finite floats always with `.` or exponent, so that
 * a reader that sees the digits can tell them apart. Keys sorted by bytes.
 */
export function stringifyExport(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value === null || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    return Number.isFinite(value) ? stringifyFraction(value) : `{"$float":"${encodeFloat(value)}"}`
  }
  if (isValueArray(value)) return `[${value.map(stringifyExport).join(',')}]`
  if (value instanceof Uint8Array) return `{"$bytes":"${bytesToBase64(value)}"}`
  assertResolved(value)
  const fields = sortedFieldNames(value).map((name) => `${JSON.stringify(name)}:${stringifyExport(value[name]!)}`)
  return `{${fields.join(',')}}`
}

/** A finite float that cannot be mistaken for an integer: `123.0`, `-0.0`, `1e+21`. */
export function stringifyFraction(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}

/** Committed values hold no placeholder: the commit replaced it. */
function assertResolved(value: CommitTsPlaceholder | ValueObject): asserts value is ValueObject {
  assert(!(value instanceof CommitTsPlaceholder), 'an unresolved commit timestamp is about to leave the server')
}
