/**
 * Wire JSON (database.md §1.2), the form of values in messages and on disk. Decoding enforces the limits and refuses what
 * is no value; encoding trusts its argument. Texts are canonical: keys sorted by bytes, one text per value.
 */
import { bytesToBase64 } from '@concave/base'
import { valueLimits } from './limits.ts'
import { checkFieldName } from './names.ts'
import { parseJson } from './parse-json.ts'
import { ValueError } from './value-error.ts'
import { createValueObject, isValueArray, isValueObject, sortedFieldNames } from './value-kind.ts'
import { tooNested } from './value-limits.ts'
import { CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'
import { decodeTagged, encodeFloat, encodeInt, invalidValue, isSpecialFloat } from './wire-scalars.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** The value of parsed wire JSON. Throws `ValueError`. */
export function decodeValue(json: unknown): Value {
  return decode(json, 0)
}

/** As `decodeValue`, but `{"$undefined": null}` is undefined: index range bounds and filter literals. */
export function decodeExpressionValue(json: unknown): Value | undefined {
  return isUndefinedForm(json) ? undefined : decodeValue(json)
}

/** A patch by field; a field whose value is undefined is to be removed. */
export function decodePatch(json: unknown): ReadonlyMap<string, Value | undefined> {
  if (!isJsonObject(json)) throw invalidValue('Value must be an Object')
  const names = sortedFieldNames(json)
  checkFieldNames(names)
  return new Map(
    names.map((name) => {
      const field = json[name]
      return [name, isUndefinedForm(field) ? undefined : decode(field, 1)]
    }),
  )
}

/** The value of a wire JSON text. Throws `ValueError`. */
export function parseValue(text: string): Value {
  return decodeValue(parseText(text))
}

/** JSON for a message that is stringified later. Keys are inserted in order, but engines list integer-like keys first. */
export function encodeValue(value: Value): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return isSpecialFloat(value) ? { $float: encodeFloat(value) } : value
  if (typeof value === 'bigint') return { $integer: encodeInt(value) }
  if (isValueArray(value)) return value.map(encodeValue)
  if (value instanceof Uint8Array) return { $bytes: bytesToBase64(value) }
  if (value instanceof CommitTsPlaceholder) return { $commitTs: null }
  const object = Object.create(null) as Record<string, unknown>
  for (const name of sortedFieldNames(value)) object[name] = encodeValue(value[name]!)
  return object
}

/** The canonical text. */
export function stringifyValue(value: Value): string {
  // The engine's own writer is three times as fast, and most documents are plain.
  return isPlain(value) ? JSON.stringify(value) : stringify(value)
}

/** Whether the value is its own JSON: no special forms, and fields that enumerate in order of their bytes. */
function isPlain(value: Value): boolean {
  if (typeof value === 'number') return !isSpecialFloat(value)
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (isValueArray(value)) return value.every(isPlain)
  return isValueObject(value) && isPlainObject(value)
}

function isPlainObject(object: ValueObject): boolean {
  let previous = ''
  for (const name of Object.keys(object)) {
    if (name < previous || !isPlain(object[name]!)) return false
    previous = name
  }
  return true
}

function stringify(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    return isSpecialFloat(value) ? `{"$float":"${encodeFloat(value)}"}` : String(value)
  }
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return `{"$integer":"${encodeInt(value)}"}`
  if (isValueArray(value)) return stringifyArray(value)
  if (value instanceof Uint8Array) return `{"$bytes":"${bytesToBase64(value)}"}`
  if (value instanceof CommitTsPlaceholder) return '{"$commitTs":null}'
  return stringifyObject(value)
}

function decode(json: unknown, depth: number): Value {
  if (typeof json === 'string') {
    if (!json.isWellFormed()) throw invalidValue('String contains a lone surrogate, which is not valid Unicode')
    return json
  }
  if (json === null || typeof json === 'number' || typeof json === 'boolean') return json
  if (typeof json !== 'object') throw invalidValue(`${typeof json} is not a supported Convex type`)
  return Array.isArray(json) ? decodeArray(json, depth + 1) : decodeObject(json as JsonObject, depth + 1)
}

function decodeArray(elements: readonly unknown[], depth: number): readonly Value[] {
  checkNesting(depth)
  if (elements.length > valueLimits.maxArrayLength) {
    throw new ValueError(
      'ArrayTooLongError',
      `Array length is too long (${elements.length} > maximum length ${valueLimits.maxArrayLength})`,
    )
  }
  return elements.map((element) => decode(element, depth))
}

function decodeObject(json: JsonObject, depth: number): Value {
  const names = sortedFieldNames(json)
  const special = decodeSpecial(names, json)
  if (special !== undefined) return special
  checkNesting(depth)
  checkFieldNames(names)
  const object = createValueObject()
  for (const name of names) object[name] = decode(json[name], depth)
  return object
}

/** The value of an object with a single `$` key, or undefined for an ordinary object. */
function decodeSpecial(names: readonly string[], json: JsonObject): Value | undefined {
  const name = names[0]
  if (names.length !== 1 || name === undefined || !name.startsWith('$')) return undefined
  if (name === '$undefined') throw invalidValue('undefined is not a valid Convex value')
  if (name === '$set') throw invalidValue('Sets are not supported as values')
  if (name === '$map') throw invalidValue('Maps are not supported as values')
  return decodeTagged(name, json[name])
}

function checkFieldNames(names: readonly string[]): void {
  if (names.length > valueLimits.maxObjectFields) {
    throw new ValueError(
      'TooManyFieldsError',
      `Object has too many fields (${names.length} > maximum number ${valueLimits.maxObjectFields})`,
    )
  }
  for (const name of names) {
    const failure = checkFieldName(name)
    if (failure !== undefined) throw invalidValue(failure)
  }
}

function checkNesting(depth: number): void {
  if (depth > valueLimits.maxNesting) throw tooNested(depth, valueLimits.maxNesting)
}

function isJsonObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isUndefinedForm(json: unknown): boolean {
  return isJsonObject(json) && json['$undefined'] === null && Object.keys(json).length === 1
}

function parseText(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    throw new ValueError('InvalidValue', 'Value is not valid JSON', { cause: error })
  }
}

function stringifyArray(elements: readonly Value[]): string {
  let text = '['
  for (let i = 0; i < elements.length; i++) {
    if (i > 0) text += ','
    text += stringify(elements[i]!)
  }
  return `${text}]`
}

function stringifyObject(object: ValueObject): string {
  let text = '{'
  for (const name of sortedFieldNames(object)) {
    if (text.length > 1) text += ','
    text += `${JSON.stringify(name)}:${stringify(object[name]!)}`
  }
  return `${text}}`
}
