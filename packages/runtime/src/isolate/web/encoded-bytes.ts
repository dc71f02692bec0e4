/**
 * Base64 and hexadecimal text of `Uint8Array` (ECMA-262 §23.3, since 2026), until V8 has it on its own: bundlers for the
 * newest JavaScript rely on it.
 */
import { defineHidden, NativeTypeError } from '../primordials.ts'

type Alphabet = 'base64' | 'base64url'
type LastChunk = 'loose' | 'strict' | 'stop-before-partial'
type DecodeOptions = { readonly alphabet?: unknown; readonly lastChunkHandling?: unknown }
type Decoded = { readonly read: number; readonly bytes: number[] }

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const alphabets: Readonly<Record<Alphabet, string>> = { base64: `${digits}+/`, base64url: `${digits}-_` }

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  throw new NativeTypeError('The encoded bytes must be a string')
}

function toOptions(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {}
  if ((typeof value === 'object' && value !== null) || typeof value === 'function')
    return value as Record<string, unknown>
  throw new NativeTypeError('The options must be an object')
}

function toAlphabet({ alphabet = 'base64' }: DecodeOptions): Alphabet {
  if (alphabet === 'base64' || alphabet === 'base64url') return alphabet
  throw new NativeTypeError('The alphabet must be base64 or base64url')
}

function toLastChunk({ lastChunkHandling: given = 'loose' }: DecodeOptions): LastChunk {
  if (given === 'loose' || given === 'strict' || given === 'stop-before-partial') return given
  throw new NativeTypeError('lastChunkHandling must be loose, strict or stop-before-partial')
}

function malformed(): never {
  throw new SyntaxError('The string to be decoded is not correctly encoded.')
}

function skipSpace(text: string, from: number): number {
  let index = from
  while (index < text.length && '\t\n\f\r '.includes(text.charAt(index))) index += 1
  return index
}

function decodeBase64(text: string, given: unknown, maxLength = Infinity): Decoded {
  const options = toOptions(given)
  const alphabet = alphabets[toAlphabet(options)]
  const lastChunk = toLastChunk(options)
  const bytes: number[] = []
  let chunk: number[] = []
  let read = 0
  if (maxLength === 0) return { read, bytes }
  for (let index = 0; ;) {
    index = skipSpace(text, index)
    if (index === text.length) {
      if (chunk.length > 0 && lastChunk === 'stop-before-partial') return { read, bytes }
      if (chunk.length === 1 || (chunk.length > 0 && lastChunk === 'strict')) malformed()
      addPartial(bytes, chunk, false)
      return { read: text.length, bytes }
    }
    const character = text.charAt(index)
    index += 1
    if (character === '=') {
      if (chunk.length < 2) malformed()
      index = skipSpace(text, index)
      if (chunk.length === 2) {
        if (index === text.length && lastChunk === 'stop-before-partial') return { read, bytes }
        if (text.charAt(index) !== '=') malformed()
        index = skipSpace(text, index + 1)
      }
      if (index < text.length) malformed()
      addPartial(bytes, chunk, lastChunk === 'strict')
      return { read: text.length, bytes }
    }
    const digit = alphabet.indexOf(character)
    if (digit < 0) malformed()
    const room = maxLength - bytes.length
    if ((room === 1 && chunk.length === 2) || (room === 2 && chunk.length === 3)) return { read, bytes }
    chunk.push(digit)
    if (chunk.length < 4) continue
    const [a, b, c, d] = chunk as [number, number, number, number]
    bytes.push((a << 2) | (b >> 4), ((b & 15) << 4) | (c >> 2), ((c & 3) << 6) | d)
    chunk = []
    read = index
    if (bytes.length === maxLength) return { read, bytes }
  }
}

/** Two or three digits; `isStrict` refuses bits that belong to no byte. */
function addPartial(bytes: number[], [a = 0, b, c]: readonly number[], isStrict: boolean): void {
  if (b === undefined) return
  if (isStrict && (c === undefined ? (b & 15) !== 0 : (c & 3) !== 0)) malformed()
  bytes.push((a << 2) | (b >> 4))
  if (c !== undefined) bytes.push(((b & 15) << 4) | (c >> 2))
}

function decodeHex(text: string, maxLength = Infinity): Decoded {
  if (text.length % 2 !== 0) malformed()
  const bytes: number[] = []
  let read = 0
  for (; read < text.length && bytes.length < maxLength; read += 2) {
    const pair = text.slice(read, read + 2)
    if (!/^[0-9a-f]{2}$/i.test(pair)) malformed()
    bytes.push(Number.parseInt(pair, 16))
  }
  return { read, bytes }
}

function toBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new NativeTypeError('The receiver must be a Uint8Array')
}

function encodeBase64(bytes: Uint8Array, given: unknown): string {
  const options = toOptions(given)
  const alphabet = alphabets[toAlphabet(options)]
  const padding = options['omitPadding'] ? '' : '='
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b, c] = [bytes[i], bytes[i + 1], bytes[i + 2]]
    text += alphabet.charAt(a >> 2) + alphabet.charAt(((a & 3) << 4) | ((b ?? 0) >> 4))
    text += b === undefined ? padding : alphabet.charAt(((b & 15) << 2) | ((c ?? 0) >> 6))
    text += c === undefined ? padding : alphabet.charAt(c & 63)
  }
  return text
}

function put(target: Uint8Array, { read, bytes }: Decoded): { read: number; written: number } {
  target.set(bytes)
  return { read, written: bytes.length }
}

const statics = {
  fromBase64(text: unknown, options?: unknown): Uint8Array {
    return new Uint8Array(decodeBase64(toText(text), options).bytes)
  },
  fromHex(text: unknown): Uint8Array {
    return new Uint8Array(decodeHex(toText(text)).bytes)
  },
}
const methods = {
  toBase64(this: unknown, options?: unknown): string {
    return encodeBase64(toBytes(this), options)
  },
  toHex(this: unknown): string {
    return Array.from(toBytes(this), (byte) => byte.toString(16).padStart(2, '0')).join('')
  },
  setFromBase64(this: unknown, text: unknown, options?: unknown): object {
    const target = toBytes(this)
    return put(target, decodeBase64(toText(text), options, target.length))
  },
  setFromHex(this: unknown, text: unknown): object {
    const target = toBytes(this)
    return put(target, decodeHex(toText(text), target.length))
  },
}

export function installEncodedBytes(): void {
  const isNative = 'fromBase64' in (Uint8Array as object)
  if (isNative) return
  for (const [name, method] of Object.entries(statics)) defineHidden(Uint8Array, name, method)
  for (const [name, method] of Object.entries(methods)) defineHidden(Uint8Array.prototype, name, method)
}
