import type { IndexWrite, ScanResult, StoredDocument, Ts } from '@concave/storage'
import { describe, expect, test } from 'vitest'
import {
  byId,
  byValue,
  effectsOf,
  idOf,
  openFixture,
  table,
  valueKey,
  valueRange,
  type Fixture,
} from './committer-fixture.ts'
import { CommitterFailed } from './commit-errors.ts'
import { readCacheLimits } from './limits.ts'
import { ReadCache, type PageSource } from './read-cache.ts'
import { ReadSet } from './read-set.ts'

function revision(number: number, ts: Ts, text = '{}'): StoredDocument {
  return { id: idOf(number), ts, text, size: text.length }
}

function write(cache: ReadCache, ts: Ts, number: number, text: string | null = '{}'): void {
  cache.apply({ ts, documents: [{ tablet: table, id: idOf(number), prevTs: null, text, size: 2 }], indexes: [] })
}

function changeEntry(cache: ReadCache, ts: Ts, value: number, present = true, index = byValue): void {
  const id = idOf(value)
  const indexes: readonly IndexWrite[] = [{ index, key: valueKey(value, id), tablet: table, id, present }]
  cache.apply({ ts, documents: [], indexes })
}

function pageOf(values: readonly number[], exhausted = true): ScanResult {
  const rows = values.map((value) => ({ ...revision(value, 1n), key: valueKey(value, idOf(value)) }))
  return { kind: 'scan', rows, exhausted }
}

function sourceOf(from: number, to: number): PageSource {
  return { index: byValue, range: valueRange(from, to), order: 'asc' }
}

function textAt(cache: ReadCache, number: number, at: Ts): string | null | undefined {
  const found = cache.findDocument(table, idOf(number), at)
  return found === undefined ? undefined : (found.document?.text ?? null)
}

function openCache(maxBytes = 1_048_576): ReadCache {
  return new ReadCache({ maxBytes, startTs: 10n })
}

describe('a cached document', () => {
  test('is what the last commit wrote, for snapshots at or above it', () => {
    const cache = openCache()
    write(cache, 11n, 1, '"a"')
    write(cache, 13n, 1, '"b"')
    write(cache, 14n, 2, null)
    expect([12n, 13n, 20n].map((at) => textAt(cache, 1, at))).toEqual([undefined, '"b"', '"b"'])
    expect([13n, 14n].map((at) => textAt(cache, 2, at))).toEqual([undefined, null])
  })

  test('that was read holds from its revision on, one that was missing from the read on', () => {
    const cache = openCache()
    cache.addDocument(table, idOf(1), revision(1, 5n, '"a"'), 12n)
    cache.addDocument(table, idOf(2), undefined, 12n)
    expect([4n, 5n, 12n].map((at) => textAt(cache, 1, at))).toEqual([undefined, '"a"', '"a"'])
    expect([11n, 12n].map((at) => textAt(cache, 2, at))).toEqual([undefined, null])
  })

  test('is not added by a snapshot older than the cache', () => {
    const cache = openCache()
    cache.addDocument(table, idOf(1), revision(1, 5n), 9n)
    expect(textAt(cache, 1, 20n)).toBeUndefined()
  })

  test('is not replaced by an older one that was under way', () => {
    const cache = openCache()
    write(cache, 13n, 1, '"new"')
    cache.addDocument(table, idOf(1), revision(1, 5n, '"old"'), 12n)
    expect(textAt(cache, 1, 12n)).toBeUndefined()
    expect(textAt(cache, 1, 13n)).toBe('"new"')
  })

  test('does not come back as an older one after it was evicted', () => {
    const cache = openCache(4096)
    write(cache, 13n, 1, '"new"')
    for (let number = 2; number < 12; number += 1) cache.addDocument(table, idOf(number), revision(number, 5n), 13n)
    expect(textAt(cache, 1, 13n)).toBeUndefined()
    cache.addDocument(table, idOf(1), revision(1, 5n, '"old"'), 12n)
    expect(textAt(cache, 1, 13n)).toBeUndefined()
    cache.addDocument(table, idOf(1), revision(1, 13n, '"new"'), 13n)
    expect(textAt(cache, 1, 13n)).toBe('"new"')
  })

  test('that is too large is not kept, nor does an older one take its place', () => {
    const cache = openCache(8192)
    write(cache, 12n, 1, '"small"')
    write(cache, 13n, 1, 'x'.repeat(2000))
    cache.addDocument(table, idOf(1), revision(1, 12n, '"small"'), 12n)
    expect(textAt(cache, 1, 20n)).toBeUndefined()
  })
})

