/**
 * Keys of text indexes. A document has one posting per distinct term, and one row that says how long its text is:
 *
 *     1 term 0 group(4) time(8) id(16) frequency(2) length(1) 0 filter(4)…
 *     2 length(1) id(16)
 *
 * `group` is a hash of the first filter field's value, `filter`s are those of the others, so that a search within one
 * group reads nothing else and other filters are decided without documents. Hashes may collide: whoever hands a
 * document out compares its fields. Behind the term all keys of an index are of one length, and of words of 4 bytes.
 *
 * What searches watch are keys that have no rows: term by term, apart for each filter value, so that a write in one
 * group does not disturb the searches in all others (`touchedTextKeys`, `watchText`).
 *
 *     3 term                 4 field(1) hash(4) term
 *     5                      6 field(1) hash(4)            documents with very many terms
 */
import { hash } from 'node:crypto'
import { assert } from '@concave/base'
import type { KeyRange } from '@concave/storage'
import { decodeDocumentId, encodeKey, type Value, type ValueObject } from '@concave/values'
import { valueAt } from '../index-key.ts'
import type { TextIndex } from '../index-kind.ts'
import { encodeFieldLength } from './field-length.ts'
import { textLimits } from './text-limits.ts'
import { tokenize } from './tokens.ts'

const kind = {
  posting: 1,
  length: 2,
  touchedTerm: 3,
  touchedFilterTerm: 4,
  touchedAny: 5,
  touchedFilterAny: 6,
} as const

export const hashBytes = 4
const idBytes = 16
/** Of what stands behind the term, without the hashes of further filters. */
const fixedBytes = hashBytes + 8 + idBytes + 4
const maxFrequency = 0xffff

/** Bytes behind the term and its terminator. */
export function recordBytes({ filterFields }: TextIndex): number {
  return fixedBytes + hashBytes * Math.max(0, filterFields.length - 1)
}

/** All keys of a document, which has its system fields. */
export function textKeys(text: TextIndex, document: ValueObject): readonly Uint8Array[] {
  const tokens = tokensOf(text, document)
  const length = encodeFieldLength(tokens.length)
  const internalId = internalIdOf(document)
  const record = createRecord(text, document, internalId, length)
  const keys = [Buffer.concat([Uint8Array.of(kind.length, length), internalId])]
  for (const [term, frequency] of countTerms(tokens)) {
    const key = Buffer.concat([Uint8Array.of(kind.posting), Buffer.from(term), Uint8Array.of(0), record])
    key.writeUInt16BE(Math.min(frequency, maxFrequency), key.length - record.length + fixedBytes - 4)
    keys.push(key)
  }
  return keys
}

/** What a write of the document tells those who watch searches. */
export function touchedTextKeys(text: TextIndex, document: ValueObject): readonly Uint8Array[] {
  const terms = new Set(tokensOf(text, document))
  const hashes = text.filterPaths.map((path) => hashFilter(valueAt(document, path)))
  if (terms.size > textLimits.maxTouchedTerms) {
    return [Uint8Array.of(kind.touchedAny), ...hashes.map((filter, field) => filterAnyKey(field, filter))]
  }
  const keys: Uint8Array[] = []
  for (const term of terms) {
    const bytes = Buffer.from(term)
    keys.push(Buffer.concat([Uint8Array.of(kind.touchedTerm), bytes]))
    for (const [field, filter] of hashes.entries()) keys.push(filterTermKey(field, filter, bytes))
  }
  return keys
}

/**
 * What a search for these words depends on. One filter is enough: a document that comes or goes passes all of them.
 * The last word stands for all terms that begin with it.
 */
export function watchText(
  words: readonly string[],
  filter: { readonly field: number; readonly value: Value | undefined } | undefined,
): readonly KeyRange[] {
  if (words.length === 0) return []
  const filterHash = filter === undefined ? undefined : hashFilter(filter.value)
  const keyOf = (word: string): Uint8Array =>
    filter === undefined || filterHash === undefined
      ? Buffer.concat([Uint8Array.of(kind.touchedTerm), Buffer.from(word)])
      : filterTermKey(filter.field, filterHash, Buffer.from(word))
  const any =
    filter === undefined || filterHash === undefined
      ? Uint8Array.of(kind.touchedAny)
      : filterAnyKey(filter.field, filterHash)
  return [
    pointRange(any),
    ...words.map((word, position) =>
      position === words.length - 1 ? prefixRange(keyOf(word)) : pointRange(keyOf(word)),
    ),
  ]
}

