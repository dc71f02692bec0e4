/**
 * Field lengths in one byte, as tantivy and Lucene quantise them: exact below 40, then with three bits behind the
 * leading one. Scores follow the quantised length (database.md §7.1), so the same documents rank the same way.
 */
const exactLengths = 24

/** Lengths by byte, ascending. */
export const fieldLengths: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  if (byte < exactLengths) return byte
  const rest = byte - exactLengths
  const exponent = rest >> 3
  return exactLengths + (exponent === 0 ? rest & 7 : ((rest & 7) | 8) * 2 ** (exponent - 1))
})

/** The byte of the greatest length that is not above `length`. */
export function encodeFieldLength(length: number): number {
  let low = 0
  let high = fieldLengths.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((fieldLengths[middle] as number) <= length) low = middle + 1
    else high = middle
  }
  return low - 1
}
