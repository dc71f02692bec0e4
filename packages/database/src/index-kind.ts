import { parseFieldPath, type FieldPath } from './index-key.ts'

/** What an index is made of, as schemas and `_index` rows say it (database.md §4.6, §10). */
export type IndexKind =
  | { readonly type: 'database' }
  | { readonly type: 'search'; readonly searchField: string; readonly filterFields: readonly string[] }
  | {
      readonly type: 'vector'
      readonly vectorField: string
      readonly dimensions: number
      readonly filterFields: readonly string[]
    }

/** A text index with its paths parsed. */
export type TextIndex = {
  readonly searchField: string
  readonly filterFields: readonly string[]
  readonly searchPath: FieldPath
  readonly filterPaths: readonly FieldPath[]
}

/** A vector index with its paths parsed. */
export type VectorIndex = {
  readonly dimensions: number
  readonly filterFields: readonly string[]
  readonly vectorPath: FieldPath
  readonly filterPaths: readonly FieldPath[]
}

export const databaseKind: IndexKind = { type: 'database' }

/** All fields that an index of this kind reads, beside those of a database index. */
export function fieldsOfKind(kind: IndexKind): readonly string[] {
  if (kind.type === 'database') return []
  return [kind.type === 'search' ? kind.searchField : kind.vectorField, ...kind.filterFields]
}

export function toTextIndex(kind: IndexKind): TextIndex | undefined {
  if (kind.type !== 'search') return undefined
  const { searchField, filterFields } = kind
  return {
    searchField,
    filterFields,
    searchPath: parseFieldPath(searchField),
    filterPaths: filterFields.map(parseFieldPath),
  }
}

export function toVectorIndex(kind: IndexKind): VectorIndex | undefined {
  if (kind.type !== 'vector') return undefined
  const { vectorField, dimensions, filterFields } = kind
  return {
    dimensions,
    filterFields,
    vectorPath: parseFieldPath(vectorField),
    filterPaths: filterFields.map(parseFieldPath),
  }
}

/** An index as a schema defines it or the catalog knows it. */
export type IndexShape = {
  readonly name: string
  /** Declared fields, in order; of the other kinds the field that is searched and then the filter fields. */
  readonly fields: readonly string[]
  readonly kind: IndexKind
}

/** Whether both would hold the same entries. */
export function isSameShape(a: IndexShape, b: IndexShape): boolean {
  return a.name === b.name && describeShape(a) === describeShape(b)
}

function describeShape({ kind, fields }: IndexShape): string {
  return JSON.stringify([kind.type, fields, kind.type === 'vector' ? kind.dimensions : 0])
}
