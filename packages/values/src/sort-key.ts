/**
 * Sort keys (database.md §1.4): bytes whose memcmp order is the order of values. Every encoding is self-delimiting and
 * starts with a tag of at most 0x15, so FF after whole values lies behind every key that continues them.
 */
import { maxInt64 } from './order.ts'
import { CommitTsPlaceholder, type Value, type ValueObject } from './value.ts'
import { isValueArray, sortedFieldNames } from './value-kind.ts'

const tag = {
  undefined: 0x01,
  null: 0x03,
  int64Zero: 0x08,
  float64: 0x0d,
  false: 0x0e,
  true: 0x0f,
  string: 0x10,
  bytes: 0x11,
  array: 0x12,
  object: 0x15,
} as const

const terminator = 0x00
const escape = 0xff

/** The concatenated encodings of the values, in a buffer of its own. */
export function encodeKey(values: readonly (Value | undefined)[]): Uint8Array {
  writer.start()
  for (const value of values) writer.writeValue(value)
  return writer.finish()
}

/** The first key after all keys that begin with the whole values of `prefix`. */
export function keySuccessor(prefix: Uint8Array): Uint8Array {
  const successor = new Uint8Array(prefix.length + 1)
  successor.set(prefix)
  successor[prefix.length] = 0xff
  return successor
}

const initialCapacity = 1024
/** A buffer grown beyond this by a huge key is not kept. */
const maxKeptCapacity = 65_536

class KeyWriter {
  #bytes = new Uint8Array(initialCapacity)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  start(): void {
    this.#length = 0
    if (this.#bytes.length > maxKeptCapacity) this.#resize(initialCapacity)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  writeValue(value: Value | undefined): void {
    if (typeof value === 'string') return this.#writeString(value)
    if (typeof value === 'number') return this.#writeFloat(value)
    if (typeof value === 'bigint') return this.#writeInt(value)
    if (typeof value === 'boolean') return this.#writeByte(value ? tag.true : tag.false)
    if (value === undefined) return this.#writeByte(tag.undefined)
    if (value === null) return this.#writeByte(tag.null)
    if (isValueArray(value)) return this.#writeArray(value)
    if (value instanceof Uint8Array) return this.#writeBytes(value)
    if (value instanceof CommitTsPlaceholder) return this.#writeInt(maxInt64)
    return this.#writeObject(value)
  }

  #writeString(text: string): void {
    this.#writeByte(tag.string)
    this.#writeText(text)
    this.#writeByte(terminator)
  }

  #writeBytes(bytes: Uint8Array): void {
    this.#writeByte(tag.bytes)
    this.#writeEscaped(bytes)
    this.#writeByte(terminator)
  }

  #writeArray(elements: readonly Value[]): void {
    this.#writeByte(tag.array)
    for (const element of elements) this.writeValue(element)
    this.#writeByte(terminator)
  }

  #writeObject(object: ValueObject): void {
    this.#writeByte(tag.object)
    for (const name of sortedFieldNames(object)) {
      this.#writeText(name)
      this.#writeByte(terminator)
      // An empty name would read as the end of the object.
      if (name === '') this.#writeByte(escape)
      this.writeValue(object[name])
    }
    this.#writeByte(terminator)
  }

  #writeFloat(value: number): void {
    this.#reserve(9)
    this.#bytes[this.#length] = tag.float64
    const offset = this.#length + 1
    this.#view.setFloat64(offset, value)
    if (Number.isNaN(value)) {
      // Engines may change a NaN's sign and payload at will; a key must not depend on it.
      this.#view.setBigUint64(offset, 0xfff8_0000_0000_0000n)
    } else {
      const high = this.#view.getUint32(offset)
      const isNegative = high >= 0x8000_0000
      this.#view.setUint32(offset, isNegative ? ~high : high ^ 0x8000_0000)
      if (isNegative) this.#view.setUint32(offset + 4, ~this.#view.getUint32(offset + 4))
    }
    this.#length += 9
  }

  #writeInt(value: bigint): void {
    if (value === 0n) return this.#writeByte(tag.int64Zero)
    const width = widthOf(value)
    // Tags grow with the magnitude of positive and shrink with that of negative numbers: 09, 0A, 0B, 0C and 07, 06, 05, 04.
    const step = 1 + Math.log2(width)
    this.#reserve(1 + width)
    this.#bytes[this.#length] = value < 0n ? tag.int64Zero - step : tag.int64Zero + step
    const offset = this.#length + 1
    if (width === 8) this.#view.setBigInt64(offset, value)
    else if (width === 4) this.#view.setInt32(offset, Number(value))
    else if (width === 2) this.#view.setInt16(offset, Number(value))
    else this.#view.setInt8(offset, Number(value))
    this.#length += 1 + width
  }

  #writeText(text: string): void {
    this.#reserve(text.length)
    const start = this.#length
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit === 0 || unit >= 0x80) {
        this.#length = start
        return this.#writeEscaped(Buffer.from(text))
      }
      this.#bytes[start + i] = unit
    }
    this.#length = start + text.length
  }

  #writeEscaped(bytes: Uint8Array): void {
    this.#reserve(2 * bytes.length)
    for (const byte of bytes) {
      this.#bytes[this.#length++] = byte
      if (byte === terminator) this.#bytes[this.#length++] = escape
    }
  }

  #writeByte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = byte
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed > this.#bytes.length) this.#resize(Math.max(needed, 2 * this.#bytes.length))
  }

  #resize(capacity: number): void {
    const written = this.#bytes.subarray(0, this.#length)
    this.#bytes = new Uint8Array(capacity)
    this.#bytes.set(written)
    this.#view = new DataView(this.#bytes.buffer)
  }
}

// One scratch buffer for all keys: each is built without interruption and copied out.
const writer = new KeyWriter()

function widthOf(value: bigint): 1 | 2 | 4 | 8 {
  if (value >= -0x80n && value <= 0x7fn) return 1
  if (value >= -0x8000n && value <= 0x7fffn) return 2
  if (value >= -0x8000_0000n && value <= 0x7fff_ffffn) return 4
  return 8
}
