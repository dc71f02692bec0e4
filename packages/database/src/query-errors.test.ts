import { decodeValue } from '@concave/values'
import { describe, expect, it } from 'vitest'

import type { IndexEntry, TableEntry } from './catalog.ts'
import { createObject } from './document.ts'
import { compileExpression } from './filter-expression.ts'
import { compileRange, type RangeExpression } from './index-range.ts'
import { parseSchema } from './schema.ts'

const index: IndexEntry = {
  rowId: new Uint8Array(16),
  index: 40,
  descriptor: 'by_ab',
  kind: { type: 'database' },
  text: undefined,
  vector: undefined,
  fields: ['a', 'b'],
  paths: [['a'], ['b'], ['_creationTime'], ['_id']],
  state: 'enabled',
  staged: false,
}
const everything = { from: new Uint8Array(0), to: undefined }
const table: TableEntry = {
  rowId: new Uint8Array(16),
  tableId: 'x',
  tablet: 20,
  name: 't',
  number: 10_001,
  namespace: '',
  state: 'active',
  isSystem: false,
  indexes: [index],
  indexDependency: everything,
  nameDependency: everything,
}

function compile(...expressions: readonly [RangeExpression['type'], string, RangeExpression['value']][]): unknown {
  return compileRange(
    table,
    index,
    expressions.map(([type, field, value]) => ({ type, field, value })),
  )
}

describe('index range errors', () => {
  it.each([
    [
      () => compile(['Eq', 'z', 1]),
      'FieldNotInIndex',
      'The index range included a comparison with "z", but t.by_ab with fields ["a", "b", "_creationTime"] doesn\'t index this field. For more information see https://docs.convex.dev/using/indexes.',
    ],
    [
      () => compile(['Eq', 'b', 1]),
      'InvalidIndexRange',
      'Tried to query index t.by_ab but the query didn\'t use the index fields in order.\nIndex fields: ["a", "b", "_creationTime"]\nQuery fields: ["b"]\nFirst incorrect field: "b"\nFor more information see https://docs.convex.dev/using/indexes.',
    ],
    [
      () => compile(['Gt', 'a', 1], ['Eq', 'b', 1]),
      'InvalidIndexRange',
      'Tried to query index t.by_ab but the query didn\'t use the index fields in order.\nIndex fields: ["a", "b", "_creationTime"]\nQuery fields: ["b", "a"]\nFirst incorrect field: "b"\nFor more information see https://docs.convex.dev/using/indexes.',
    ],
    [
      () => compile(['Eq', 'a', 1], ['Eq', 'a', 2]),
      'AlreadyDefinedBound',
      'Already defined equality bound in index range. Can\'t add "a" == 2.0.',
    ],
    [
      () => compile(['Gt', 'a', 1], ['Gte', 'a', 'x']),
      'AlreadyDefinedBound',
      'Already defined lower bound in index range. Can\'t add "a" >= "x".',
    ],
    [
      () => compile(['Lt', 'a', 1], ['Lte', 'a', null]),
      'AlreadyDefinedBound',
      'Already defined upper bound in index range. Can\'t add "a" <= null.',
    ],
    [
      () => compile(['Gt', 'a', 1], ['Lt', 'b', 1]),
      'BoundsOnMultipleFields',
      'Upper and lower bounds in `range` can only be applied to a single index field. This query against index t.by_ab attempted to set a range bound on both "a" and "b". Consider using `filter` instead. See https://docs.convex.dev/using/indexes for more info.',
    ],
  ])('case %#', (run, code, message) => {
    expect(run).toThrow(expect.objectContaining({ code, message }) as Error)
  })

  it('takes equalities in any order, and the implied fields after the declared ones', () => {
    expect(() => compile(['Eq', 'b', 1], ['Eq', 'a', 1], ['Gt', '_creationTime', 1])).not.toThrow()
    expect(() => compile(['Eq', 'b', 1], ['Eq', 'a', 1], ['Eq', '_creationTime', 1], ['Lt', '_id', 'x'])).not.toThrow()
  })
})

