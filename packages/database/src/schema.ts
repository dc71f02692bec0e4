import { BadRequest } from '@concave/base'
import { checkIdentifier, parseValidator, renderValidator, type Validator } from '@concave/values'

import { isJsonObject } from './filter-expression.ts'
import { parseFieldPath } from './index-key.ts'
import { databaseKind, fieldsOfKind, type IndexKind, type IndexShape } from './index-kind.ts'
import { databaseLimits } from './transaction-limits.ts'

/** A pushed schema (database.md §4.6), checked. */
export type SchemaDefinition = {
  readonly schemaValidation: boolean
  readonly tables: readonly TableSchema[]
}

export type TableSchema = {
  readonly tableName: string
  readonly indexes: readonly IndexDefinition[]
  readonly documentType: Validator
  /** The proposed next `documentType`, checked in the background (see `staged-validators.ts`). */
  readonly stagedDocumentType: Validator | undefined
}

export type IndexDefinition = IndexShape & { readonly staged: boolean }

/** Parses and checks a schema's JSON text. Throws the developer's error (database.md §4.1, §4.6). */
export function parseSchema(text: string): SchemaDefinition {
  const json = parseJson(text)
  if (!isJsonObject(json) || !Array.isArray(json['tables'])) throw invalidSchema('it must have a list of tables')
  const schemaValidation = json['schemaValidation'] ?? true
  if (typeof schemaValidation !== 'boolean') throw invalidSchema('`schemaValidation` must be a boolean')
  const tables = json['tables'].map(parseTable)
  const names = new Set<string>()
  for (const { tableName } of tables) {
    if (names.has(tableName)) throw invalidSchema(`the table "${tableName}" is defined twice`)
    names.add(tableName)
  }
  return { schemaValidation, tables }
}

function parseTable(json: unknown): TableSchema {
  if (!isJsonObject(json) || typeof json['tableName'] !== 'string') throw invalidSchema('every table must have a name')
  const { tableName } = json
  checkTableName(tableName)
  const indexes = [
    ...parseIndexes(tableName, json['indexes'], false),
    ...parseIndexes(tableName, json['stagedDbIndexes'], true),
    ...parseSearchIndexes(tableName, json['searchIndexes'], false),
    ...parseSearchIndexes(tableName, json['stagedSearchIndexes'], true),
    ...parseVectorIndexes(tableName, json['vectorIndexes'], false),
    ...parseVectorIndexes(tableName, json['stagedVectorIndexes'], true),
  ]
  checkIndexes(tableName, indexes)
  const documentType =
    json['documentType'] === null || json['documentType'] === undefined
      ? ({ type: 'any' } as const)
      : parseValidator(json['documentType'])
  checkDocumentType(documentType)
  for (const index of indexes) checkReachable(tableName, index, documentType)
  const stagedJson = json['stagedDocumentType'] ?? undefined
  const stagedDocumentType = stagedJson === undefined ? undefined : parseValidator(stagedJson)
  if (stagedDocumentType !== undefined) checkDocumentType(stagedDocumentType)
  return { tableName, indexes, documentType, stagedDocumentType }
}

function checkTableName(name: string): void {
  if (checkIdentifier(name) !== undefined) {
    throw new BadRequest(
      'InvalidTableName',
      `Invalid table name: "${name}". Identifiers must start with a letter and can only contain letters, digits, and underscores.`,
    )
  }
  if (name.startsWith('_')) throw new BadRequest('TableNameReserved', `${name} is a reserved table name.`)
}

function parseIndexes(tableName: string, json: unknown, staged: boolean): readonly IndexDefinition[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) throw invalidSchema(`the indexes of the table "${tableName}" must be a list`)
  return json.map((definition: unknown): IndexDefinition => {
    if (!isJsonObject(definition)) throw invalidSchema(`an index of the table "${tableName}" is not an object`)
    const { indexDescriptor, fields } = definition
    if (
      typeof indexDescriptor !== 'string' ||
      !Array.isArray(fields) ||
      !fields.every((field) => typeof field === 'string')
    ) {
      throw invalidSchema(`an index of the table "${tableName}" has no name or no fields`)
    }
    return { name: indexDescriptor, fields, kind: databaseKind, staged }
  })
}

function parseSearchIndexes(tableName: string, json: unknown, staged: boolean): readonly IndexDefinition[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) throw invalidSchema(`the search indexes of the table "${tableName}" must be a list`)
  return json.map((definition: unknown): IndexDefinition => {
    if (!isJsonObject(definition)) throw invalidSchema(`a search index of the table "${tableName}" is not an object`)
    const { indexDescriptor, searchField, filterFields = [] } = definition
    if (
      typeof indexDescriptor !== 'string' ||
      typeof searchField !== 'string' ||
      !Array.isArray(filterFields) ||
      !filterFields.every((field) => typeof field === 'string')
    ) {
      throw invalidSchema(`a search index of the table "${tableName}" has no name, no search field or no filter fields`)
    }
    const kind = { type: 'search', searchField, filterFields } as const
    return { name: indexDescriptor, fields: fieldsOfKind(kind), kind, staged }
  })
}

