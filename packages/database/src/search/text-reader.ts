/** What text searches need of an index, read from a snapshot. Long reads let others have their turn in between. */
import type { IndexId, KeyRange } from '@concave/storage'

import type { TextIndex } from '../index-kind.ts'
import { keyAfter } from '../read-set.ts'
import type { Snapshot } from '../snapshot.ts'
import { fieldLengths } from './field-length.ts'
import { joinPostings, readPostings, type Postings } from './postings.ts'
import {
  lengthOfKey,
  lengthsRange,
  prefixRange,
  recordBytes,
  termEnd,
  termOf,
  termsAfter,
  termsRange,
} from './text-keys.ts'
import { textLimits } from './text-limits.ts'

/** Over all documents of the table, whether they pass filters or have text at all. */
export type TextStatistics = { readonly documents: number; readonly totalLength: number }

/** The first terms with a prefix, ascending. `isComplete`: there are no others. */
export type TermList = { readonly terms: readonly string[]; readonly isComplete: boolean }

/** The whole first key. */
const first = { limit: 1, skip: 0 } as const

/** All postings that begin with `prefix`; undefined if they are more than `limit`. Reads `pageKeys` at once. */
export async function loadPostings(
  snapshot: Snapshot,
  index: IndexId,
  text: TextIndex,
  prefix: Uint8Array,
  limit = Number.MAX_SAFE_INTEGER,
  pageKeys: number = textLimits.maxLoadedKeys,
): Promise<Postings | undefined> {
  const width = recordBytes(text)
  const whole = prefixRange(prefix)
  // A prefix with a group ends inside the record.
  const skip = termEnd(prefix) + 1
  const parts: Postings[] = []
  let loaded = 0
  let range = whole
  for (;;) {
    const page = await snapshot.scanKeys(index, range, { limit: Math.min(pageKeys, limit + 1), skip })
    const last = Buffer.concat([prefix.subarray(0, skip), page.bytes.subarray(page.bytes.length - width)])
    if (page.count > 0) parts.push(readPostings(page.bytes, width))
    loaded += page.count
    if (loaded > limit) return undefined
    if (page.exhausted) return joinPostings(parts, width / 4)
    range = { from: keyAfter(last), to: whole.to }
    await new Promise(setImmediate)
  }
}

export async function loadStatistics(snapshot: Snapshot, index: IndexId): Promise<TextStatistics> {
  let documents = 0
  let totalLength = 0
  let range = lengthsRange()
  for (;;) {
    const { bytes } = await snapshot.scanKeys(index, range, first)
    const length = lengthOfKey(bytes)
    if (length === undefined) return { documents, totalLength }
    const count = await snapshot.countKeys(index, lengthsRange(length))
    documents += count
    totalLength += count * (fieldLengths[length] as number)
    range = { from: lengthsRange(length).to as Uint8Array, to: range.to }
    await new Promise(setImmediate)
  }
}

export async function loadTerms(
  snapshot: Snapshot,
  index: IndexId,
  prefix: string,
  maxTerms: number,
): Promise<TermList> {
  const terms: string[] = []
  let range: KeyRange = termsRange(prefix)
  while (terms.length < maxTerms) {
    const { bytes, count } = await snapshot.scanKeys(index, range, first)
    if (count === 0) return { terms, isComplete: true }
    const term = termOf(bytes)
    terms.push(term)
    range = termsAfter(term, range)
  }
  return { terms, isComplete: false }
}
