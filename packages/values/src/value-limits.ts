/** Checks of database.md §1.6 that concern a whole value. Array lengths and field counts are enforced when decoding. */
import { valueLimits } from './limits.ts'
import { humanizeBytes, sizeOf } from './size.ts'
import { ValueError } from './value-error.ts'
import { isValueArray, isValueObject } from './value-kind.ts'
import type { Value } from './value.ts'

/** Throws `TooNestedError` or `ValueTooLargeError`; a limit left out is that of any value. */
export function checkValueLimits(
  value: Value,
  limits: { readonly maxNesting?: number; readonly maxSize?: number } = {},
): void {
  const { maxNesting = valueLimits.maxNesting, maxSize = valueLimits.maxValueSize } = limits
  const nesting = nestingOf(value)
  if (nesting > maxNesting) throw tooNested(nesting, maxNesting)
  const size = sizeOf(value)
  if (size > maxSize) {
    throw new ValueError(
      'ValueTooLargeError',
      `Value is too large (${humanizeBytes(size)} > maximum size ${humanizeBytes(maxSize)})`,
    )
  }
}

/** A scalar is 0, a container 1 + the maximum of its children. */
export function nestingOf(value: Value): number {
  if (isValueArray(value)) return 1 + deepest(value)
  if (isValueObject(value)) return 1 + deepest(Object.values(value))
  return 0
}

export function tooNested(nesting: number, maxNesting: number): ValueError {
  return new ValueError(
    'TooNestedError',
    `Value is too nested (nested ${nesting} levels deep > maximum nesting ${maxNesting})`,
  )
}

function deepest(values: readonly Value[]): number {
  let nesting = 0
  for (const value of values) nesting = Math.max(nesting, nestingOf(value))
  return nesting
}
