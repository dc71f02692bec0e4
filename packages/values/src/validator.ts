/**
 * Whether a value fits a validator, and if not, why: the exact texts of database.md §4.6, which users' tests match. Declared
 * fields are checked in the order of their names, then extra fields; the first failure wins.
 */
import { findDocumentId } from './document-id.ts'
import { valuesEqual } from './order.ts'
import { renderValidator, renderValue } from './render.ts'
import type { FieldValidator, Validator } from './validator-type.ts'
import { isValueArray, isValueObject, kindOf, sortedFieldNames, type ValueKind } from './value-kind.ts'
import type { Value, ValueObject } from './value.ts'

/** The tables of one component, by name and by the number inside ids. Virtual tables are known by their own names. */
export interface TableNumbers {
  numberOf(table: string): number | undefined
  nameOf(tableNumber: number): { readonly name: string; readonly system: boolean } | undefined
}

/** Undefined if the value fits, else the failure text without prefix. */
export function checkValue(validator: Validator, value: Value, tables: TableNumbers): string | undefined {
  return check(validator, value, { tables, path: '' })
}

/** `path` leads from the outermost value to the one being checked: `.a[0].b`. */
type Context = { readonly tables: TableNumbers; readonly path: string }

const kindOfType = {
  null: 'null',
  number: 'float64',
  bigint: 'int64',
  commitTs: 'int64',
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
} as const satisfies Readonly<Record<string, ValueKind>>

function check(validator: Validator, value: Value, context: Context): string | undefined {
  switch (validator.type) {
    case 'any':
      return undefined
    case 'literal':
      return checkLiteral(validator, value, context)
    case 'id':
      return checkId(validator, value, context)
    case 'array':
      return isValueArray(value) ? checkElements(validator, value, context) : mismatch(validator, value, context)
    case 'record':
      return isValueObject(value) ? checkRecord(validator, value, context) : mismatch(validator, value, context)
    case 'object':
      return isValueObject(value) ? checkFields(validator, value, context) : mismatch(validator, value, context)
    case 'union':
      return checkUnion(validator, value, context)
    case 'null':
    case 'number':
    case 'bigint':
    case 'commitTs':
    case 'boolean':
    case 'string':
    case 'bytes':
      // The commit timestamp placeholder is an int64 in waiting.
      return kindOf(value) === kindOfType[validator.type] ? undefined : mismatch(validator, value, context)
  }
}

type Of<T extends Validator['type']> = Extract<Validator, { readonly type: T }>

function checkLiteral(validator: Of<'literal'>, value: Value, context: Context): string | undefined {
  if (valuesEqual(validator.value, value)) return undefined
  return `\`${renderValue(value)}\` does not match literal validator \`${renderValidator(validator)}\`.${pathLine(context)}`
}

function checkId(validator: Of<'id'>, value: Value, context: Context): string | undefined {
  if (typeof value !== 'string') return mismatch(validator, value, context)
  const id = findDocumentId(value)
  if (id === undefined) return mismatch(validator, value, context)
  if (context.tables.numberOf(validator.tableName) === id.tableNumber) return undefined
  const table = context.tables.nameOf(id.tableNumber)
  if (table === undefined) return mismatch(validator, value, context)
  const origin = table.system ? 'a system table' : `table \`${table.name}\``
  return `Found ID "${value}" from ${origin}, which does not match the table name in validator \`${renderValidator(validator)}\`.${pathLine(context)}`
}

function checkElements(validator: Of<'array'>, elements: readonly Value[], context: Context): string | undefined {
  for (let i = 0; i < elements.length; i++) {
    const failure = check(validator.element, elements[i]!, below(context, `[${i}]`))
    if (failure !== undefined) return failure
  }
  return undefined
}

function checkRecord(validator: Of<'record'>, record: ValueObject, context: Context): string | undefined {
  for (const name of sortedFieldNames(record)) {
    const failure =
      check(validator.keys, name, below(context, '.keys()')) ??
      check(validator.values, record[name]!, below(context, '.values()'))
    if (failure !== undefined) return failure
  }
  return undefined
}

function checkFields(validator: Of<'object'>, object: ValueObject, context: Context): string | undefined {
  for (const [name, field] of validator.fields) {
    const failure = checkField(validator, object, name, field, context)
    if (failure !== undefined) return failure
  }
  const extra = sortedFieldNames(object).find((name) => !validator.fields.has(name))
  if (extra === undefined) return undefined
  return objectFailure(
    `Object contains extra field \`${extra}\` that is not in the validator.`,
    validator,
    object,
    context,
  )
}

function checkField(
  validator: Of<'object'>,
  object: ValueObject,
  name: string,
  field: FieldValidator,
  context: Context,
): string | undefined {
  if (Object.hasOwn(object, name)) return check(field.validator, object[name]!, below(context, `.${name}`))
  if (field.isOptional) return undefined
  return objectFailure(
    `Object is missing the required field \`${name}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.`,
    validator,
    object,
    context,
  )
}

function checkUnion(validator: Of<'union'>, value: Value, context: Context): string | undefined {
  const [only] = validator.members
  if (only !== undefined && validator.members.length === 1) return check(only, value, context)
  const accepts = validator.members.some((member) => check(member, value, context) === undefined)
  return accepts ? undefined : mismatch(validator, value, context)
}

function mismatch(validator: Validator, value: Value, context: Context): string {
  return `Value does not match validator.\n${pathLine(context)}\nValue: ${renderValue(value)}\nValidator: ${renderValidator(validator)}`
}

function objectFailure(text: string, validator: Of<'object'>, object: ValueObject, context: Context): string {
  return `${text}\n${pathLine(context)}\nObject: ${renderValue(object)}\nValidator: ${renderValidator(validator)}`
}

/** Empty at the root. */
function pathLine(context: Context): string {
  return context.path === '' ? '' : `Path: ${context.path}`
}

function below(context: Context, step: string): Context {
  return { tables: context.tables, path: context.path + step }
}
