/** Official sizes (database.md §1.6), the unit of every read and write budget. */
import { isValueArray } from './value-kind.ts'
import { CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'

/** Size in bytes, commit timestamp placeholder 9. Equals `getConvexSize` of the npm package. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return 2 + utf8Length(value)
  if (typeof value === 'number' || typeof value === 'bigint') return 9
  if (value === null || typeof value === 'boolean') return 1
  if (isValueArray(value)) return sizeOfArray(value)
  if (value instanceof Uint8Array) return 2 + value.byteLength
  return value instanceof CommitTsPlaceholder ? 9 : sizeOfObject(value)
}

function sizeOfArray(elements: readonly Value[]): number {
  let size = 2
  for (const element of elements) size += sizeOf(element)
  return size
}

function sizeOfObject(object: ValueObject): number {
  let size = 2
  // Field names are ASCII: their length in units is their length in bytes.
  for (const name of Object.keys(object)) size += name.length + 1 + sizeOf(object[name]!)
  return size
}

/** Up to this length a loop beats the call out of the engine. */
const maxLoopLength = 64

function utf8Length(text: string): number {
  if (text.length > maxLoopLength) return Buffer.byteLength(text)
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text)
  }
  return text.length
}

const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** Bytes for people, in binary units with at most two decimals: `1.5 MiB`, `1 MiB`, `512 B`. */
export function humanizeBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 1024 && unit < binaryUnits.length - 1) {
    amount /= 1024
    unit += 1
  }
  return `${Number(amount.toFixed(2))} ${binaryUnits[unit]}`
}
