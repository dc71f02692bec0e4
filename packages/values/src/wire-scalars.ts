/** The `$` forms of wire JSON (database.md §1.2): scalars that JSON cannot say. */
import { assert } from '@concave/base'
import { commitTs, type Value } from './value.ts'
import { ValueError } from './value-error.ts'

const wordLength = 8

export function encodeInt(value: bigint): string {
  assert(BigInt.asIntN(64, value) === value, `BigInt ${value} does not fit into a 64-bit signed integer.`)
  const word = Buffer.allocUnsafe(wordLength)
  word.writeBigInt64LE(value)
  return word.toString('base64')
}

export function encodeFloat(value: number): string {
  const word = Buffer.allocUnsafe(wordLength)
  word.writeDoubleLE(value)
  // Engines may change a NaN's sign and payload at will; text must not depend on it.
  if (Number.isNaN(value)) word.writeBigUInt64LE(0x7ff8_0000_0000_0000n)
  return word.toString('base64')
}

/** Whether the number has no JSON number: NaN, ±Infinity and -0. */
export function isSpecialFloat(value: number): boolean {
  return !Number.isFinite(value) || Object.is(value, -0)
}

/** The value of `{[tag]: content}`, or undefined if `tag` names no special form of a value. */
export function decodeTagged(tag: string, content: unknown): Value | undefined {
  switch (tag) {
    case '$integer':
      return decodeWord(tag, content).readBigInt64LE()
    case '$float':
      return decodeFloat(content)
    case '$bytes':
      return new Uint8Array(decodeBase64(tag, content))
    case '$commitTs':
      if (content !== null) throw invalidValue('$commitTs must be null')
      return commitTs
    default:
      return undefined
  }
}

export function invalidValue(message: string): ValueError {
  return new ValueError('InvalidValue', message)
}

function decodeFloat(content: unknown): number {
  const value = decodeWord('$float', content).readDoubleLE()
  if (!isSpecialFloat(value)) throw invalidValue(`Float64 ${value} should be encoded as a number`)
  return value
}

function decodeWord(tag: string, content: unknown): Buffer {
  const word = decodeBase64(tag, content)
  if (word.length !== wordLength) {
    throw invalidValue(`Received ${word.length} bytes, expected ${wordLength} for ${tag}`)
  }
  return word
}

/** Only the canonical text of the bytes: standard alphabet, padded, spare bits zero. The buffer may be a part of a pool. */
function decodeBase64(tag: string, content: unknown): Buffer {
  if (typeof content !== 'string') throw invalidValue(`${tag} must be a base64 string`)
  const bytes = Buffer.from(content, 'base64')
  if (bytes.toString('base64') !== content) throw invalidValue(`${tag} is not valid base64`)
  return bytes
}
