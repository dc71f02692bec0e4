import type { Value, ValueObject } from '@concave/values'

import { createObject, Document } from './document.ts'

/**
 * What functions see of the private rows behind virtual tables (database.md §10), by the name of the private table. One
 * that is missing here shows its rows as they are. Filters, sizes and limits are those of the shown document.
 */
const shapes: ReadonlyMap<string, (row: ValueObject) => ValueObject> = new Map([['_file_storage', showFile]])

/** Turns stored documents of `table` into what `ctx.db.system` shows; undefined if they are shown as they are. */
export function findVirtualShape(table: string): ((document: Document) => Document) | undefined {
  const shape = shapes.get(table)
  return shape && ((document) => Document.fromValue(shape(document.value)))
}

/** Not where the content is, and not the name by which everybody may download it. */
function showFile(row: ValueObject): ValueObject {
  const { _id, _creationTime, sha256, size, contentType } = row
  const fields = { _id, _creationTime, sha256, size, contentType }
  return createObject(Object.entries(fields).filter((field): field is [string, Value] => field[1] !== undefined))
}
