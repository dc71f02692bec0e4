/**
 * The total order of database.md §1.3, undefined (field missing) first. All int64 sort before all float64, -0 before 0,
 * NaN last of the floats, strings by code point.
 */
import { bytesCompare } from '@concave/base'
import { CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'
import { isValueArray, isValueObject, kindOf, rankOf, sortedFieldNames } from './value-kind.ts'

/** What the placeholder stands for until its transaction commits (database.md §3.4). */
export const maxInt64 = 2n ** 63n - 1n

/** Negative, 0 or positive. The commit timestamp placeholder takes the place of the largest int64. */
export function compareValues(a: Value | undefined, b: Value | undefined): number {
  const rankA = rankOf(a)
  const rankB = rankOf(b)
  if (rankA !== rankB) return rankA - rankB
  if (a === undefined || a === null) return 0
  if (typeof a === 'string') return compareStrings(a, b as string)
  if (typeof a === 'number') return compareFloats(a, b as number)
  if (typeof a === 'boolean') return Number(a) - Number(b)
  if (isValueArray(a)) return compareArrays(a, b as readonly Value[])
  if (a instanceof Uint8Array) return bytesCompare(a, b as Uint8Array)
  if (typeof a === 'bigint' || a instanceof CommitTsPlaceholder)
    return compareInts(a, b as bigint | CommitTsPlaceholder)
  return compareObjects(a, b as ValueObject)
}

/** Bit equality, with every NaN one value. Unlike in the order, the placeholder equals nothing but itself. */
export function valuesEqual(a: Value | undefined, b: Value | undefined): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || kindOf(a) !== kindOf(b)) return false
  if (isValueArray(a) && isValueArray(b)) {
    return a.length === b.length && a.every((element, index) => valuesEqual(element, b[index]))
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return bytesCompare(a, b) === 0
  if (!isValueObject(a) || !isValueObject(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && valuesEqual(a[name], b[name]))
  )
}

/** By code point, which is UTF-8 byte order. UTF-16 units differ from it where a surrogate meets U+E000 to U+FFFF. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i)
    const unitB = b.charCodeAt(i)
    if (unitA !== unitB) return codePointOrder(unitA) - codePointOrder(unitB)
  }
  return a.length - b.length
}

function codePointOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function compareFloats(a: number, b: number): number {
  if (Object.is(a, b)) return 0
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return Object.is(a, -0) ? -1 : 1
  return Number.isNaN(a) ? 1 : -1
}

function compareInts(a: bigint | CommitTsPlaceholder, b: bigint | CommitTsPlaceholder): number {
  const intA = typeof a === 'bigint' ? a : maxInt64
  const intB = typeof b === 'bigint' ? b : maxInt64
  if (intA === intB) return 0
  return intA < intB ? -1 : 1
}

function compareArrays(a: readonly Value[], b: readonly Value[]): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const order = compareValues(a[i], b[i])
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareObjects(a: ValueObject, b: ValueObject): number {
  const namesA = sortedFieldNames(a)
  const namesB = sortedFieldNames(b)
  const length = Math.min(namesA.length, namesB.length)
  for (let i = 0; i < length; i++) {
    const nameA = namesA[i]!
    const nameB = namesB[i]!
    const order = compareStrings(nameA, nameB) || compareValues(a[nameA], b[nameB])
    if (order !== 0) return order
  }
  return namesA.length - namesB.length
}