/** Start of all postings of a term; with a hash, of those in that group. */
export function postingsPrefix(term: string, group: Uint8Array | undefined): Uint8Array {
  const parts = [Uint8Array.of(kind.posting), Buffer.from(term), Uint8Array.of(0)]
  return Buffer.concat(group === undefined ? parts : [...parts, group])
}

/** The part of the posting space with terms that begin with `prefix`. */
export function termsRange(prefix: string): KeyRange {
  return prefixRange(Buffer.concat([Uint8Array.of(kind.posting), Buffer.from(prefix)]))
}

/** The postings of all terms behind `term`, up to the end of `range`. */
export function termsAfter(term: string, range: KeyRange): KeyRange {
  return { from: Buffer.concat([Uint8Array.of(kind.posting), Buffer.from(term), Uint8Array.of(1)]), to: range.to }
}

/** The rows that tell the lengths of documents; with a byte, those of that length. */
export function lengthsRange(length?: number): KeyRange {
  return prefixRange(length === undefined ? Uint8Array.of(kind.length) : Uint8Array.of(kind.length, length))
}

/** The length byte if `key` is a row that tells a length. */
export function lengthOfKey(key: Uint8Array): number | undefined {
  return key[0] === kind.length ? key[1] : undefined
}

export function isPosting(key: Uint8Array): boolean {
  return key[0] === kind.posting
}

/** Where in a posting's key its term ends, which is where its terminator is. */
export function termEnd(key: Uint8Array): number {
  return key.indexOf(0, 1)
}

export function termOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset + 1, termEnd(key) - 1).toString()
}

/** First bytes of sha256 of the value's sort key: equal for values that compare as equal. */
export function hashFilter(value: Value | undefined): Buffer {
  return hash('sha256', encodeKey([value]), 'buffer').subarray(0, hashBytes)
}

/** All keys that begin with these bytes. */
export function prefixRange(prefix: Uint8Array): KeyRange {
  const to = Buffer.from(prefix)
  let last = to.length - 1
  while (last >= 0 && to[last] === 0xff) last -= 1
  if (last < 0) return { from: prefix, to: undefined }
  to[last] = (to[last] as number) + 1
  return { from: prefix, to: to.subarray(0, last + 1) }
}

function pointRange(key: Uint8Array): KeyRange {
  return { from: key, to: Buffer.concat([key, Uint8Array.of(0)]) }
}

function filterTermKey(field: number, filter: Uint8Array, term: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind.touchedFilterTerm, field), filter, term])
}

function filterAnyKey(field: number, filter: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind.touchedFilterAny, field), filter])
}

function tokensOf({ searchPath }: TextIndex, document: ValueObject): readonly string[] {
  const value = valueAt(document, searchPath)
  return typeof value === 'string' ? tokenize(value) : []
}

function countTerms(tokens: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
  return counts
}

function createRecord(
  text: TextIndex,
  document: ValueObject,
  internalId: Uint8Array,
  length: number,
): Buffer<ArrayBuffer> {
  const record = Buffer.alloc(recordBytes(text))
  const hashes = text.filterPaths.map((path) => hashFilter(valueAt(document, path)))
  const [group, ...filters] = hashes
  if (group !== undefined) record.set(group, 0)
  record.set(encodeTime(document), hashBytes)
  record.set(internalId, hashBytes + 8)
  record[fixedBytes - 2] = length
  for (const [position, filter] of filters.entries()) record.set(filter, fixedBytes + position * hashBytes)
  return record
}

/** A float64's bytes in its order, without the tag that sort keys have. */
function encodeTime(document: ValueObject): Uint8Array {
  const time = document['_creationTime']
  assert(typeof time === 'number', 'a stored document has a creation time')
  return encodeKey([time]).subarray(1)
}

function internalIdOf(document: ValueObject): Uint8Array {
  const id = document['_id']
  assert(typeof id === 'string', 'a stored document has an id')
  return decodeDocumentId(id).internalId
}
