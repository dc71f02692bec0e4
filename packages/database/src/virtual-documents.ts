import type { ValueObject } from '@concave/values'

import { Document } from './document.ts'
import { showFile } from './file-document.ts'

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
