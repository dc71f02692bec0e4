import { BadRequest } from '@concave/base'
import type { KeyRange } from '@concave/storage'
import { encodeDocumentId, encodeKey, findDocumentId, keySuccessor, renderValue, type Value } from '@concave/values'

import { byCreationTimeIndex, byIdIndex, type IndexEntry, type TableEntry } from './catalog.ts'
import { keyAfter } from './read-set.ts'

/** One comparison of `withIndex` (database.md §4.2). `value` undefined means a missing field. */
export type RangeExpression = {
  readonly type: 'Eq' | 'Gt' | 'Gte' | 'Lt' | 'Lte'
  readonly field: string
  readonly value: Value | undefined
}

const operators = { Eq: '==', Gt: '>', Gte: '>=', Lt: '<', Lte: '<=' } as const

type Bounds = {
  readonly equalities: ReadonlyMap<string, Value | undefined>
  readonly field: string | undefined
  readonly lower: RangeExpression | undefined
  readonly upper: RangeExpression | undefined
}

/** The key range of `expressions` in an index, or the developer's error. */
export function compileRange(table: TableEntry, index: IndexEntry, expressions: readonly RangeExpression[]): KeyRange {
  const name = `${table.name}.${index.descriptor}`
  const fields = rangeFields(index)
  const bounds = collectBounds(name, fields, index, expressions)
  const prefix = equalityPrefix(name, fields, index, bounds)
  if (index.descriptor === byIdIndex) return idRange(table.number, prefix, bounds)
  return valueRange(prefix, bounds)
}

/** The fields that a range may use, in order. */
function rangeFields(index: IndexEntry): readonly string[] {
  if (index.descriptor === byIdIndex) return ['_id']
  if (index.descriptor === byCreationTimeIndex) return ['_creationTime', '_id']
  return [...index.fields, '_creationTime', '_id']
}

/** As rangeFields, but as messages list them: the closing `_id` goes without saying. */
function shownFields(index: IndexEntry): string {
  if (index.descriptor === byIdIndex) return quoteAll(['_id'])
  if (index.descriptor === byCreationTimeIndex) return quoteAll(['_creationTime'])
  return quoteAll([...index.fields, '_creationTime'])
}

function collectBounds(
  name: string,
  fields: readonly string[],
  index: IndexEntry,
  expressions: readonly RangeExpression[],
): Bounds {
  const equalities = new Map<string, Value | undefined>()
  let field: string | undefined
  let lower: RangeExpression | undefined
  let upper: RangeExpression | undefined
  for (const expression of expressions) {
    if (!fields.includes(expression.field)) throw fieldNotInIndex(name, index, expression.field)
    if (equalities.has(expression.field)) throw alreadyDefined('equality', expression)
    if (expression.type === 'Eq') {
      if (field === expression.field) throw alreadyDefined('inequality', expression)
      equalities.set(expression.field, expression.value)
      continue
    }
    if (field !== undefined && field !== expression.field) throw boundsOnMultipleFields(name, field, expression.field)
    field = expression.field
    if (expression.type === 'Gt' || expression.type === 'Gte') {
      if (lower !== undefined) throw alreadyDefined('lower', expression)
      lower = expression
    } else {
      if (upper !== undefined) throw alreadyDefined('upper', expression)
      upper = expression
    }
  }
  return { equalities, field, lower, upper }
}

/** The values of the leading fields; fails unless equalities and then the bounded field are a prefix of `fields`. */
function equalityPrefix(
  name: string,
  fields: readonly string[],
  index: IndexEntry,
  bounds: Bounds,
): readonly (Value | undefined)[] {
  const used = fields.filter((field) => bounds.equalities.has(field))
  if (bounds.field !== undefined) used.push(bounds.field)
  const wrong = used.find((field, position) => field !== fields[position])
  if (wrong !== undefined) {
    throw new BadRequest(
      'InvalidIndexRange',
      `Tried to query index ${name} but the query didn't use the index fields in order.\nIndex fields: ${shownFields(index)}\nQuery fields: ${quoteAll(used)}\nFirst incorrect field: ${quote(wrong)}\nFor more information see https://docs.convex.dev/using/indexes.`,
    )
  }
  return used.slice(0, bounds.equalities.size).map((field) => bounds.equalities.get(field))
}

