import { parseFieldPath, type FieldPath } from './index-key.ts'

/** What an index is made of, as schemas and `_index` rows say it (database.md §4.6, §10). */
export type IndexKind =
  | { readonly type: 'database' }
  | { readonly type: 'search'; readonly searchField: string; readonly filterFields: readonly string[] }

/** A text index with its paths parsed. */
export type TextIndex = {
  readonly searchField: string
  readonly filterFields: readonly string[]
  readonly searchPath: FieldPath
  readonly filterPaths: readonly FieldPath[]
}

export const databaseKind: IndexKind = { type: 'database' }

/** All fields that an index of this kind reads, beside those of a database index. */
export function fieldsOfKind(kind: IndexKind): readonly string[] {
  return kind.type === 'database' ? [] : [kind.searchField, ...kind.filterFields]
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

/** An index as a schema defines it or the catalog knows it. */
export type IndexShape = {
  readonly name: string
  /** Declared fields, in order; of a search index `searchField` and then the filter fields. */
  readonly fields: readonly string[]
  readonly kind: IndexKind
}

/** Whether both would hold the same entries. */
export function isSameShape(a: IndexShape, b: IndexShape): boolean {
  return a.name === b.name && a.kind.type === b.kind.type && JSON.stringify(a.fields) === JSON.stringify(b.fields)
}
