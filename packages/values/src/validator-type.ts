/** Validators (function-runtime.md §4.2) as data, and their JSON. */
import { checkIdentifier } from './names.ts'
import { renderValidator } from './render.ts'
import { ValueError } from './value-error.ts'
import { sortedFieldNames } from './value-kind.ts'
import type { Value } from './value.ts'
import { decodeValue, encodeValue } from './wire-json.ts'

export type Validator =
  | { readonly type: 'null' | 'number' | 'bigint' | 'commitTs' | 'boolean' | 'string' | 'bytes' | 'any' }
  | { readonly type: 'literal'; readonly value: Value }
  | { readonly type: 'id'; readonly tableName: string }
  | { readonly type: 'array'; readonly element: Validator }
  | { readonly type: 'record'; readonly keys: Validator; readonly values: Validator }
  | { readonly type: 'object'; readonly fields: ReadonlyMap<string, FieldValidator> }
  | { readonly type: 'union'; readonly members: readonly Validator[] }

/** `fields` of an object validator are in the order of their names. */
export type FieldValidator = { readonly validator: Validator; readonly isOptional: boolean }

/** Deeper validators are refused; no value could use them, as values nest 64 deep at most. */
const maxValidatorNesting = 256

/** From the JSON that a push carries. Throws `ValueError` `InvalidValidator` or `InvalidRecordType`. */
export function parseValidator(json: unknown): Validator {
  return parse(json, 0)
}

export function validatorToJson(validator: Validator): unknown {
  switch (validator.type) {
    case 'literal':
      return { type: 'literal', value: encodeValue(validator.value) }
    case 'id':
      return { type: 'id', tableName: validator.tableName }
    case 'array':
      return { type: 'array', value: validatorToJson(validator.element) }
    case 'record':
      return {
        type: 'record',
        keys: validatorToJson(validator.keys),
        values: { fieldType: validatorToJson(validator.values), optional: false },
      }
    case 'object': {
      const fields = Object.create(null) as Record<string, unknown>
      for (const [name, field] of validator.fields) {
        fields[name] = { fieldType: validatorToJson(field.validator), optional: field.isOptional }
      }
      return { type: 'object', value: fields }
    }
    case 'union':
      return { type: 'union', value: validator.members.map(validatorToJson) }
    case 'null':
    case 'number':
    case 'bigint':
    case 'commitTs':
    case 'boolean':
    case 'string':
    case 'bytes':
    case 'any':
      return { type: validator.type }
  }
}

/** The tables that `v.id` names anywhere in the validator. */
export function getTableReferences(validator: Validator): Set<string> {
  switch (validator.type) {
    case 'id':
      return new Set([validator.tableName])
    case 'array':
      return getTableReferences(validator.element)
    case 'record':
      return getTableReferences(validator.keys).union(getTableReferences(validator.values))
    case 'object':
      return referencesOfAll(Array.from(validator.fields.values(), (field) => field.validator))
    case 'union':
      return referencesOfAll(validator.members)
    case 'null':
    case 'number':
    case 'bigint':
    case 'commitTs':
    case 'boolean':
    case 'string':
    case 'bytes':
    case 'any':
    case 'literal':
      return new Set()
  }
}

function referencesOfAll(validators: readonly Validator[]): Set<string> {
  return new Set(validators.flatMap((validator) => Array.from(getTableReferences(validator))))
}

function parse(json: unknown, depth: number): Validator {
  if (depth > maxValidatorNesting) throw invalid(`nested more than ${maxValidatorNesting} levels deep`)
  const object = asObject(json, 'a validator')
  const type = object['type']
  switch (type) {
    case 'null':
    case 'number':
    case 'bigint':
    case 'commitTs':
    case 'boolean':
    case 'string':
    case 'bytes':
    case 'any':
      return { type }
    // Kinds that are gone; old deployments still push them.
    case 'map':
    case 'set':
      return { type: 'any' }
    case 'literal':
      return { type, value: decodeValue(object['value']) }
    case 'id':
      return { type, tableName: parseTableName(object['tableName']) }
    case 'array':
      return { type, element: parse(object['value'], depth + 1) }
    case 'record':
      return parseRecord(object, depth + 1)
    case 'object':
      return parseObject(asObject(object['value'], 'the fields of an object validator'), depth + 1)
    case 'union':
      return { type, members: asArray(object['value']).map((member) => parse(member, depth + 1)) }
    default:
      throw invalid(`unknown type ${JSON.stringify(type)}`)
  }
}

function parseRecord(object: JsonObject, depth: number): Validator {
  const keys = parse(object['keys'], depth)
  if (!isRecordKey(keys)) {
    throw new ValueError(
      'InvalidRecordType',
      `Records can only have string keys. Your validator contains a record with key typed as \`${renderValidator(keys)}\`, which is not a subtype of \`v.string()\``,
    )
  }
  const values = parseField(object['values'], depth)
  if (values.isOptional) {
    throw new ValueError(
      'InvalidRecordType',
      'Records cannot have optional values. Remove `v.optional(...)` from the values of the record.',
    )
  }
  return { type: 'record', keys, values: values.validator }
}

/** Strings, ids and unions of them; string literals would make the record an object. */
function isRecordKey(validator: Validator): boolean {
  if (validator.type === 'union') return validator.members.every(isRecordKey)
  return validator.type === 'string' || validator.type === 'id'
}

function parseObject(json: JsonObject, depth: number): Validator {
  const fields = new Map<string, FieldValidator>()
  for (const name of sortedFieldNames(json)) {
    const failure = checkIdentifier(name)
    if (failure !== undefined) throw invalid(failure)
    fields.set(name, parseField(json[name], depth))
  }
  return { type: 'object', fields }
}

function parseField(json: unknown, depth: number): FieldValidator {
  const field = asObject(json, 'a field of a validator')
  const isOptional = field['optional'] ?? false
  if (typeof isOptional !== 'boolean') throw invalid('`optional` must be a boolean')
  return { validator: parse(field['fieldType'], depth), isOptional }
}

function parseTableName(json: unknown): string {
  if (typeof json !== 'string') throw invalid('`tableName` must be a string')
  const failure = checkIdentifier(json)
  if (failure !== undefined) throw invalid(failure)
  return json
}

type JsonObject = Readonly<Record<string, unknown>>

function asObject(json: unknown, what: string): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(`${what} must be an object`)
  return json as JsonObject
}

function asArray(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw invalid('the members of a union must be an array')
  return json
}

function invalid(reason: string): ValueError {
  return new ValueError('InvalidValidator', `Invalid validator: ${reason}`)
}
