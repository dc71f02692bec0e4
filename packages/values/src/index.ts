/**
 * Value kinds, their JSON forms, total order, sizes, index keys, document ids and validators. Pure: no I/O, no state.
 * The contract that the helper functions below implement is database.md §1, §2 and function-runtime.md §4.
 */
export { commitTs, CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'
/** `ValueError` (extends PlatformError, status 400): code e.g. TooNestedError, message as the specs give it. */
export { ValueError } from './value-error.ts'
/** Wire JSON: `decodeValue(json: unknown): Value`, `encodeValue(v: Value): unknown`, `parseValue(text: string): Value`, `stringifyValue(v: Value): string` (keys sorted by bytes), `decodePatch(json: unknown): ReadonlyMap<string, Value | undefined>`, `decodeExpressionValue(json: unknown): Value | undefined` (index range bounds, filter literals). */
export {
  decodeExpressionValue,
  decodePatch,
  decodeValue,
  encodeValue,
  parseValue,
  stringifyValue,
} from './wire-json.ts'
/** `parseJson(text): unknown`: `JSON.parse` without V8's fault with escaped keys. For every JSON text whose keys the caller chose. */
export { parseJson } from './parse-json.ts'
/** Kinds: `kindOf(v)`, `isValueObject(v)`, `isValueArray(v)`; `sortedFieldNames(object)` by bytes; `createValueObject()` without prototype. */
export {
  createValueObject,
  isValueArray,
  isValueObject,
  kindOf,
  sortedFieldNames,
  type ValueKind,
} from './value-kind.ts'
/** Other renderings: `toCleanJson(v): unknown` (lossy `json`), `stringifyExport(v): string` (`export_json`). */
export { stringifyExport, toCleanJson } from './json-formats.ts'
/** `compareValues(a: Value | undefined, b: Value | undefined): number` total order incl. undefined; `valuesEqual`. */
export { compareValues, valuesEqual } from './order.ts'
/** Sort keys: `encodeKey(values: readonly (Value | undefined)[]): Uint8Array`, `keySuccessor(prefix): Uint8Array` = the first key after all keys that start with whole values `prefix` (prefix + FF). */
export { encodeKey, keySuccessor } from './sort-key.ts'
/** `sizeOf(v: Value): number` official size in bytes; `humanizeBytes(n): string` ("1.5 MiB"). */
export { humanizeBytes, sizeOf } from './size.ts'
/** `encodeDocumentId(tableNumber, internalId)`, `decodeDocumentId(text): {tableNumber, internalId}` (throws ValueError), `findDocumentId(text)` (undefined instead), `decodeLegacyId(text): Uint8Array | undefined` = internal id, `dayOfTs(ms)`, `createInternalId(random, nowMs)`. */
export {
  createInternalId,
  dayOfTs,
  decodeDocumentId,
  decodeLegacyId,
  encodeDocumentId,
  findDocumentId,
  type DocumentId,
} from './document-id.ts'
/** Identifiers and field names: `checkIdentifier(text)`, `checkFieldName(text)`: undefined or the exact error text. */
export { checkFieldName, checkIdentifier } from './names.ts'
/** Limits with names. */
export { valueLimits } from './limits.ts'
/** Value checks of §1.6 on a decoded value: `checkValueLimits(v, {maxNesting?, maxSize?})` throws `ValueError`; `nestingOf(v): number`. */
export { checkValueLimits, nestingOf } from './value-limits.ts'
/** Validators: `checkValue(validator, value, tables): string | undefined` = exact failure text ({e} in database.md §4.6). */
export { checkValue, type TableNumbers } from './validator.ts'
/** Validators as data: `parseValidator(json)`, `validatorToJson(validator)`, `getTableReferences(validator): Set<string>` (tables named by `v.id`). */
export {
  getTableReferences,
  parseValidator,
  validatorToJson,
  type FieldValidator,
  type Validator,
} from './validator-type.ts'
/** Texts of errors: `renderValidator(validator)`, `renderValue(value)`. */
export { renderValidator, renderValue } from './render.ts'
