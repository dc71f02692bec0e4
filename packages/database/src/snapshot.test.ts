import { bytesCompare } from '@concave/base'
import { MemoryStorage, type Commit, type ScanRow, type StoredDocument, type Ts } from '@concave/storage'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byValue, documentSize, effectsOf, idOf, numberOf, table, valueKey, valueOf } from './committer-fixture.ts'
import { Overlay } from './overlay.ts'
import { OverlaidSnapshot } from './snapshot.ts'
import type { Order } from './versioned-map.ts'

/** The table as of each commit: documents by number. */
type Version = ReadonlyMap<number, StoredDocument>

const documentNumber = fc.nat(11)
const changes = fc.uniqueArray(
  fc.record({ number: documentNumber, value: fc.option(fc.nat(5), { nil: null, freq: 3 }) }),
  { minLength: 1, maxLength: 5, selector: ({ number }) => number },
)

const scans = fc.array(
  fc.record({
    kind: fc.constantFrom('index' as const, 'documents' as const),
    order: fc.constantFrom<Order>('asc', 'desc'),
    from: fc.nat(6),
    to: fc.option(fc.nat(7), { nil: undefined, freq: 3 }),
    limit: fc.integer({ min: 1, max: 4 }),
    maxBytes: fc.constantFrom(1, 2 * documentSize, 1000),
    at: fc.nat(),
  }),
  { minLength: 1, maxLength: 8 },
)

type Scan = typeof scans extends fc.Arbitrary<readonly (infer Item)[]> ? Item : never

/** Every commit with the table it leaves. */
function runHistory(history: readonly (readonly { number: number; value: number | null }[])[]): {
  readonly commits: readonly Commit[]
  readonly versions: readonly Version[]
} {
  const commits: Commit[] = []
  const versions: Version[] = [new Map()]
  for (const [position, changed] of history.entries()) {
    const ts = BigInt(position + 1)
    const before = versions.at(-1) ?? new Map<number, StoredDocument>()
    const list = changed.map(({ number, value }) => ({ id: idOf(number), before: before.get(number), value }))
    commits.push({ ts, source: 'test', ...effectsOf(list) })
    const after = new Map(before)
    for (const { number, value } of changed) {
      after.delete(number)
      if (value !== null) {
        after.set(number, { id: idOf(number), ts, text: JSON.stringify({ value }), size: documentSize })
      }
    }
    versions.push(after)
  }
  return { commits, versions }
}

function rangeOf(scan: Scan): { readonly from: Uint8Array; readonly to: Uint8Array | undefined } {
  const keyOf = (value: number): Uint8Array => (scan.kind === 'index' ? Uint8Array.of(value) : idOf(2 * value))
  return { from: keyOf(scan.from), to: scan.to === undefined ? undefined : keyOf(scan.to) }
}

/** All rows of the range, by a full scan. */
function expectedRows(version: Version, scan: Scan): ScanRow[] {
  const { from, to } = rangeOf(scan)
  const rows = [...version.values()]
    .map((document) => ({
      ...document,
      key: scan.kind === 'index' ? valueKey(valueOf(document), document.id) : document.id,
    }))
    .filter(({ key }) => bytesCompare(from, key) <= 0 && (to === undefined || bytesCompare(key, to) < 0))
    .toSorted((a, b) => bytesCompare(a.key, b.key))
  return scan.order === 'asc' ? rows : rows.toReversed()
}

describe('a snapshot', () => {
  test('equals the table at its ts, however much of it storage is known to hold, and how much it holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(changes, { maxLength: 8 }), fc.nat(), fc.nat(), scans, async (history, a, b, list) => {
        const { commits, versions } = runHistory(history)
        const stored = a % (commits.length + 1)
        const known = b % (stored + 1)
        const storage = new MemoryStorage()
        await storage.append(await storage.open(), 'batch', commits.slice(0, stored))
        const overlay = new Overlay(0n, () => undefined)
        for (const commit of commits) overlay.apply(commit)
        overlay.land(BigInt(known))
        expect(overlay.commitCount).toBe(commits.length - known)

        for (const scan of list) {
          const at = scan.at % (commits.length + 1)
          const version = versions[at] ?? new Map<number, StoredDocument>()
          const snapshot = new OverlaidSnapshot({ ts: BigInt(at), storage, overlay, check: () => undefined })
          const ids = Array.from({ length: 12 }, (_, number) => idOf(number))
          const documents = await snapshot.get(table, ids)
          expect(documents).toEqual(ids.map((id) => version.get(numberOf(id))))

          const { from, to } = rangeOf(scan)
          if (to !== undefined && bytesCompare(from, to) > 0) continue
          const page = await scanPage(snapshot, scan)
          const all = expectedRows(version, scan)
          const rowsByBytes = Math.ceil(scan.maxBytes / documentSize)
          expect(page.rows).toEqual(all.slice(0, Math.min(scan.limit, rowsByBytes)))
          // `exhausted` may be false although nothing follows, but only at a limit.
          const possibleLengths = page.exhausted ? [all.length] : [Math.min(scan.limit, rowsByBytes)]
          expect(possibleLengths).toContain(page.rows.length)
        }
      }),
      { numRuns: 400 },
    )
  })
})

