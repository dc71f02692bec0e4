import { BadRequest } from '@concave/base'
import { decodeExpressionValue } from '@concave/values'

import { compileExpression, isJsonObject, type Expression } from './filter-expression.ts'
import type { RangeExpression } from './index-range.ts'
import type { SearchExpression } from './search/text-query.ts'
import { databaseLimits } from './transaction-limits.ts'

/** A query as user code sends it (function-runtime.md §2.2), parsed and with its filters compiled. */
export type ParsedQuery = {
  readonly tableName: string
  /** Undefined for a full table scan. */
  readonly indexName: string | undefined
  readonly range: readonly RangeExpression[]
  /** Set for a text search, which has no range and no order. */
  readonly search: readonly SearchExpression[] | undefined
  readonly order: 'asc' | 'desc'
  readonly operators: readonly QueryOperator[]
}

export type QueryOperator =
  | { readonly kind: 'filter'; readonly expression: Expression }
  | { readonly kind: 'limit'; readonly limit: number }

/** Throws the developer's error; `method` is the call that it names. */
export function parseQuery(json: unknown, method: string): ParsedQuery {
  if (!isJsonObject(json)) throw invalid(method, 'a query must be an object')
  const { source, operators } = json
  if (!isJsonObject(source)) throw invalid(method, 'a query must have a source')
  const parsedOperators = parseOperators(operators, method)
  switch (source['type']) {
    case 'FullTableScan': {
      const tableName = source['tableName']
      if (typeof tableName !== 'string') throw invalid(method, 'tableName must be a string')
      return {
        tableName,
        indexName: undefined,
        range: [],
        search: undefined,
        order: parseOrder(source['order'], method),
        operators: parsedOperators,
      }
    }
    case 'IndexRange': {
      const [tableName, indexName] = parseIndexName(source['indexName'], method)
      const range = source['range']
      if (!Array.isArray(range)) throw invalid(method, 'range must be an array')
      return {
        tableName,
        indexName,
        range: range.map((expression) => parseRangeExpression(expression, method)),
        search: undefined,
        order: parseOrder(source['order'], method),
        operators: parsedOperators,
      }
    }
    case 'Search': {
      const [tableName, indexName] = parseIndexName(source['indexName'], method)
      const { filters } = source
      if (!Array.isArray(filters)) throw invalid(method, 'filters must be an array')
      const search = filters.map((expression) => parseSearchExpression(expression, method))
      return { tableName, indexName, range: [], search, order: 'asc', operators: parsedOperators }
    }
    default:
      throw invalid(method, `unknown query source ${JSON.stringify(source['type'])}`)
  }
}

function parseOperators(json: unknown, method: string): readonly QueryOperator[] {
  if (!Array.isArray(json)) throw invalid(method, 'operators must be an array')
  if (json.length > databaseLimits.maxQueryOperators) {
    throw new BadRequest('QueryTooManyOperators', `Query has too many operators: ${json.length}`)
  }
  return json.map((operator: unknown): QueryOperator => {
    if (isJsonObject(operator)) {
      if ('filter' in operator) return { kind: 'filter', expression: compileExpression(operator['filter']) }
      const { limit } = operator
      if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 0) return { kind: 'limit', limit }
    }
    throw invalid(method, `unknown query operator ${JSON.stringify(operator)}`)
  })
}

function parseOrder(json: unknown, method: string): 'asc' | 'desc' {
  if (json === null || json === undefined || json === 'asc') return 'asc'
  if (json === 'desc') return 'desc'
  throw invalid(method, `unknown order ${JSON.stringify(json)}`)
}

function parseIndexName(json: unknown, method: string): readonly [string, string] {
  const dot = typeof json === 'string' ? json.indexOf('.') : -1
  if (typeof json !== 'string' || dot <= 0)
    throw invalid(method, `index names look like "table.index", not ${JSON.stringify(json)}`)
  return [json.slice(0, dot), json.slice(dot + 1)]
}

const rangeTypes: ReadonlySet<unknown> = new Set(['Eq', 'Gt', 'Gte', 'Lt', 'Lte'])

function parseRangeExpression(json: unknown, method: string): RangeExpression {
  if (!isJsonObject(json) || !rangeTypes.has(json['type']) || typeof json['fieldPath'] !== 'string') {
    throw invalid(method, `unknown range expression ${JSON.stringify(json)}`)
  }
  return {
    type: json['type'] as RangeExpression['type'],
    field: json['fieldPath'],
    value: decodeExpressionValue(json['value']),
  }
}

function parseSearchExpression(json: unknown, method: string): SearchExpression {
  if (isJsonObject(json) && typeof json['fieldPath'] === 'string') {
    const { type, fieldPath: field, value } = json
    if (type === 'Search' && typeof value === 'string') return { type, field, text: value }
    if (type === 'Eq') return { type, field, value: decodeExpressionValue(value) }
  }
  throw invalid(method, `unknown search expression ${JSON.stringify(json)}`)
}

function invalid(method: string, reason: string): BadRequest {
  return new BadRequest('InvalidArgument', `Invalid arguments for \`${method}\`: ${reason}`)
}
