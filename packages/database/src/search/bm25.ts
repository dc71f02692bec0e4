import { fieldLengths } from './field-length.ts'
import type { TextStatistics } from './text-reader.ts'

const k1 = 1.2
const b = 0.75

/** The factor of a term that `count` of all documents have. */
export function termWeight({ documents }: TextStatistics, count: number): number {
  return Math.log(1 + (documents - count + 0.5) / (count + 0.5)) * (1 + k1)
}

/** By length byte: what is added to a frequency to tell how much of the term's weight it earns. */
export function lengthNorms({ documents, totalLength }: TextStatistics): Float64Array {
  const average = totalLength / documents
  return Float64Array.from(fieldLengths, (length) => k1 * (1 - b + (b * length) / average))
}