function scanPage(snapshot: OverlaidSnapshot, scan: Scan): ReturnType<OverlaidSnapshot['scanIndex']> {
  const range = rangeOf(scan)
  return scan.kind === 'index'
    ? snapshot.scanIndex(byValue, table, range, scan.order, scan.limit, scan.maxBytes)
    : snapshot.scanDocuments(table, range, scan.order, scan.limit, scan.maxBytes)
}

describe('the overlay', () => {
  const { commits } = runHistory([[{ number: 1, value: 1 }], [{ number: 1, value: 2 }], [{ number: 1, value: null }]])

  function valuesIn(overlay: Overlay, base: Ts, at: Ts): (string | null | undefined)[] {
    const window = { base, at }
    const [found] = overlay.documents(table, { from: new Uint8Array(), to: undefined }, 'asc', window)
    return [found?.version.text, overlay.findDocument(table, idOf(1), window)?.text]
  }

  test('forgets what has landed once no read with an older base is under way', () => {
    const overlay = new Overlay(0n, () => undefined)
    for (const commit of commits) overlay.apply(commit)
    const first = overlay.pin(2n)
    const second = overlay.pin(3n)
    overlay.land(1n)
    const third = overlay.pin(3n)
    expect([first.base, second.base, third.base]).toEqual([0n, 0n, 1n])
    overlay.land(3n)
    expect(overlay.commitCount).toBe(3)
    expect(valuesIn(overlay, first.base, first.at)).toEqual(['{"value":2}', '{"value":2}'])
    expect(valuesIn(overlay, second.base, second.at)).toEqual([null, null])
    first.release()
    expect(overlay.commitCount).toBe(3)
    third.release()
    expect(overlay.commitCount).toBe(3)
    second.release()
    expect(overlay.commitCount).toBe(0)
    expect(overlay.isEmpty(table, byValue)).toBe(true)
    expect(valuesIn(overlay, 0n, 3n)).toEqual([undefined, undefined])
  })

  test('stays at the snapshot that storage holds, so far as it has landed, until there is too much', () => {
    let heldTs: Ts | undefined = 1n
    const overlay = new Overlay(0n, () => heldTs)
    for (const commit of commits) overlay.apply(commit)
    const baseOf = (at: Ts): Ts => {
      const { base, release } = overlay.pin(at)
      release()
      return base
    }
    overlay.land(2n)
    expect([baseOf(3n), baseOf(1n), overlay.commitCount]).toEqual([1n, 1n, 2])
    heldTs = 3n
    expect([baseOf(3n), overlay.commitCount]).toEqual([2n, 1])
    heldTs = undefined
    overlay.land(3n)
    expect([baseOf(3n), overlay.commitCount]).toEqual([3n, 0])
    heldTs = 3n
    const size = 400_000
    for (const ts of [4n, 5n, 6n]) {
      overlay.apply({
        ts,
        documents: [{ tablet: table, id: idOf(9), prevTs: null, text: '{}', size }],
        indexes: [],
        touched: [],
        source: 'test',
      })
      overlay.land(ts)
    }
    expect([baseOf(6n), overlay.commitCount]).toEqual([6n, 0])
    overlay.apply({ ts: 7n, documents: [], indexes: [], touched: [], source: 'test' })
    heldTs = 6n
    overlay.land(7n)
    overlay.rebase()
    expect([baseOf(7n), overlay.commitCount]).toEqual([7n, 0])
  })

  test('a snapshot below what has landed needs nothing of it', () => {
    const overlay = new Overlay(0n, () => undefined)
    for (const commit of commits) overlay.apply(commit)
    overlay.land(2n)
    const window = overlay.pin(1n)
    expect(window.base).toBe(1n)
    window.release()
    expect(overlay.commitCount).toBe(1)
  })
})
