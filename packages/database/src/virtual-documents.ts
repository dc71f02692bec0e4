import { assert } from '@concave/base'
import { isValueObject, parseValue, type Value, type ValueObject } from '@concave/values'

import { createObject, Document } from './document.ts'
import { showFile } from './file-document.ts'

/**
 * What functions see of the private rows behind virtual tables (database.md §10), by the name of the private table. One
 * that is missing here shows its rows as they are. Filters, sizes and limits are those of the shown document.
 */
const shapes: ReadonlyMap<string, (row: ValueObject) => ValueObject> = new Map([
  ['_file_storage', showFile],
  ['_scheduled_jobs', showScheduledJob],
])

/** Turns stored documents of `table` into what `ctx.db.system` shows; undefined if they are shown as they are. */
export function findVirtualShape(table: string): ((document: Document) => Document) | undefined {
  const shape = shapes.get(table)
  return shape && ((document) => Document.fromValue(shape(document.value)))
}

function showScheduledJob(row: ValueObject): ValueObject {
  const { _id, _creationTime, udfPath, args, originalScheduledTs, completedTs, state } = row
  assert(typeof args === 'string' && isValueObject(state), 'a row of _scheduled_jobs has arguments and a state')
  const fields = {
    _id,
    _creationTime,
    name: udfPath,
    args: [parseValue(args)],
    scheduledTime: toMs(originalScheduledTs),
    completedTime: toMs(completedTs),
    state: createObject(Object.entries(state).map(([field, value]) => [field === 'type' ? 'kind' : field, value])),
  }
  return createObject(Object.entries(fields).filter((field): field is [string, Value] => field[1] !== undefined))
}

/** Nanoseconds as milliseconds, exact to the microsecond. */
function toMs(ts: Value | undefined): number | undefined {
  return typeof ts === 'bigint' ? Number(ts / 1000n) / 1000 : undefined
}
