import { assert, BadRequest } from '@concave/base'
import type { StoredDocument } from '@concave/storage'
import {
  humanizeBytes,
  isValueObject,
  nestingOf,
  parseValue,
  renderValue,
  sizeOf,
  stringifyValue,
  ValueError,
  valueLimits,
  type Value,
  type ValueObject,
} from '@concave/values'

/** A document as a transaction sees it. `text` is its wire JSON with sorted keys; parsed only when asked. */
export class Document {
  readonly text: string
  /** Official size in bytes. */
  readonly size: number
  #value: ValueObject | undefined

  constructor(text: string, size: number, value?: ValueObject) {
    this.text = text
    this.size = size
    this.#value = value
  }

  static fromStored(stored: StoredDocument): Document {
    return new Document(stored.text, stored.size)
  }

  static fromValue(value: ValueObject): Document {
    return new Document(stringifyValue(value), sizeOf(value), value)
  }

  /** The document id. */
  get id(): string {
    const id = this.value['_id']
    assert(typeof id === 'string', 'a stored document has no id')
    return id
  }

  get value(): ValueObject {
    if (this.#value === undefined) {
      const value = parseValue(this.text)
      assert(isValueObject(value), 'a stored document is not an object')
      this.#value = value
    }
    return this.#value
  }

  get creationTime(): number {
    const time = this.value['_creationTime']
    assert(typeof time === 'number', 'a stored document has no creation time')
    return time
  }
}

/** A null-prototype object with the fields of `fields`. */
export function createObject(fields: Iterable<readonly [string, Value]>): ValueObject {
  const object = Object.create(null) as Record<string, Value>
  for (const [field, value] of fields) object[field] = value
  return object
}

export function assertObject(value: Value): ValueObject {
  if (!isValueObject(value)) throw new BadRequest('InvalidArgument', 'Value must be an Object')
  return value
}

/** Fields that user code may not set (database.md §3.3). */
export function checkUserFields(value: ValueObject, allowed: readonly string[]): void {
  const violations: string[] = []
  for (const field of Object.keys(value)) {
    if (!field.startsWith('_') || allowed.includes(field)) continue
    violations.push(`Field '${field}' starts with an underscore, which is only allowed for system fields like '_id'`)
  }
  if (violations.length > 0) throw invalidDocument(value, violations)
}

/** Size, nesting and field count of a document, system fields included (database.md §1.6). */
export function checkDocument(document: Document): void {
  if (document.size > valueLimits.maxDocumentSize) {
    throw new ValueError(
      'ValueTooLargeError',
      `Value is too large (${humanizeBytes(document.size)} > maximum size ${humanizeBytes(valueLimits.maxDocumentSize)})`,
    )
  }
  const fields = Object.keys(document.value).length
  if (fields > valueLimits.maxObjectFields) {
    throw new ValueError(
      'TooManyFieldsError',
      `Object has too many fields (${fields} > maximum number ${valueLimits.maxObjectFields})`,
    )
  }
  const levels = nestingOf(document.value)
  if (levels > valueLimits.maxDocumentNesting) {
    throw invalidDocument(document.value, [
      `Document is too nested (nested ${levels} levels deep > maximum nesting ${valueLimits.maxDocumentNesting})`,
    ])
  }
}

export function invalidDocument(value: ValueObject, violations: readonly string[]): BadRequest {
  return new BadRequest(
    'InvalidDocumentError',
    `${renderValue(value)} isn't a valid document: ${violations.join('\n ')}`,
  )
}

/** The document without `_id` and `_creationTime`: what schema validators see. */
export function withoutSystemFields(document: ValueObject): ValueObject {
  return createObject(Object.entries(document).filter(([field]) => field !== '_id' && field !== '_creationTime'))
}