describe('a cached page', () => {
  test('holds until an entry of its range appears or disappears', () => {
    for (const present of [true, false]) {
      const cache = openCache()
      cache.addPage(sourceOf(2, 5), 10, pageOf([3]), 12n, cache.generation)
      write(cache, 13n, 3)
      changeEntry(cache, 14n, 1)
      changeEntry(cache, 15n, 5)
      changeEntry(cache, 16n, 3, present, byValue + 1)
      expect(cache.findPage(sourceOf(2, 5), 10, 11n)).toBeUndefined()
      expect(cache.findPage(sourceOf(2, 5), 10, 12n)?.entries.map(({ id }) => id)).toEqual([idOf(3)])
      changeEntry(cache, 17n, 4, present)
      expect(cache.findPage(sourceOf(2, 5), 10, 16n)).toBeUndefined()
      expect(cache.findPage(sourceOf(2, 5), 10, 17n)).toBeUndefined()
    }
  })

  test('is not added if its range changed while it was read', () => {
    const cache = openCache()
    changeEntry(cache, 13n, 3)
    changeEntry(cache, 14n, 9)
    const { generation } = cache
    cache.addPage(sourceOf(2, 5), 10, pageOf([]), 12n, generation)
    cache.addPage(sourceOf(6, 8), 10, pageOf([]), 12n, generation)
    cache.addPage(sourceOf(0, 4), 10, pageOf([3]), 13n, generation)
    expect(cache.findPage(sourceOf(2, 5), 10, 14n)).toBeUndefined()
    expect(cache.findPage(sourceOf(6, 8), 10, 14n)).toMatchObject({ entries: [], exhausted: true })
    expect(cache.findPage(sourceOf(0, 4), 10, 14n)?.entries).toHaveLength(1)
  })

  test('is not added if nobody remembers what has changed since', () => {
    const cache = openCache()
    changeEntry(cache, 13n, 3)
    const last = 14n + BigInt(readCacheLimits.maxRecentIndexWrites)
    for (let ts = 14n; ts <= last; ts += 1n) changeEntry(cache, ts, 9)
    cache.addPage(sourceOf(2, 5), 10, pageOf([]), 12n, cache.generation)
    expect(cache.findPage(sourceOf(2, 5), 10, last)).toBeUndefined()
    cache.addPage(sourceOf(2, 5), 10, pageOf([3]), last, cache.generation)
    expect(cache.findPage(sourceOf(2, 5), 10, last)?.entries).toHaveLength(1)
  })

  test('answers for fewer rows, and for more only if there are no more', () => {
    const cache = openCache()
    cache.addPage(sourceOf(0, 5), 2, pageOf([1, 2], false), 12n, cache.generation)
    expect([1, 2, 3].map((limit) => cache.findPage(sourceOf(0, 5), limit, 12n) !== undefined)).toEqual([
      true,
      true,
      false,
    ])
    cache.addPage(sourceOf(0, 5), 3, pageOf([1, 2]), 12n, cache.generation)
    expect(cache.findPage(sourceOf(0, 5), 100, 12n)?.exhausted).toBe(true)
  })

  test('belongs to one range, one direction and one index', () => {
    const cache = openCache()
    const source = { ...sourceOf(0, 5), range: { from: Uint8Array.of(1), to: undefined } }
    cache.addPage(source, 5, pageOf([2]), 12n, cache.generation)
    expect(cache.findPage(source, 5, 12n)).toBeDefined()
    expect(cache.findPage({ ...source, order: 'desc' }, 5, 12n)).toBeUndefined()
    expect(cache.findPage({ ...source, index: byId }, 5, 12n)).toBeUndefined()
    const other = { from: Uint8Array.of(1), to: Uint8Array.of(2) }
    expect(cache.findPage({ ...source, range: other }, 5, 12n)).toBeUndefined()
    const shifted = { from: Uint8Array.of(), to: Uint8Array.of(1, 2) }
    cache.addPage({ ...source, range: other }, 5, pageOf([]), 12n, cache.generation)
    expect(cache.findPage({ ...source, range: shifted }, 5, 12n)).toBeUndefined()
  })

  test('takes the place of the one with the same start and direction', () => {
    for (const order of ['asc', 'desc'] as const) {
      const cache = openCache()
      const source = { ...sourceOf(1, 5), order }
      cache.addPage(source, 1, pageOf([1], false), 12n, cache.generation)
      const { sizeBytes } = cache
      cache.addPage({ ...sourceOf(1, 6), order }, 1, pageOf([1], false), 12n, cache.generation)
      expect(cache.sizeBytes).toBe(sizeBytes)
      expect(cache.findPage(source, 1, 12n)).toBeUndefined()
      changeEntry(cache, 13n, 5)
      expect(cache.sizeBytes).toBe(0)
    }
  })

  test('is short', () => {
    const cache = openCache()
    const values = Array.from({ length: readCacheLimits.maxPageRows + 1 }, (_, value) => value)
    cache.addPage(sourceOf(0, 50), 50, pageOf(values), 12n, cache.generation)
    expect(cache.sizeBytes).toBe(0)
  })

  test('is forgotten when storage changes behind the commits, also if it is still being read', () => {
    const cache = openCache()
    const { generation } = cache
    cache.addPage(sourceOf(0, 5), 5, pageOf([]), 12n, generation)
    cache.forgetIndexes([byValue])
    expect(cache.findPage(sourceOf(0, 5), 5, 12n)).toBeUndefined()
    expect(cache.sizeBytes).toBe(0)
    cache.addPage(sourceOf(0, 5), 5, pageOf([]), 12n, generation)
    expect(cache.findPage(sourceOf(0, 5), 5, 12n)).toBeUndefined()
  })
})

