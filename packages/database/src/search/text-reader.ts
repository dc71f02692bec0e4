/** What text searches need of an index, read from a snapshot. Long reads let others have their turn in between. */
import type { IndexId, KeyRange } from '@concave/storage'

import type { TextIndex } from '../index-kind.ts'
import { keyAfter } from '../read-set.ts'
import type { Snapshot } from '../snapshot.ts'
import { fieldLengths } from './field-length.ts'
import { decodePostings, joinPostings, type Postings } from './postings.ts'
import { lengthOfKey, lengthsRange, prefixRange, recordBytes, termOf, termsAfter, termsRange } from './text-keys.ts'
import { textLimits } from './text-limits.ts'

/** Over all documents of the table, whether they pass filters or have text at all. */
export type TextStatistics = { readonly documents: number; readonly totalLength: number }

/** The first terms with a prefix, ascending. `isComplete`: there are no others. */
export type TermList = { readonly terms: readonly string[]; readonly isComplete: boolean }

export async function loadPostings(
  snapshot: Snapshot,
  index: IndexId,
  text: TextIndex,
  prefix: Uint8Array,
): Promise<Postings> {
  const width = recordBytes(text)
  const parts: Postings[] = []
  let range = prefixRange(prefix)
  for (;;) {
    const page = await snapshot.scanKeys(index, range, textLimits.maxLoadedKeys)
    parts.push(decodePostings(page.keys, width))
    const last = page.keys.at(-1)
    if (page.exhausted || last === undefined) return joinPostings(parts, width / 4)
    range = { from: keyAfter(last), to: range.to }
    await new Promise(setImmediate)
  }
}

export async function loadStatistics(snapshot: Snapshot, index: IndexId): Promise<TextStatistics> {
  let documents = 0
  let totalLength = 0
  let range = lengthsRange()
  for (;;) {
    const length = lengthOfFirst(await snapshot.scanKeys(index, range, 1))
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
    const { keys } = await snapshot.scanKeys(index, range, 1)
    const [key] = keys
    if (key === undefined) return { terms, isComplete: true }
    const term = termOf(key)
    terms.push(term)
    range = termsAfter(term, range)
  }
  return { terms, isComplete: false }
}

function lengthOfFirst({ keys }: { readonly keys: readonly Uint8Array[] }): number | undefined {
  const [key] = keys
  return key === undefined ? undefined : lengthOfKey(key)
}
