/** `TextEncoder` and `TextDecoder` (WHATWG Encoding) for UTF-8, UTF-16 and windows-1252/latin1 labels. */
import { assertMutable, isFrozenObject } from '../frozen-state.ts'
import { defineInterface, findBytes, toUsvString } from './interface.ts'

/** UTF-8 of `text`; lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length * 3)
  return bytes.slice(0, writeUtf8(text, bytes).written)
}

/** Writes as many whole characters as fit; `read` counts code units. */
function writeUtf8(text: string, target: Uint8Array): { read: number; written: number } {
  let written = 0
  let read = 0
  while (read < text.length) {
    const unit = text.charCodeAt(read)
    let codePoint = unit
    let units = 1
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const next = unit <= 0xdbff && read + 1 < text.length ? text.charCodeAt(read + 1) : 0
      if (next >= 0xdc00 && next <= 0xdfff) {
        codePoint = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00)
        units = 2
      } else codePoint = 0xfffd
    }
    const size = codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4
    if (written + size > target.length) break
    if (size === 1) target[written] = codePoint
    else {
      const lead = size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0
      target[written] = lead | (codePoint >> (6 * (size - 1)))
      for (let i = 1; i < size; i++) target[written + i] = 0x80 | ((codePoint >> (6 * (size - 1 - i))) & 0x3f)
    }
    written += size
    read += units
  }
  return { read, written }
}

type Utf8State = { needed: number; seen: number; codePoint: number; lower: number; upper: number }
const freshUtf8State = (): Utf8State => ({ needed: 0, seen: 0, codePoint: 0, lower: 0x80, upper: 0xbf })

const maxUnitsPerPiece = 4096

/** Collects code points into a string without building one character at a time. */
class StringBuilder {
  #text = ''
  #units: number[] = []

  append(codePoint: number): void {
    if (codePoint < 0x10000) this.#units.push(codePoint)
    else this.#units.push(0xd800 + ((codePoint - 0x10000) >> 10), 0xdc00 + ((codePoint - 0x10000) & 0x3ff))
    if (this.#units.length >= maxUnitsPerPiece) this.#flush()
  }

  finish(): string {
    this.#flush()
    return this.#text
  }

  #flush(): void {
    this.#text += String.fromCharCode(...this.#units)
    this.#units = []
  }
}

/** WHATWG Encoding §8.1.1: one replacement character per maximal invalid sequence. */
function decodeUtf8Into(out: StringBuilder, bytes: Uint8Array, state: Utf8State, fatal: boolean, flush: boolean): void {
  const fail = (): void => {
    if (fatal) throw new TypeError('The encoded data was not valid for encoding utf-8')
    out.append(0xfffd)
  }
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (state.needed === 0) {
      if (byte <= 0x7f) out.append(byte)
      else if (byte >= 0xc2 && byte <= 0xdf) Object.assign(state, { needed: 1, codePoint: byte & 0x1f })
      else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte === 0xe0) state.lower = 0xa0
        if (byte === 0xed) state.upper = 0x9f
        Object.assign(state, { needed: 2, codePoint: byte & 0xf })
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte === 0xf0) state.lower = 0x90
        if (byte === 0xf4) state.upper = 0x8f
        Object.assign(state, { needed: 3, codePoint: byte & 0x7 })
      } else fail()
      continue
    }
    if (byte < state.lower || byte > state.upper) {
      Object.assign(state, freshUtf8State())
      fail()
      i -= 1
      continue
    }
    state.lower = 0x80
    state.upper = 0xbf
    state.codePoint = (state.codePoint << 6) | (byte & 0x3f)
    state.seen += 1
    if (state.seen < state.needed) continue
    out.append(state.codePoint)
    Object.assign(state, freshUtf8State())
  }
  if (flush && state.needed > 0) {
    Object.assign(state, freshUtf8State())
    fail()
  }
}

