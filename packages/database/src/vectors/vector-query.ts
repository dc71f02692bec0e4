import { BadRequest } from '@concave/base'
import { decodeExpressionValue, type Value } from '@concave/values'

import { isJsonObject } from '../filter-expression.ts'
import type { VectorIndex } from '../index-kind.ts'
import { hashValue, normalize } from './vector-keys.ts'
import { vectorLimits } from './vector-limits.ts'

/** A search as actions send it (function-runtime.md §2.7), before its index is known. */
export type VectorQuery = {
  readonly tableName: string
  readonly indexName: string
  readonly limit: number
  readonly vector: readonly number[]
  /** A document passes if any of these holds; without conditions all pass. */
  readonly conditions: readonly VectorCondition[] | undefined
}

export type VectorCondition = { readonly field: string; readonly value: Value | undefined }

/** A search that its index can answer. */
export type CompiledVectorQuery = {
  readonly vector: Float32Array
  readonly limit: number
  readonly conditions: readonly { readonly field: number; readonly hash: Buffer }[] | undefined
}

/** Throws the developer's error. */
export function parseVectorQuery(json: unknown): VectorQuery {
  if (!isJsonObject(json)) throw invalid('a query must be an object')
  const { indexName, limit = vectorLimits.defaultResults, vector, expressions } = json
  const dot = typeof indexName === 'string' ? indexName.indexOf('.') : -1
  if (typeof indexName !== 'string' || dot <= 0) throw invalid('index names look like "table.index"')
  if (!Array.isArray(vector) || !vector.every((component) => typeof component === 'number')) {
    throw invalid('`vector` must be an array of numbers')
  }
  const count = limit ?? vectorLimits.defaultResults
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1)
    throw invalid('`limit` must be a positive integer')
  if (count > vectorLimits.maxResults) {
    throw new BadRequest(
      'VectorLimitTooLargeError',
      `Vector queries can fetch at most ${vectorLimits.maxResults} results, requested ${count}.`,
    )
  }
  return {
    tableName: indexName.slice(0, dot),
    indexName: indexName.slice(dot + 1),
    limit: count,
    vector,
    conditions: expressions === null || expressions === undefined ? undefined : parseConditions(expressions),
  }
}

/** Throws the developer's error; `name` is the index as `table.index`. */
export function compileVectorQuery(name: string, index: VectorIndex, query: VectorQuery): CompiledVectorQuery {
  const { conditions, limit } = query
  if (query.vector.length !== index.dimensions) {
    throw new BadRequest(
      'VectorDimensionsMismatch',
      `Expected a vector with dimensions ${index.dimensions}, received ${query.vector.length}.`,
    )
  }
  if (conditions !== undefined && conditions.length > vectorLimits.maxConditions) {
    throw new BadRequest(
      'TooManyElementsInVectorQueryError',
      `Vector query against ${name} has too many conditions. Max: ${vectorLimits.maxConditions} Actual: ${conditions.length}`,
    )
  }
  const vector = normalize(query.vector, index.dimensions)
  if (vector === undefined) throw invalid('`vector` must hold finite numbers')
  return {
    vector,
    limit,
    conditions: conditions?.map(({ field, value }) => {
      const position = index.filterFields.indexOf(field)
      if (position === -1) throw incorrectFilterField(name, field)
      return { field: position, hash: hashValue(value) }
    }),
  }
}

function parseConditions(json: unknown): readonly VectorCondition[] {
  if (!isJsonObject(json)) throw invalidFilter()
  if (Array.isArray(json['$or'])) return json['$or'].flatMap(parseConditions)
  const operands = json['$eq']
  if (!Array.isArray(operands)) throw invalidFilter()
  const [left, right] = operands as readonly unknown[]
  const field = isJsonObject(left) ? left['$field'] : undefined
  if (operands.length !== 2 || typeof field !== 'string' || !isJsonObject(right) || !('$literal' in right)) {
    throw new BadRequest(
      'InvalidVectorSearchFilter',
      'Filters should be a combination of `q.eq` and `q.or`. `q.eq` must take a field path as its first argument and a value as its second',
    )
  }
  return [{ field, value: decodeExpressionValue(right['$literal']) }]
}

function invalidFilter(): BadRequest {
  return new BadRequest('InvalidVectorSearchFilter', 'Filters should be a combination of `q.eq` and `q.or`.')
}

function incorrectFilterField(name: string, field: string): BadRequest {
  return new BadRequest(
    'IncorrectVectorFilterField',
    `Vector query against ${name} contains a filter on "${field}" but that field isn't indexed for filtering in \`filterFields\`.`,
  )
}

function invalid(reason: string): BadRequest {
  return new BadRequest('InvalidArgument', `Invalid arguments for \`vectorSearch\`: ${reason}`)
}
