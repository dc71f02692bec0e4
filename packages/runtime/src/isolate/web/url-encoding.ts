/** Percent-encoding and the form encoding of query strings (WHATWG URL §1.3, §5). */
import { decodeUtf8, encodeUtf8 } from './text-encoding.ts'

/** True for ASCII characters to be encoded; everything above is encoded always. */
export type EncodeSet = (byte: number) => boolean

const ofCharacters = (base: EncodeSet, characters: string): EncodeSet => {
  const extra = new Set(Array.from(characters, (character) => character.charCodeAt(0)))
  return (byte) => base(byte) || extra.has(byte)
}
export const c0ControlSet: EncodeSet = (byte) => byte < 0x20 || byte > 0x7e
export const fragmentSet = ofCharacters(c0ControlSet, ' "<>`')
export const querySet = ofCharacters(c0ControlSet, ' "#<>')
export const specialQuerySet = ofCharacters(querySet, "'")
export const pathSet = ofCharacters(querySet, '?^`{}')
export const userinfoSet = ofCharacters(pathSet, '/:;=@[\\]|')
const isFormSafe = /[*\-.0-9A-Z_a-z]/

const escapeByte = (byte: number): string => `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`

export function percentEncode(text: string, encodeSet: EncodeSet): string {
  let out = ''
  for (const byte of encodeUtf8(text)) out += encodeSet(byte) ? escapeByte(byte) : String.fromCharCode(byte)
  return out
}

function decodeBytes(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    const hex = byte === 0x25 ? String.fromCharCode(bytes[i + 1] ?? 0, bytes[i + 2] ?? 0) : ''
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      out[length++] = Number.parseInt(hex, 16)
      i += 2
    } else out[length++] = byte
  }
  return out.subarray(0, length)
}

export function percentDecode(text: string): string {
  return decodeWithBom(decodeBytes(encodeUtf8(text)))
}

/** "UTF-8 decode without BOM": a byte order mark stays. */
function decodeWithBom(bytes: Uint8Array): string {
  const hasBom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return (hasBom ? '\ufeff' : '') + decodeUtf8(bytes)
}

export type NameValue = [name: string, value: string]

export function parseForm(text: string): NameValue[] {
  const list: NameValue[] = []
  for (const sequence of text.split('&')) {
    if (sequence === '') continue
    const at = sequence.indexOf('=')
    const parts = at === -1 ? [sequence, ''] : [sequence.slice(0, at), sequence.slice(at + 1)]
    list.push(parts.map((part) => percentDecode(part.replaceAll('+', ' '))) as NameValue)
  }
  return list
}

function encodeFormPart(text: string): string {
  let out = ''
  for (const byte of encodeUtf8(text)) {
    const character = String.fromCharCode(byte)
    if (byte === 0x20) out += '+'
    else out += byte < 0x80 && isFormSafe.test(character) ? character : escapeByte(byte)
  }
  return out
}

export function serializeForm(list: readonly NameValue[]): string {
  return list.map(([name, value]) => `${encodeFormPart(name)}=${encodeFormPart(value)}`).join('&')
}