/** UTF-8 text of `bytes`, errors replaced, a byte order mark dropped. */
export function decodeUtf8(bytes: Uint8Array): string {
  const out = new StringBuilder()
  decodeUtf8Into(out, bytes, freshUtf8State(), false, true)
  const text = out.finish()
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252'
const labels: Readonly<Record<Encoding, string>> = {
  'utf-8': 'utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8',
  'utf-16le': 'utf-16le utf-16 ucs-2 csunicode iso-10646-ucs-2 unicode unicodefeff',
  'utf-16be': 'utf-16be unicodefffe',
  'windows-1252':
    'windows-1252 ascii us-ascii latin1 iso-8859-1 iso8859-1 iso88591 iso_8859-1 l1 cp1252 x-cp1252 cp819 ibm819',
}
// Code points of the bytes 0x80 to 0x9f; the others stand for themselves.
const windows1252 = [
  0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
  0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
]

function findEncoding(label: string): Encoding {
  const wanted = label.trim().toLowerCase()
  for (const encoding of Object.keys(labels) as Encoding[]) {
    if (labels[encoding].split(' ').includes(wanted)) return encoding
  }
  throw new RangeError(`The encoding label provided ('${label}') is invalid`)
}

class TextEncoder {
  get encoding(): string {
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array {
    return encodeUtf8(String(input))
  }

  encodeInto(source: unknown, destination: Uint8Array): { read: number; written: number } {
    return writeUtf8(toUsvString(source), destination)
  }
}

type DecoderOptions = { readonly fatal?: unknown; readonly ignoreBOM?: unknown }

export class TextDecoder {
  readonly #encoding: Encoding
  readonly #fatal: boolean
  readonly #ignoreBom: boolean
  #utf8 = freshUtf8State()
  #oddByte: number | undefined
  #leadSurrogate: number | undefined
  #isBomSeen = false
  #isStreaming = false

  constructor(label: unknown = 'utf-8', options: DecoderOptions = {}) {
    this.#encoding = findEncoding(String(label))
    this.#fatal = Boolean(options.fatal)
    this.#ignoreBom = Boolean(options.ignoreBOM)
  }

  get encoding(): string {
    return this.#encoding
  }

  get fatal(): boolean {
    return this.#fatal
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBom
  }

  decode(input?: unknown, options: { readonly stream?: unknown } = {}): string {
    const bytes = input === undefined ? new Uint8Array(0) : findBytes(input)
    if (bytes === undefined) throw new TypeError('The provided value is not of type (ArrayBuffer or ArrayBufferView)')
    const isStream = Boolean(options.stream)
    // Only streaming leaves anything behind.
    if (isStream && isFrozenObject(this)) assertMutable(this)
    if (!this.#isStreaming) this.#reset()
    this.#isStreaming = isStream
    const out = new StringBuilder()
    if (this.#encoding === 'utf-8') decodeUtf8Into(out, bytes, this.#utf8, this.#fatal, !isStream)
    else if (this.#encoding !== 'windows-1252') this.#decodeUtf16(out, bytes, !isStream)
    else
      for (const byte of bytes) out.append(byte >= 0x80 && byte <= 0x9f ? (windows1252[byte - 0x80] as number) : byte)
    return this.#withoutBom(out.finish())
  }

  #reset(): void {
    this.#utf8 = freshUtf8State()
    this.#oddByte = undefined
    this.#leadSurrogate = undefined
    this.#isBomSeen = false
  }

  #withoutBom(text: string): string {
    if (this.#ignoreBom || this.#isBomSeen || text === '' || this.#encoding === 'windows-1252') return text
    this.#isBomSeen = true
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  #decodeUtf16(out: StringBuilder, bytes: Uint8Array, flush: boolean): void {
    for (const byte of bytes) {
      if (this.#oddByte === undefined) this.#oddByte = byte
      else {
        const isLittle = this.#encoding === 'utf-16le'
        this.#appendUnit(out, isLittle ? this.#oddByte | (byte << 8) : (this.#oddByte << 8) | byte)
        this.#oddByte = undefined
      }
    }
    if (!flush) return
    if (this.#oddByte !== undefined || this.#leadSurrogate !== undefined) this.#invalid(out)
    this.#reset()
  }

  #appendUnit(out: StringBuilder, unit: number): void {
    const lead = this.#leadSurrogate
    this.#leadSurrogate = undefined
    const isTrail = unit >= 0xdc00 && unit <= 0xdfff
    if (lead !== undefined && isTrail) {
      out.append(0x10000 + ((lead - 0xd800) << 10) + (unit - 0xdc00))
      return
    }
    if (lead !== undefined) this.#invalid(out)
    if (unit >= 0xd800 && unit <= 0xdbff) this.#leadSurrogate = unit
    else if (isTrail) this.#invalid(out)
    else out.append(unit)
  }

  #invalid(out: StringBuilder): void {
    if (this.#fatal) throw new TypeError(`The encoded data was not valid for encoding ${this.#encoding}`)
    out.append(0xfffd)
  }
}

export function installTextEncoding(): void {
  defineInterface('TextEncoder', TextEncoder)
  defineInterface('TextDecoder', TextDecoder)
}