describe('filter expressions', () => {
  const document = createObject([
    ['n', 3],
    ['i', 3n],
    ['s', 'x'],
    ['o', createObject([['k', true]])],
  ])

  function evaluate(json: unknown): unknown {
    return compileExpression(json)(document)
  }
  const literal = (json: unknown): object => ({ $literal: json })
  const int = (n: bigint): object => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigInt64(0, n, true)
    return literal({ $integer: Buffer.from(bytes).toString('base64') })
  }

  it('compares across types and with missing fields', () => {
    expect(evaluate({ $eq: [{ $field: 'missing' }, literal({ $undefined: null })] })).toBe(true)
    expect(evaluate({ $lt: [{ $field: 'i' }, { $field: 'n' }] })).toBe(true)
    expect(evaluate({ $eq: [{ $field: 'i' }, { $field: 'n' }] })).toBe(false)
    expect(evaluate({ $field: 'o.k' })).toBe(true)
    expect(evaluate({ $field: 's.k' })).toBeUndefined()
  })

  it('calculates with two int64 or two float64', () => {
    expect(evaluate({ $add: [{ $field: 'n' }, literal(4)] })).toBe(7)
    expect(evaluate({ $mul: [{ $field: 'i' }, int(4n)] })).toBe(12n)
    expect(evaluate({ $neg: { $field: 'i' } })).toBe(-3n)
  })

  it.each([
    [{ $add: [{ $field: 'n' }, { $field: 's' }] }, 'Cannot add 3.0 (type Float64) and "x" (type String)'],
    [{ $div: [{ $field: 'i' }, int(0n)] }, 'Cannot divide 3 by zero'],
    [
      { $add: [int(9223372036854775807n), int(1n)] },
      'Cannot add 9223372036854775807 and 1: the result is out of range for Int64',
    ],
    [{ $neg: { $field: 's' } }, 'Cannot negate "x" (type String)'],
    [{ $not: { $field: 'n' } }, 'Cannot use value 3.0 (type Float64) as a Boolean'],
    [{ $and: [literal(true), { $field: 'missing' }] }, 'Cannot use value undefined (type Undefined) as a Boolean'],
  ])('refuses %j', (json, message) => {
    expect(() => evaluate(json)).toThrow(expect.objectContaining({ code: 'EvalError', message }) as Error)
  })

  it('stops at the first operand that decides', () => {
    expect(evaluate({ $and: [literal(false), { $field: 'n' }] })).toBe(false)
    expect(evaluate({ $or: [literal(true), { $field: 'n' }] })).toBe(true)
    expect(decodeValue(true)).toBe(true)
  })
})

describe('schema definition errors', () => {
  const object = { type: 'object', value: { a: { fieldType: { type: 'string' }, optional: true } } }
  const parse = (
    tableName: string,
    fields: Record<string, readonly string[]>,
    documentType: unknown = object,
  ): unknown =>
    parseSchema(
      JSON.stringify({
        tables: [
          {
            tableName,
            indexes: Object.entries(fields).map(([indexDescriptor, list]) => ({ indexDescriptor, fields: list })),
            documentType,
          },
        ],
        schemaValidation: true,
      }),
    )

  it.each([
    [() => parse('t', { i: [] }), 'EmptyIndex', 'In table "t" index "i" must have at least one field.'],
    [
      () => parse('t', { i: ['a', 'a'] }),
      'FieldsNotUniqueWithinIndex',
      'Duplicate field "a". Index fields must be unique within an index.',
    ],
    [
      () => parse('t', { i: ['a'], j: ['a'] }),
      'IndexNotUnique',
      'In table "t" index "i" and index "j" have the same fields. Indexes must be unique within a table.',
    ],
    [
      () => parse('t', { i: ['_id'] }),
      'IndexFieldsContainId',
      '`_id` is not a valid index field. To load documents by ID, use `db.get(id)`.',
    ],
    [
      () => parse('t', { i: ['_creationTime'] }),
      'IndexFieldsContainCreationTime',
      '`_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.',
    ],
    [
      () => parse('t', { i: ['_x'] }),
      'IndexFieldNameReserved',
      'Reserved fields (starting with `_`) are not allowed in indexes.',
    ],
    [
      () => parse('t', { by_id: ['a'] }),
      'IndexNameReserved',
      'In table "t" cannot name an index "by_id" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".',
    ],
    [
      () => parse('t', { 'i-j': ['a'] }),
      'InvalidIndexName',
      'Invalid index name: "i-j". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.',
    ],
    [() => parse('t', { i: ['a b'] }), 'InvalidIndexField', 'In index "i": Invalid index field: "a b"'],
    [
      () => parse('t-u', {}),
      'InvalidTableName',
      'Invalid table name: "t-u". Identifiers must start with a letter and can only contain letters, digits, and underscores.',
    ],
    [() => parse('_t', {}), 'TableNameReserved', '_t is a reserved table name.'],
    [
      () => parse('t', { i: Array.from({ length: 16 }, (_, n) => `f${n}`) }),
      'IndexTooManyFields',
      'Indexes may have up to 16 fields.',
    ],
    [
      () => parse('t', { i: ['missing'] }),
      'SchemaDefinitionError',
      'In table "t" the index "i" is invalid because it references the field "missing" that does not exist.',
    ],
    [
      () => parse('t', {}, { type: 'string' }),
      'InvalidTopLevelTypeInSchemaError',
      'The document validator in a schema must be an object, a union of objects, or `v.any()`. Found v.string().',
    ],
  ])('case %#', (run, code, message) => {
    expect(run).toThrow(expect.objectContaining({ code, message }) as Error)
  })
})
