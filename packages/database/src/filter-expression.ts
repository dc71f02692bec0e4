import { BadRequest } from '@concave/base'
import {
  compareValues,
  decodeExpressionValue,
  kindOf,
  renderValue,
  valuesEqual,
  type Value,
  type ValueKind,
  type ValueObject,
} from '@concave/values'

import { parseFieldPath, valueAt } from './index-key.ts'

/** A compiled `.filter()` (database.md §4.3): the expression's value for a document; undefined is a missing field. */
export type Expression = (document: ValueObject) => Value | undefined

/** Compiles wire JSON of an expression; `what` names the call for messages. */
export function compileExpression(json: unknown): Expression {
  if (!isJsonObject(json)) throw invalid(json)
  const entries = Object.entries(json)
  const [operator, operand] = entries[0] ?? []
  if (entries.length !== 1 || operator === undefined) throw invalid(json)
  switch (operator) {
    case '$field':
      return compileField(operand)
    case '$literal': {
      const literal = decodeExpressionValue(operand)
      return () => literal
    }
    case '$and':
    case '$or':
      return compileLogic(operator === '$and', operand)
    case '$not': {
      const inner = compileExpression(operand)
      return (document) => !toBoolean(inner(document))
    }
    case '$neg': {
      const inner = compileExpression(operand)
      return (document) => negate(inner(document))
    }
    default:
      return compileBinary(operator, operand)
  }
}

/** A filter keeps a document only if its expression is true; anything but a boolean is an error. */
export function passes(expression: Expression, document: ValueObject): boolean {
  return toBoolean(expression(document))
}

export function isJsonObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function compileField(operand: unknown): Expression {
  if (typeof operand !== 'string') throw invalid(operand)
  const path = parseFieldPath(operand)
  return (document) => valueAt(document, path)
}

function compileLogic(isAnd: boolean, operand: unknown): Expression {
  if (!Array.isArray(operand)) throw invalid(operand)
  const parts = operand.map(compileExpression)
  return (document) => {
    for (const part of parts) if (toBoolean(part(document)) !== isAnd) return !isAnd
    return isAnd
  }
}

type Binary = (left: Value | undefined, right: Value | undefined) => Value

function compileBinary(operator: string, operand: unknown): Expression {
  const operation = binaryOperations.get(operator)
  if (operation === undefined || !Array.isArray(operand) || operand.length !== 2) throw invalid({ [operator]: operand })
  const left = compileExpression(operand[0])
  const right = compileExpression(operand[1])
  return (document) => operation(left(document), right(document))
}

const binaryOperations: ReadonlyMap<string, Binary> = new Map<string, Binary>([
  ['$eq', (left, right) => equal(left, right)],
  ['$neq', (left, right) => !equal(left, right)],
  ['$lt', (left, right) => compareValues(left, right) < 0],
  ['$lte', (left, right) => compareValues(left, right) <= 0],
  ['$gt', (left, right) => compareValues(left, right) > 0],
  ['$gte', (left, right) => compareValues(left, right) >= 0],
  [
    '$add',
    arithmetic(
      'add',
      (a, b) => a + b,
      (a, b) => a + b,
    ),
  ],
  [
    '$sub',
    arithmetic(
      'subtract',
      (a, b) => a - b,
      (a, b) => a - b,
    ),
  ],
  [
    '$mul',
    arithmetic(
      'multiply',
      (a, b) => a * b,
      (a, b) => a * b,
    ),
  ],
  [
    '$div',
    arithmetic(
      'divide',
      (a, b) => a / b,
      (a, b) => a / b,
    ),
  ],
  [
    '$mod',
    arithmetic(
      'mod',
      (a, b) => a % b,
      (a, b) => a % b,
    ),
  ],
])

function equal(left: Value | undefined, right: Value | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return valuesEqual(left, right)
}

const minInt64 = -(1n << 63n)
const maxInt64 = (1n << 63n) - 1n

function arithmetic(
  verb: string,
  onInts: (a: bigint, b: bigint) => bigint,
  onFloats: (a: number, b: number) => number,
): Binary {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return onFloats(left, right)
    if (typeof left !== 'bigint' || typeof right !== 'bigint') {
      throw evalError(
        `Cannot ${verb} ${render(left)} (type ${typeName(left)}) and ${render(right)} (type ${typeName(right)})`,
      )
    }
    if (right === 0n && (verb === 'divide' || verb === 'mod')) throw evalError(`Cannot ${verb} ${render(left)} by zero`)
    const result = onInts(left, right)
    if (result < minInt64 || result > maxInt64) {
      throw evalError(`Cannot ${verb} ${render(left)} and ${render(right)}: the result is out of range for Int64`)
    }
    return result
  }
}

function negate(value: Value | undefined): Value {
  if (typeof value === 'number') return -value
  if (typeof value !== 'bigint') throw evalError(`Cannot negate ${render(value)} (type ${typeName(value)})`)
  if (value === minInt64) throw evalError(`Cannot negate ${render(value)}: the result is out of range for Int64`)
  return -value
}

function toBoolean(value: Value | undefined): boolean {
  if (typeof value !== 'boolean')
    throw evalError(`Cannot use value ${render(value)} (type ${typeName(value)}) as a Boolean`)
  return value
}

function render(value: Value | undefined): string {
  return value === undefined ? 'undefined' : renderValue(value)
}

const typeNames = {
  undefined: 'Undefined',
  null: 'Null',
  int64: 'Int64',
  float64: 'Float64',
  boolean: 'Boolean',
  string: 'String',
  bytes: 'Bytes',
  array: 'Array',
  object: 'Object',
} as const satisfies Record<ValueKind, string>

function typeName(value: Value | undefined): string {
  return typeNames[kindOf(value)]
}

function evalError(message: string): BadRequest {
  return new BadRequest('EvalError', message)
}

function invalid(json: unknown): BadRequest {
  return new BadRequest('InvalidArgument', `Invalid expression in a query filter: ${JSON.stringify(json)}`)
}
