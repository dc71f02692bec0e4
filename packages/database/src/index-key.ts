import { encodeKey, isValueObject, type Value, type ValueObject } from '@concave/values'

/**
 * Keys of documents in indexes (database.md §1.4, §4.1): the indexed fields, then `_creationTime` and `_id`, so that
 * every key is unique and byte order is index order.
 */

/** A dotted field path, split. */
export type FieldPath = readonly string[]

export function parseFieldPath(path: string): FieldPath {
  return path.replace(/^\.+|\.+$/g, '').split('.')
}

/** The value at `path`; undefined if a part is missing or not an object. Never goes into arrays. */
export function valueAt(document: ValueObject, path: FieldPath): Value | undefined {
  let current: Value | undefined = document
  for (const field of path) {
    if (!isValueObject(current)) return undefined
    current = Object.hasOwn(current, field) ? current[field] : undefined
  }
  return current
}

/** Key of `document` in an index over `paths`, which end with `_creationTime` and `_id` (or are a prefix of that). */
export function indexKey(paths: readonly FieldPath[], document: ValueObject): Uint8Array {
  return encodeKey(paths.map((path) => (path.length === 1 ? document[path[0] as string] : valueAt(document, path))))
}

/** A byte string as a Map key. */
export function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
