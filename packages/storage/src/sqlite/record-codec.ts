/**
 * Bytes of a log record, of a batch on its way to the committer thread and of bulk rows: length-prefixed fields,
 * unsigned LEB128 numbers, timestamps as 8 bytes big-endian. A record does not hold its ts: that is the row's key.
 */
import { assert } from '@concave/base'
import type { BulkRow, Commit, IndexKey, IndexWrite, Tablet, Ts } from '../storage.ts'

const recordFormat = 1

/** A document write whose text is still UTF-8. */
export type EncodedDocumentWrite = {
  readonly tablet: Tablet
  readonly id: Uint8Array
  readonly prevTs: Ts | null
  readonly text: Uint8Array | null
  readonly size: number
}

/** A record as far as the committer needs it. Its byte strings are views into the encoded record. */
export type RecordWrites = {
  readonly documents: readonly EncodedDocumentWrite[]
  readonly indexes: readonly IndexWrite[]
}

export type EncodedCommit = { readonly ts: Ts; readonly record: Uint8Array }

export function encodeBatch(batch: readonly Commit[]): Uint8Array<ArrayBuffer> {
  const output = new ByteOutput()
  output.number(batch.length)
  for (const commit of batch) {
    output.ts(commit.ts)
    const length = output.reserveLength()
    writeRecord(output, commit)
    output.setLength(length)
  }
  return output.finish()
}

export function decodeBatch(bytes: Uint8Array): EncodedCommit[] {
  const input = new ByteInput(bytes)
  return input.list(() => ({ ts: input.ts(), record: input.fixedLengthBytes() }))
}

export function decodeCommit(ts: Ts, record: Uint8Array): Commit {
  const input = new ByteInput(record)
  const source = readHeader(input)
  const documents = readDocuments(input).map((write) => ({
    ...write,
    text: write.text === null ? null : decodeText(write.text),
  }))
  return { ts, documents, indexes: readIndexes(input), touched: readTouched(input), source }
}

export function decodeWrites(record: Uint8Array): RecordWrites {
  const input = new ByteInput(record)
  readHeader(input)
  return { documents: readDocuments(input), indexes: readIndexes(input) }
}

export function encodeBulk(rows: readonly BulkRow[]): Uint8Array<ArrayBuffer> {
  const output = new ByteOutput()
  output.number(rows.length)
  for (const row of rows) {
    output.number(row.index)
    output.bytes(row.key)
    output.number(row.tablet)
    output.bytes(row.id)
    output.ts(row.documentTs)
  }
  return output.finish()
}

export function decodeBulk(bytes: Uint8Array): BulkRow[] {
  const input = new ByteInput(bytes)
  return input.list(() => ({
    index: input.number(),
    key: input.bytes(),
    tablet: input.number(),
    id: input.bytes(),
    documentTs: input.ts(),
  }))
}

function writeRecord(output: ByteOutput, commit: Commit): void {
  output.number(recordFormat)
  output.text(commit.source)
  output.number(commit.documents.length)
  for (const write of commit.documents) {
    output.number(write.tablet)
    output.bytes(write.id)
    output.number((write.prevTs === null ? 0 : 1) + (write.text === null ? 0 : 2))
    if (write.prevTs !== null) output.ts(write.prevTs)
    if (write.text !== null) output.text(write.text)
    output.number(write.size)
  }
  output.number(commit.indexes.length)
  for (const write of commit.indexes) {
    output.number(write.index)
    output.bytes(write.key)
    output.number(write.tablet)
    output.bytes(write.id)
    output.number(write.present ? 1 : 0)
  }
  output.number(commit.touched.length)
  for (const { index, key } of commit.touched) {
    output.number(index)
    output.bytes(key)
  }
}

function readHeader(input: ByteInput): string {
  const format = input.number()
  assert(format === recordFormat, `Log record of unknown format ${format}.`)
  return decodeText(input.bytes())
}

function readDocuments(input: ByteInput): EncodedDocumentWrite[] {
  return input.list(() => {
    const tablet = input.number()
    const id = input.bytes()
    const flags = input.number()
    const prevTs = (flags & 1) === 0 ? null : input.ts()
    const text = (flags & 2) === 0 ? null : input.bytes()
    return { tablet, id, prevTs, text, size: input.number() }
  })
}

function readIndexes(input: ByteInput): IndexWrite[] {
  return input.list(() => ({
    index: input.number(),
    key: input.bytes(),
    tablet: input.number(),
    id: input.bytes(),
    present: input.number() === 1,
  }))
}

function readTouched(input: ByteInput): IndexKey[] {
  return input.list(() => ({ index: input.number(), key: input.bytes() }))
}

function decodeText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

class ByteOutput {
  #buffer = Buffer.allocUnsafeSlow(1024)
  #length = 0

  number(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `Cannot encode the number ${value}.`)
    this.#ensure(8)
    let rest = value
    while (rest > 127) {
      this.#buffer[this.#length] = (rest % 128) | 128
      this.#length += 1
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#length] = rest
    this.#length += 1
  }

  ts(value: Ts): void {
    this.#ensure(8)
    this.#buffer.writeBigInt64BE(value, this.#length)
    this.#length += 8
  }

  bytes(value: Uint8Array): void {
    this.number(value.length)
    this.#ensure(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  text(value: string): void {
    const length = Buffer.byteLength(value, 'utf8')
    this.number(length)
    this.#ensure(length)
    this.#buffer.write(value, this.#length, length, 'utf8')
    this.#length += length
  }

  /** Room for a length that is known later; returns where it is. */
  reserveLength(): number {
    this.#ensure(4)
    this.#length += 4
    return this.#length
  }

  setLength(start: number): void {
    this.#buffer.writeUInt32BE(this.#length - start, start - 4)
  }

  finish(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer.buffer, 0, this.#length)
  }

  #ensure(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

class ByteInput {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.#view.getUint8(this.#position)
      this.#position += 1
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
  }

  ts(): Ts {
    const value = this.#view.getBigInt64(this.#position)
    this.#position += 8
    return value
  }

  bytes(): Uint8Array {
    return this.#take(this.number())
  }

  fixedLengthBytes(): Uint8Array {
    const length = this.#view.getUint32(this.#position)
    this.#position += 4
    return this.#take(length)
  }

  list<T>(readItem: () => T): T[] {
    const items: T[] = []
    for (let count = this.number(); count > 0; count -= 1) items.push(readItem())
    return items
  }

  #take(length: number): Uint8Array {
    const end = this.#position + length
    assert(end <= this.#bytes.length, 'Encoded bytes end too early.')
    const taken = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return taken
  }
}