function valueRange(prefix: readonly (Value | undefined)[], { lower, upper }: Bounds): KeyRange {
  const base = encodeKey(prefix)
  let from = base
  if (lower !== undefined) {
    const key = encodeKey([...prefix, lower.value])
    from = lower.type === 'Gte' ? key : keySuccessor(key)
  }
  let to = prefix.length === 0 ? undefined : keySuccessor(base)
  if (upper !== undefined) {
    const key = encodeKey([...prefix, upper.value])
    to = upper.type === 'Lt' ? key : keySuccessor(key)
  }
  return { from, to }
}

const lowest = new Uint8Array(0)
const empty: KeyRange = { from: lowest, to: lowest }

/** Ranges of `by_id`: the same order as that of the id texts of one table, expressed in internal ids. */
function idRange(tableNumber: number, prefix: readonly (Value | undefined)[], { lower, upper }: Bounds): KeyRange {
  if (prefix.length > 0) {
    const id = typeof prefix[0] === 'string' ? findDocumentId(prefix[0]) : undefined
    if (id === undefined || id.tableNumber !== tableNumber) return empty
    return { from: id.internalId, to: keyAfter(id.internalId) }
  }
  const from = lower === undefined ? lowest : firstId(tableNumber, lower.value, lower.type === 'Gt')
  const to = upper === undefined ? undefined : firstId(tableNumber, upper.value, upper.type === 'Lte')
  if (from === undefined) return empty
  return { from, to }
}

const maxInternalId = (1n << 128n) - 1n

/** The lowest internal id whose text is ≥ (`after`: >) `bound`; undefined if none is. */
function firstId(tableNumber: number, bound: Value | undefined, after: boolean): Uint8Array | undefined {
  if (typeof bound !== 'string') {
    // Everything below strings in the order of values lies before all ids, everything above behind them.
    return encodeKey([bound])[0]! < encodeKey([''])[0]! ? lowest : undefined
  }
  const key = Buffer.from(bound)
  const isBelow = (id: bigint): boolean => {
    const comparison = Buffer.compare(Buffer.from(encodeDocumentId(tableNumber, toInternalId(id))), key)
    return after ? comparison <= 0 : comparison < 0
  }
  if (isBelow(maxInternalId)) return undefined
  let low = 0n
  let high = maxInternalId
  while (low < high) {
    const middle = (low + high) >> 1n
    if (isBelow(middle)) low = middle + 1n
    else high = middle
  }
  return toInternalId(low)
}

function toInternalId(id: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(id.toString(16).padStart(32, '0'), 'hex'))
}

function quote(field: string): string {
  return `"${field}"`
}

function quoteAll(fields: readonly string[]): string {
  return `[${fields.map(quote).join(', ')}]`
}

function fieldNotInIndex(name: string, index: IndexEntry, field: string): BadRequest {
  return new BadRequest(
    'FieldNotInIndex',
    `The index range included a comparison with ${quote(field)}, but ${name} with fields ${shownFields(index)} doesn't index this field. For more information see https://docs.convex.dev/using/indexes.`,
  )
}

function alreadyDefined(what: 'equality' | 'lower' | 'upper' | 'inequality', expression: RangeExpression): BadRequest {
  const value = expression.value === undefined ? 'undefined' : renderValue(expression.value)
  return new BadRequest(
    'AlreadyDefinedBound',
    `Already defined ${what} bound in index range. Can't add ${quote(expression.field)} ${operators[expression.type]} ${value}.`,
  )
}

function boundsOnMultipleFields(name: string, first: string, second: string): BadRequest {
  return new BadRequest(
    'BoundsOnMultipleFields',
    `Upper and lower bounds in \`range\` can only be applied to a single index field. This query against index ${name} attempted to set a range bound on both ${quote(first)} and ${quote(second)}. Consider using \`filter\` instead. See https://docs.convex.dev/using/indexes for more info.`,
  )
}
