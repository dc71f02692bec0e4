import { assert, bytesCompare } from '@concave/base'
import type { DocumentWrite, IndexKey, IndexWrite, Ts } from '@concave/storage'
import { isValueArray, isValueObject, type Value, type ValueObject } from '@concave/values'
import { CommitTsPlaceholder } from '@concave/values'

import type { Catalog, IndexEntry } from './catalog.ts'
import type { Effects } from './committer.ts'
import { createObject, Document } from './document.ts'
import { indexKey, valueAt } from './index-key.ts'
import type { OwnWrites, Write } from './own-writes.ts'
import { addTextEffects } from './search/text-effects.ts'
import { addVectorEffects } from './vectors/vector-keys.ts'

/**
 * What a transaction's writes do at commit ts `ts`: document revisions, index entries that changed, and all old and new
 * keys of all indexes of the tables written (database.md §5.3). An index that is not yet enabled gets all its entries,
 * because a backfill skips documents that have changed since its snapshot (design.md §5).
 */
export function buildEffects(catalog: Catalog, writes: OwnWrites, ts: Ts): Effects {
  const documents: DocumentWrite[] = []
  const indexes: IndexWrite[] = []
  const touched: IndexKey[] = []
  for (const write of writes.all()) {
    if (write.base === undefined && write.current === null) continue
    const table = catalog.findTablet(write.table.tablet)
    assert(table !== undefined, `a write to the table ${write.table.name}, which is gone`)
    const current = write.current === null ? null : resolveCommitTs(write.current, ts)
    documents.push({
      tablet: table.tablet,
      id: write.internalId,
      prevTs: write.base?.ts ?? null,
      text: current?.text ?? null,
      size: current?.size ?? 0,
    })
    const previous = write.base?.document.value
    for (const entry of table.indexes) {
      const { text, vector } = entry
      if (text !== undefined) addTextEffects({ entry, text, write }, previous, current?.value, { indexes, touched })
      else if (vector !== undefined) addVectorEffects({ entry, vector, write }, previous, current?.value, indexes)
      else addIndexEffects(entry, write, previous, current?.value, indexes, touched)
    }
  }
  return { documents, indexes, touched }
}

function addIndexEffects(
  entry: IndexEntry,
  write: Write,
  previous: ValueObject | undefined,
  current: ValueObject | undefined,
  indexes: IndexWrite[],
  touched: IndexKey[],
): void {
  const { index } = entry
  if (entry.paths.length === 0) {
    touched.push({ index, key: write.internalId })
    return
  }
  const { tablet } = write.table
  const id = write.internalId
  const before = previous === undefined ? undefined : indexKey(entry.paths, previous)
  const isUnchanged = previous !== undefined && current !== undefined && hasSameFields(entry, previous, current)
  const after = current === undefined ? undefined : isUnchanged ? before : indexKey(entry.paths, current)
  if (before !== undefined) touched.push({ index, key: before })
  if (before !== undefined && after !== undefined && (before === after || bytesCompare(before, after) === 0)) {
    if (entry.state === 'backfilling') indexes.push({ index, key: after, tablet, id, present: true })
    return
  }
  if (after !== undefined) touched.push({ index, key: after })
  if (before !== undefined) indexes.push({ index, key: before, tablet, id, present: false })
  if (after !== undefined) indexes.push({ index, key: after, tablet, id, present: true })
}

/** Whether the indexed fields are the very same values, as they are after a patch of other fields. */
function hasSameFields({ paths }: IndexEntry, previous: ValueObject, current: ValueObject): boolean {
  return paths.every((path) => Object.is(valueAt(previous, path), valueAt(current, path)))
}

const placeholderText = '"$commitTs"'

function resolveCommitTs(document: Document, ts: Ts): Document {
  if (!document.text.includes(placeholderText)) return document
  const value = withCommitTs(document.value, ts)
  assert(isValueObject(value), 'a document is an object')
  return Document.fromValue(value)
}

/** `value` with every placeholder replaced by `ts`; also for return values of mutations (database.md §3.4). */
export function withCommitTs(value: Value, ts: Ts): Value {
  if (value instanceof CommitTsPlaceholder) return ts
  if (isValueArray(value)) return value.map((element) => withCommitTs(element, ts))
  if (!isValueObject(value)) return value
  return createObject(Object.entries(value).map(([field, member]) => [field, withCommitTs(member, ts)]))
}
