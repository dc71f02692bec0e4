/**
 * Document ids (database.md §2): table number, 16 byte internal id and a checksum in base32. The text form is strict:
 * one text per id.
 */
import { assert, type Random } from '@concave/base'
import { ValueError } from './value-error.ts'

export type DocumentId = { readonly tableNumber: number; readonly internalId: Uint8Array }

const internalIdLength = 16
const randomLength = 14
const footerLength = 2
const minTextLength = 31
const maxTextLength = 37
const maxTableNumber = 0xffff_ffff
const version = 0
const msPerDay = 86_400_000

/** `tableNumber` 1 to 2^32-1, `internalId` 16 bytes. */
export function encodeDocumentId(tableNumber: number, internalId: Uint8Array): string {
  assert(Number.isInteger(tableNumber) && tableNumber > 0 && tableNumber <= maxTableNumber, 'table number out of range')
  assert(internalId.length === internalIdLength, 'an internal id has 16 bytes')
  const prefixLength = vintLength(tableNumber)
  const bytes = new Uint8Array(prefixLength + internalIdLength + footerLength)
  writeVint(bytes, tableNumber)
  bytes.set(internalId, prefixLength)
  const bodyLength = prefixLength + internalIdLength
  const footer = fletcher16(bytes, bodyLength) ^ version
  bytes[bodyLength] = footer & 0xff
  bytes[bodyLength + 1] = footer >> 8
  return encodeBase32(bytes)
}

/** Throws `ValueError` (`InvalidId`) with the texts of database.md §2.1. */
export function decodeDocumentId(text: string): DocumentId {
  const decoded = tryDecode(text)
  if (typeof decoded === 'string') throw new ValueError('InvalidId', `Unable to decode ID: ${decoded}`)
  return decoded
}

/** The id, or undefined if the text is none. */
export function findDocumentId(text: string): DocumentId | undefined {
  const decoded = tryDecode(text)
  return typeof decoded === 'string' ? undefined : decoded
}

/**
 * The internal id of an id from before ids carried table numbers, in its 22 character form; only `normalizeId` takes these.
 * The still older base62 form is not understood: the answer is undefined, as for any other text.
 */
export function decodeLegacyId(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]{22}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? new Uint8Array(bytes) : undefined
}

/** Days since 1970-01-01 of a time in milliseconds. */
export function dayOfTs(ms: number): number {
  return Math.floor(ms / msPerDay)
}

/** 14 random bytes and the day as big-endian u16, by which a storage engine may cluster. */
export function createInternalId(random: Random, nowMs: number): Uint8Array {
  const internalId = new Uint8Array(internalIdLength)
  internalId.set(random.bytes(randomLength))
  new DataView(internalId.buffer).setUint16(randomLength, dayOfTs(nowMs))
  return internalId
}

/** The id, or what is wrong with the text. */
function tryDecode(text: string): DocumentId | string {
  if (text.length < minTextLength || text.length > maxTextLength) return `Invalid ID length ${text.length}`
  const bytes = decodeBase32(text)
  if (bytes === undefined) return "ID wasn't valid base32"
  const tableNumber = readVint(bytes)
  if (tableNumber === undefined || tableNumber === 0) return 'Invalid table number'
  const prefixLength = vintLength(tableNumber)
  const bodyLength = prefixLength + internalIdLength
  if (bytes.length !== bodyLength + footerLength) return `Invalid ID length ${text.length}`
  const footer = bytes[bodyLength]! | (bytes[bodyLength + 1]! << 8)
  const foundVersion = footer ^ fletcher16(bytes, bodyLength)
  if (foundVersion !== version) return `Invalid ID version ${foundVersion} (expected ${version})`
  // Spare characters and spare bits that are not zero would give one id several texts.
  if (encodeBase32(bytes) !== text) return `Invalid ID length ${text.length}`
  return { tableNumber, internalId: bytes.slice(prefixLength, bodyLength) }
}

function fletcher16(bytes: Uint8Array, length: number): number {
  let low = 0
  let high = 0
  for (let i = 0; i < length; i++) {
    low = (low + bytes[i]!) & 0xff
    high = (high + low) & 0xff
  }
  return (high << 8) | low
}

function vintLength(number: number): number {
  let length = 1
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) length += 1
  return length
}

function writeVint(bytes: Uint8Array, number: number): void {
  let rest = number
  let offset = 0
  for (; rest >= 0x80; rest >>>= 7) bytes[offset++] = (rest & 0x7f) | 0x80
  bytes[offset] = rest
}

/** LEB128 u32 at the start of `bytes`; undefined if it does not end, exceeds 32 bits or is longer than needed. */
function readVint(bytes: Uint8Array): number | undefined {
  let number = 0
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i]!
    number += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return number <= maxTableNumber && vintLength(number) === i + 1 ? number : undefined
  }
  return undefined
}

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const digitOf = new Int8Array(128).fill(-1)
for (let digit = 0; digit < alphabet.length; digit++) digitOf[alphabet.charCodeAt(digit)] = digit

function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let bitCount = 0
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    bitCount += 8
    while (bitCount >= 5) {
      bitCount -= 5
      text += alphabet[(bits >> bitCount) & 31]
    }
    bits &= 31
  }
  return bitCount > 0 ? text + alphabet[(bits << (5 - bitCount)) & 31] : text
}

function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let bitCount = 0
  let offset = 0
  for (let i = 0; i < text.length; i++) {
    const digit = digitOf[text.charCodeAt(i)] ?? -1
    if (digit < 0) return undefined
    bits = ((bits << 5) | digit) & 0xfff
    bitCount += 5
    if (bitCount >= 8) {
      bitCount -= 8
      bytes[offset++] = (bits >> bitCount) & 0xff
    }
  }
  return bytes
}