describe('the read cache', () => {
  test('stays below its size and keeps what was used last', () => {
    const cache = openCache(20_000)
    for (let number = 0; number < 200; number += 1) {
      write(cache, 20n + BigInt(number), number, 'x'.repeat(number))
      cache.addPage(sourceOf(number, number + 1), 5, pageOf([number]), 20n + BigInt(number), cache.generation)
      expect(cache.findDocument(table, idOf(0), 1000n)).toBeDefined()
      expect(cache.sizeBytes).toBeLessThanOrEqual(20_000)
    }
    expect(cache.sizeBytes).toBeGreaterThan(15_000)
    expect(cache.findDocument(table, idOf(1), 1000n)).toBeUndefined()
    expect(cache.findDocument(table, idOf(199), 1000n)).toBeDefined()
  })

  test('keeps nothing if it has no room', () => {
    const cache = openCache(0)
    write(cache, 11n, 1)
    cache.addPage(sourceOf(0, 5), 5, pageOf([]), 12n, cache.generation)
    expect(cache.sizeBytes).toBe(0)
    expect(cache.findDocument(table, idOf(1), 12n)).toBeUndefined()
  })
})

describe('snapshots with a read cache', () => {
  async function put(fixture: Fixture, number: number, value: number): Promise<{ readonly durable: Promise<void> }> {
    const { committer } = fixture
    const [before] = await committer.snapshot(committer.appliedTs).get(table, [idOf(number)])
    const build = () => effectsOf([{ id: idOf(number), before, value }])
    return committer.commit({ beginTs: committer.appliedTs, reads: new ReadSet(), source: 'test', build })
  }

  async function valuesIn({ committer }: Fixture, at: Ts): Promise<readonly string[]> {
    const page = await committer.snapshot(at).scanIndex(byValue, table, valueRange(1, 4), 'asc', 10, 1000)
    return page.rows.map(({ text }) => text)
  }

  test('ask storage once for what does not change, and see what does', async () => {
    const fixture = await openFixture()
    const { committer, storage } = fixture
    for (const number of [1, 2]) await (await put(fixture, number, number)).durable
    expect(await valuesIn(fixture, committer.durableTs)).toEqual(['{"value":1}', '{"value":2}'])
    const readsBefore = storage.reads
    expect(await valuesIn(fixture, committer.durableTs)).toEqual(['{"value":1}', '{"value":2}'])
    await (
      await put(fixture, 2, 9)
    ).durable
    expect(storage.reads).toBe(readsBefore)
    expect(await valuesIn(fixture, committer.durableTs)).toEqual(['{"value":1}'])
    expect(storage.reads).toBe(readsBefore + 1)
  })

  test('at durableTs do not see what is only applied', async () => {
    const fixture = await openFixture()
    const { committer, storage } = fixture
    await (
      await put(fixture, 1, 1)
    ).durable
    expect(await valuesIn(fixture, committer.durableTs)).toEqual(['{"value":1}'])
    const held = storage.holdNextAppend()
    const { durable } = await put(fixture, 1, 3)
    expect(await valuesIn(fixture, committer.appliedTs)).toEqual(['{"value":3}'])
    expect(await valuesIn(fixture, committer.durableTs)).toEqual(['{"value":1}'])
    expect(await valuesIn(fixture, committer.appliedTs)).toEqual(['{"value":3}'])
    held.release()
    await durable
    expect(await valuesIn(fixture, committer.durableTs)).toEqual(['{"value":3}'])
  })

  test('see entries that a backfill added', async () => {
    const fixture = await openFixture()
    const { committer } = fixture
    await (
      await put(fixture, 1, 1)
    ).durable
    const added = byValue + 1
    const scan = () => committer.snapshot(committer.durableTs).scanIndex(added, table, valueRange(0, 9), 'asc', 5, 1000)
    expect((await scan()).rows).toEqual([])
    const key = valueKey(1, idOf(1))
    await committer.bulk([{ index: added, key, tablet: table, id: idOf(1), documentTs: committer.durableTs }])
    expect((await scan()).rows.map(({ text }) => text)).toEqual(['{"value":1}'])
  })

  test('refuse to answer once the committer has failed', async () => {
    const fixture = await openFixture()
    const { committer, storage } = fixture
    await (
      await put(fixture, 1, 1)
    ).durable
    await valuesIn(fixture, committer.durableTs)
    const snapshot = committer.snapshot(committer.durableTs)
    storage.failNextAppend()
    const { durable } = await put(fixture, 2, 2)
    await expect(durable).rejects.toThrow(CommitterFailed)
    await expect(snapshot.get(table, [idOf(1)])).rejects.toThrow(CommitterFailed)
    await expect(snapshot.scanIndex(byValue, table, valueRange(1, 4), 'asc', 10, 1000)).rejects.toThrow(CommitterFailed)
  })
})
