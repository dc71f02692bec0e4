/** Validators and values as error texts show them (function-runtime.md §4.3). */
import { bytesToBase64 } from '@concave/base'
import { stringifyFraction } from './json-formats.ts'
import type { FieldValidator, Validator } from './validator-type.ts'
import { isValueArray, sortedFieldNames } from './value-kind.ts'
import { CommitTsPlaceholder, type Value } from './value.ts'

/** As the developer would write it: `v.object({a: v.optional(v.string())})`, `v.float64()`, `v.id("t")`. */
export function renderValidator(validator: Validator): string {
  switch (validator.type) {
    case 'number':
      return 'v.float64()'
    case 'bigint':
      return 'v.int64()'
    case 'literal':
      return `v.literal(${renderValue(validator.value)})`
    case 'id':
      return `v.id("${validator.tableName}")`
    case 'array':
      return `v.array(${renderValidator(validator.element)})`
    case 'record':
      return `v.record(${renderValidator(validator.keys)}, ${renderValidator(validator.values)})`
    case 'object':
      return `v.object({${Array.from(validator.fields, ([name, field]) => `${name}: ${renderField(field)}`).join(', ')}})`
    case 'union':
      return `v.union(${validator.members.map(renderValidator).join(', ')})`
    case 'null':
    case 'commitTs':
    case 'boolean':
    case 'string':
    case 'bytes':
    case 'any':
      return `v.${validator.type}()`
  }
}

/** Floats always with a fraction, int64 as plain digits, strings as JSON, keys sorted by bytes. */
export function renderValue(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return Number.isFinite(value) ? stringifyFraction(value) : String(value)
  if (value === null || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (isValueArray(value)) return `[${value.map(renderValue).join(', ')}]`
  if (value instanceof Uint8Array) return `b"${bytesToBase64(value)}"`
  if (value instanceof CommitTsPlaceholder) return '[unresolved commit timestamp]'
  const fields = sortedFieldNames(value).map((name) => `${renderFieldName(name)}: ${renderValue(value[name]!)}`)
  return `{${fields.join(', ')}}`
}

function renderField(field: FieldValidator): string {
  const text = renderValidator(field.validator)
  return field.isOptional ? `v.optional(${text})` : text
}

function renderFieldName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : JSON.stringify(name)
}