function parseVectorIndexes(tableName: string, json: unknown, staged: boolean): readonly IndexDefinition[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) throw invalidSchema(`the vector indexes of the table "${tableName}" must be a list`)
  return json.map((definition: unknown): IndexDefinition => {
    if (!isJsonObject(definition)) throw invalidSchema(`a vector index of the table "${tableName}" is not an object`)
    const { indexDescriptor, vectorField, dimensions, filterFields = [] } = definition
    if (
      typeof indexDescriptor !== 'string' ||
      typeof vectorField !== 'string' ||
      typeof dimensions !== 'number' ||
      !Array.isArray(filterFields) ||
      !filterFields.every((field) => typeof field === 'string')
    ) {
      throw invalidSchema(
        `a vector index of the table "${tableName}" has no name, no vector field, no dimensions or no filter fields`,
      )
    }
    const kind = { type: 'vector', vectorField, dimensions, filterFields } as const
    return { name: indexDescriptor, fields: fieldsOfKind(kind), kind, staged }
  })
}

function checkIndexes(tableName: string, indexes: readonly IndexDefinition[]): void {
  if (indexes.length > databaseLimits.maxIndexesPerTable) {
    throw new BadRequest(
      'TooManyIndexes',
      `Table "${tableName}" cannot have more than ${databaseLimits.maxIndexesPerTable} indexes.`,
    )
  }
  const names = new Set<string>()
  const nameOfContent = new Map<string, string>()
  for (const index of indexes) {
    checkIndex(tableName, index)
    if (names.has(index.name)) {
      throw new BadRequest(
        'IndexNamesNotUnique',
        `Table "${tableName}" has two or more definitions of index "${index.name}".`,
      )
    }
    names.add(index.name)
    const content = contentOf(index)
    const twin = nameOfContent.get(content)
    if (twin !== undefined) throw notUnique(tableName, index.kind, twin, index.name)
    nameOfContent.set(content, index.name)
  }
}

/** Two indexes of the same content are one too many. */
function contentOf({ kind, fields }: IndexDefinition): string {
  return JSON.stringify(kind.type === 'vector' ? [kind.type, kind.vectorField, kind.dimensions] : [kind.type, fields])
}

function notUnique(tableName: string, kind: IndexKind, first: string, second: string): BadRequest {
  if (kind.type === 'search') {
    return new BadRequest(
      'SearchIndexFieldNotUnique',
      `In table "${tableName}" search index "${first}" and search index "${second}" have the same \`searchField\`. Search indexes must be unique within a table.`,
    )
  }
  if (kind.type === 'vector') {
    return new BadRequest(
      'VectorIndexFieldNotUnique',
      `In table "${tableName}" vector index "${first}" and vector index "${second}" have the same \`vectorField\` and \`dimensions\`. Vector indexes must be unique within a table.`,
    )
  }
  return new BadRequest(
    'IndexNotUnique',
    `In table "${tableName}" index "${first}" and index "${second}" have the same fields. Indexes must be unique within a table.`,
  )
}

function checkIndex(tableName: string, { name, fields, kind, staged }: IndexDefinition): void {
  const isReserved =
    (name.startsWith('_') && !name.startsWith('_fivetran')) || name === 'by_id' || name === 'by_creation_time'
  if (isReserved) {
    throw new BadRequest(
      'IndexNameReserved',
      `In table "${tableName}" cannot name an index "${name}" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`,
    )
  }
  if (checkIdentifier(name) !== undefined) {
    throw new BadRequest(
      'InvalidIndexName',
      `Invalid index name: "${name}". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.`,
    )
  }
  if (kind.type === 'database') checkFieldCount(tableName, { name, fields, staged })
  else if (kind.filterFields.length > databaseLimits.maxFilterFields) {
    throw new BadRequest(
      'IndexTooManyFilterFields',
      `Search indexes may have up to ${databaseLimits.maxFilterFields} filter fields.`,
    )
  }
  const seen = new Set<string>()
  // The field that is searched may be filtered by as well.
  for (const field of kind.type === 'database' ? fields : kind.filterFields) {
    checkIndexField(name, field)
    if (seen.has(field)) {
      throw new BadRequest(
        'FieldsNotUniqueWithinIndex',
        `Duplicate field "${field}". Index fields must be unique within an index.`,
      )
    }
    seen.add(field)
  }
  if (kind.type === 'search') checkIndexField(name, kind.searchField)
  if (kind.type === 'vector') {
    checkIndexField(name, kind.vectorField)
    checkDimensions(tableName, name, kind.dimensions)
  }
}

