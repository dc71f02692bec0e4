import type { Value, ValueObject } from '@concave/values'

import { createObject } from './document.ts'

/** A file as `_storage` shows it: not where its content is, nor the name by which anybody may download it. */
export function showFile(row: ValueObject): ValueObject {
  const { _id, _creationTime, sha256, size, contentType } = row
  const fields = { _id, _creationTime, sha256, size, contentType }
  return createObject(Object.entries(fields).filter((field): field is [string, Value] => field[1] !== undefined))
}
