import { assert } from '@concave/base'
import type { TableNumbers, ValueObject } from '@concave/values'

import type { Catalog } from './catalog.ts'

/** What the background checks of documents share. */

export function idOf(document: ValueObject): string {
  const id = document['_id']
  assert(typeof id === 'string', 'a stored document has an id')
  return id
}

/** The text for the developer (database.md §4.6); `error` says what is wrong with the document. */
export function describeViolation(id: string, tableName: string, error: string): string {
  return `Document with ID "${id}" in table "${tableName}" does not match the schema: ${error}`
}

export function tableNumbers(catalog: Catalog, namespace: string): TableNumbers {
  return {
    numberOf: (name) => catalog.findTable(namespace, name)?.number,
    nameOf: (number) => {
      const table = catalog.findTableByNumber(namespace, number)
      return table && { name: table.name, system: table.isSystem }
    },
  }
}