function checkDimensions(tableName: string, name: string, dimensions: number): void {
  const { minDimensions, maxDimensions } = databaseLimits
  if (Number.isInteger(dimensions) && dimensions >= minDimensions && dimensions <= maxDimensions) return
  throw new BadRequest(
    'InvalidVectorDimensionError',
    `In table "${tableName}" the vector index "${name}" must have between ${minDimensions} and ${maxDimensions} dimensions, not ${dimensions}.`,
  )
}

function checkFieldCount(
  tableName: string,
  { name, fields, staged }: Pick<IndexDefinition, 'name' | 'fields' | 'staged'>,
): void {
  if (fields.length === 0) {
    const kind = staged ? 'staged index' : 'index'
    throw new BadRequest('EmptyIndex', `In table "${tableName}" ${kind} "${name}" must have at least one field.`)
  }
  if (fields.length + 1 > databaseLimits.maxIndexFields) {
    throw new BadRequest('IndexTooManyFields', `Indexes may have up to ${databaseLimits.maxIndexFields} fields.`)
  }
}

function checkIndexField(indexName: string, field: string): void {
  if (field === '_id') {
    throw new BadRequest(
      'IndexFieldsContainId',
      '`_id` is not a valid index field. To load documents by ID, use `db.get(id)`.',
    )
  }
  if (field === '_creationTime') {
    throw new BadRequest(
      'IndexFieldsContainCreationTime',
      '`_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.',
    )
  }
  if (field.startsWith('_')) {
    throw new BadRequest('IndexFieldNameReserved', 'Reserved fields (starting with `_`) are not allowed in indexes.')
  }
  if (parseFieldPath(field).some((part) => checkIdentifier(part) !== undefined)) {
    throw new BadRequest('InvalidIndexField', `In index "${indexName}": Invalid index field: "${field}"`)
  }
}

function checkDocumentType(validator: Validator): void {
  if (isDocumentType(validator)) return
  throw new BadRequest(
    'InvalidTopLevelTypeInSchemaError',
    `The document validator in a schema must be an object, a union of objects, or \`v.any()\`. Found ${renderValidator(validator)}.`,
  )
}

function isDocumentType(validator: Validator): boolean {
  return validator.type === 'any' || isObjectType(validator)
}

function isObjectType(validator: Validator): boolean {
  if (validator.type === 'union') return validator.members.every(isObjectType)
  return validator.type === 'object'
}

function checkReachable(tableName: string, index: IndexDefinition, documentType: Validator): void {
  if (index.kind.type === 'vector' && !canHoldVector(documentType, parseFieldPath(index.kind.vectorField))) {
    throw new BadRequest(
      'SchemaDefinitionError',
      `In table "${tableName}" the vector index "${index.name}" is invalid because it references the field "${index.kind.vectorField}" that is neither an array of float64 or optional array of float64.`,
    )
  }
  for (const field of index.fields) {
    if (canReach(documentType, parseFieldPath(field))) continue
    throw new BadRequest(
      'SchemaDefinitionError',
      `In table "${tableName}" the index "${index.name}" is invalid because it references the field "${field}" that does not exist.`,
    )
  }
}

function canHoldVector(validator: Validator, path: readonly string[]): boolean {
  if (validator.type === 'any') return true
  if (validator.type === 'union') return validator.members.some((member) => canHoldVector(member, path))
  const [field, ...rest] = path
  if (field === undefined) return validator.type === 'array' && ['number', 'any'].includes(validator.element.type)
  if (validator.type === 'record') return canHoldVector(validator.values, rest)
  if (validator.type !== 'object') return false
  const member = validator.fields.get(field)
  return member !== undefined && canHoldVector(member.validator, rest)
}

function canReach(validator: Validator, path: readonly string[]): boolean {
  const [field, ...rest] = path
  if (field === undefined) return true
  if (validator.type === 'any') return true
  if (validator.type === 'record') return canReach(validator.values, rest)
  if (validator.type === 'union') return validator.members.some((member) => canReach(member, path))
  if (validator.type !== 'object') return false
  const member = validator.fields.get(field)
  return member !== undefined && canReach(member.validator, rest)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalidSchema('it is not JSON', error)
  }
}

function invalidSchema(reason: string, cause?: unknown): BadRequest {
  return new BadRequest('InvalidSchema', `The schema is invalid: ${reason}.`, { cause })
}
