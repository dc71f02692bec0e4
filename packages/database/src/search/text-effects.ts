import type { IndexKey, IndexWrite } from '@concave/storage'
import { compareValues, type ValueObject } from '@concave/values'

import type { IndexEntry } from '../catalog.ts'
import { bytesKey, valueAt } from '../index-key.ts'
import type { TextIndex } from '../index-kind.ts'
import type { Write } from '../own-writes.ts'
import { textKeys, touchedTextKeys } from './text-keys.ts'

/** What a write does to a text index: postings that came and went, and what is told to those who watch searches. */
export function addTextEffects(
  { entry, text, write }: { readonly entry: IndexEntry; readonly text: TextIndex; readonly write: Write },
  previous: ValueObject | undefined,
  current: ValueObject | undefined,
  effects: { readonly indexes: IndexWrite[]; readonly touched: IndexKey[] },
): void {
  const { index, state } = entry
  const isSame = previous !== undefined && current !== undefined && hasSameText(text, previous, current)
  for (const key of touchedKeys(text, previous, isSame ? undefined : current)) effects.touched.push({ index, key })
  if (isSame && state !== 'backfilling') return
  const before = keysByName(text, previous)
  const after = keysByName(text, current)
  const { tablet } = write.table
  const id = write.internalId
  for (const [name, key] of before) {
    if (!after.has(name)) effects.indexes.push({ index, key, tablet, id, present: false })
  }
  for (const [name, key] of after) {
    if (state === 'backfilling' || !before.has(name)) effects.indexes.push({ index, key, tablet, id, present: true })
  }
}

/** Whether both have the same keys, because all that is indexed is the same. */
function hasSameText({ searchPath, filterPaths }: TextIndex, previous: ValueObject, current: ValueObject): boolean {
  return [searchPath, ...filterPaths].every(
    (path) => compareValues(valueAt(previous, path), valueAt(current, path)) === 0,
  )
}

function touchedKeys(
  text: TextIndex,
  previous: ValueObject | undefined,
  current: ValueObject | undefined,
): Iterable<Uint8Array> {
  const keys = new Map<string, Uint8Array>()
  for (const document of [previous, current]) {
    if (document === undefined) continue
    for (const key of touchedTextKeys(text, document)) keys.set(bytesKey(key), key)
  }
  return keys.values()
}

function keysByName(text: TextIndex, document: ValueObject | undefined): ReadonlyMap<string, Uint8Array> {
  return new Map(document === undefined ? [] : textKeys(text, document).map((key) => [bytesKey(key), key]))
}
