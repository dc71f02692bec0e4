/** What every engine must do, as tests. Each engine's test file calls `storageSuite`. */
import { AssertionError, assert } from '@concave/base'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import {
  documentId,
  everything,
  indexKey,
  indexOf,
  rankCount,
  StorageModel,
  type Change,
  type ScanOp,
} from './storage-model.ts'
import type {
  Appended,
  Commit,
  Head,
  KeyRange,
  LogRecord,
  PruneBounds,
  ReadOp,
  ScanRow,
  Storage,
  Ts,
} from './storage.ts'

/** An opened storage. */
export type StorageUnderTest = {
  readonly storage: Storage
  readonly head: Head
  /** Closes it and opens the same data again. */
  reopen(): Promise<StorageUnderTest>
  /** Closes it and removes its data. */
  close(): Promise<void>
}

type ScanShape = Pick<ScanOp, 'kind' | 'tablet' | 'range' | 'order'>

const tablets = [1, 2] as const
const documentCount = 6
const unlimited = { limit: 1_000_000, maxBytes: Number.MAX_SAFE_INTEGER } as const
const nothing: PruneBounds = { history: 0n, log: 0n, tablets: [], indexes: [] }

const change: fc.Arbitrary<Change> = fc.record({
  tablet: fc.constantFrom(...tablets),
  document: fc.nat({ max: documentCount - 1 }),
  rank: fc.option(fc.nat({ max: rankCount - 1 }), { nil: undefined, freq: 3 }),
  filler: fc.string({ unit: 'grapheme', maxLength: 20 }),
})
/** Batches of commits of changes. */
const workload = fc.array(fc.array(fc.array(change, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 10,
})

export function storageSuite(name: string, open: () => Promise<StorageUnderTest>): void {
  describe(`storage: ${name}`, () => {
    let opened: StorageUnderTest[] = []

    async function start(): Promise<StorageUnderTest> {
      const subject = await open()
      opened.push(subject)
      return subject
    }

    async function restart(subject: StorageUnderTest): Promise<StorageUnderTest> {
      const next = await subject.reopen()
      opened[opened.indexOf(subject)] = next
      return next
    }

    afterEach(async () => {
      const closing = opened
      opened = []
      for (const subject of closing) await subject.close()
    })

    test('starts empty at timestamp 0', async () => {
      const { storage, head } = await start()
      expect(head.ts).toBe(0n)
      expect(await scanAll(storage, 0n, { kind: 'scanDocuments', tablet: 1, range: everything, order: 'asc' })).toEqual(
        [],
      )
      expect(await storage.history({ after: 0n, until: 10n, limit: 10 })).toEqual([])
    })

    // oxlint-disable-next-line vitest/expect-expect -- expectSameReads expects
    test('answers every read at every timestamp as the model does', async () => {
      await fc.assert(
        fc.asyncProperty(workload, async (batches) => {
          const { storage, head } = await start()
          const model = await appendAll(storage, head, batches)
          await expectSameReads(storage, model)
        }),
        { numRuns: 25 },
      )
    })

    test('keeps everything across a restart', async () => {
      await fc.assert(
        fc.asyncProperty(workload, async (batches) => {
          const subject = await start()
          const model = await appendAll(subject.storage, subject.head, batches)
          const { storage, head } = await restart(subject)
          expect(head).toEqual(model.head(subject.head.generation))
          await expectSameReads(storage, model)
          expect(await storage.history({ after: 0n, until: head.ts, limit: 1000 })).toEqual(model.commits)
        }),
        { numRuns: 10 },
      )
    })

    test('pages through ranges of hundreds of rows, present and past, in both orders', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const documents = Array.from({ length: 300 }, (_, document) => document)
      const put = (rank: number | undefined) => (document: number) => ({ tablet: 1, document, rank, filler: '…' })
      await appendChanges(storage, head, model, documents.map(put(1)))
      await appendChanges(storage, head, model, documents.filter((document) => document % 3 === 0).map(put(4)))
      await appendChanges(storage, head, model, documents.filter((document) => document % 5 === 0).map(put(undefined)))
      const ranges = [everything, { from: indexKey(1, 20), to: indexKey(4, 150) }]
      for (const { ts } of model.commits) {
        for (const scan of scanShapes(ranges)) {
          const expected = model.scan(ts, scan)
          for (const limit of [100, 127, 128, 129, 1000]) {
            expect(await scanAll(storage, ts, scan, { ...unlimited, limit })).toEqual(expected)
          }
        }
      }
    })

    test('ends a page at the limit or after the row that reaches the byte limit', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const changes = Array.from({ length: 20 }, (_, document) => ({
        tablet: 1,
        document,
        rank: 0,
        filler: 'x'.repeat(document),
      }))
      await appendChanges(storage, head, model, changes)
      for (const scan of scanShapes([everything])) {
        const all = model.scan(model.headTs, scan)
        for (const [limit, maxBytes] of [
          [3, 1e9],
          [20, 1e9],
          [21, 1e9],
          [20, 1],
          [20, 100],
          [5, 150],
          [0, 1e9],
        ] as const) {
          let bytes = 0
          const fits = all.findIndex((row) => (bytes += row.size) >= maxBytes)
          const expected = all.slice(0, Math.min(limit, fits === -1 ? all.length : fits + 1))
          const [page] = await storage.read(model.headTs, [{ ...withIndex(scan), limit, maxBytes }])
          assert(page?.kind === 'scan', 'a scan answers a scan')
          expect(page.rows).toEqual(expected)
          expect(page.exhausted && page.rows.length < all.length).toBe(false)
        }
        const [whole] = await storage.read(model.headTs, [{ ...withIndex(scan), ...unlimited }])
        expect(whole).toMatchObject({ exhausted: true })
      }
    })

    test('refuses to read and to append above the head', async () => {
      const { storage, head } = await start()
      await appendChanges(storage, head, new StorageModel(), [{ tablet: 1, document: 1, rank: 1, filler: '' }])
      await expect(storage.read(1000n, [{ kind: 'get', tablet: 1, ids: [documentId(1)] }])).rejects.toThrow(
        AssertionError,
      )
      await expect(storage.append({ ...head, ts: 1000n }, 'a', [])).rejects.toThrow(AssertionError)
    })

    test('writes nothing when the head is not the expected one, and tells what was missed', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      await appendChanges(storage, head, model, [{ tablet: 1, document: 1, rank: 1, filler: 'a' }])
      await appendChanges(storage, head, model, [{ tablet: 1, document: 2, rank: 1, filler: 'b' }])
      const late = new StorageModel().commitOf([{ tablet: 1, document: 3, rank: 1, filler: 'late' }], 1000n)
      expect(await storage.append(head, 'late', [late])).toEqual({
        ok: false,
        head: model.head(head.generation),
        missed: model.commits,
      })
      await expectSameReads(storage, model)
    })

    test('lets two racing appenders both finish, each having seen what the other wrote', async () => {
      const { storage, head } = await start()
      const perAppender = 20
      const seen = await Promise.all([0, 1].map((tablet) => raceAppender(storage, head, tablet + 1, perAppender)))
      const log = await storage.history({ after: 0n, until: 1_000_000n, limit: 1000 })
      expect(log).toHaveLength(2 * perAppender)
      for (const records of seen) expect(records).toEqual(log.slice(0, records.length))
      expect(Math.max(...seen.map((records) => records.length))).toBe(log.length)
    })

    test('recognises a batch that is already in the log', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const commit = model.commitOf([{ tablet: 1, document: 1, rank: 1, filler: '' }], 10n)
      const second = { ...commit, ts: 11n, documents: [], indexes: [] }
      const first = await storage.append(head, 'attempt', [commit, second])
      expect(first).toEqual({ ok: true, head: { ts: 11n, generation: head.generation } })
      expect(await storage.append(head, 'attempt', [commit, second])).toEqual(first)
      const other = await storage.append(first.head, 'other', [{ ...second, ts: 12n }])
      expect(other).toMatchObject({ ok: true })
      expect(await storage.append(head, 'attempt', [commit, second])).toEqual(first)
      expect(await storage.history({ after: 0n, until: 100n, limit: 10 })).toHaveLength(3)
    })

    test('does not append for another generation', async () => {
      const { storage, head } = await start()
      const commit = new StorageModel().commitOf([{ tablet: 1, document: 1, rank: 1, filler: '' }], 10n)
      expect(await storage.append({ ...head, generation: 'other' }, 'a', [commit])).toEqual({
        ok: false,
        head,
        missed: [],
      })
    })

    test('refuses a batch that breaks an invariant, as a whole, and only that one', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const good = model.commitOf([{ tablet: 1, document: 1, rank: 1, filler: '' }], 10n)
      const changed = { ...good, ts: 11n }
      const falling = { ...good, ts: 10n, documents: [], indexes: [] }
      const results = await Promise.allSettled([
        storage.append(head, 'wrong predecessor', [good, changed]),
        storage.append(head, 'falling timestamp', [good, falling]),
        storage.append(head, 'good', [good]),
      ])
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
      expect((results[0] as PromiseRejectedResult).reason).toBeInstanceOf(AssertionError)
      model.apply(good)
      await expectSameReads(storage, model)
      expect(await storage.history({ after: 0n, until: 100n, limit: 10 })).toEqual(model.commits)
    })

    test('accepts appends that are sent before the one they build on is answered', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const appending = Array.from({ length: 64 }, (_, number) => {
        const expected = model.head(head.generation)
        const changes = [{ tablet: 1, document: number % 5, rank: number % rankCount, filler: String(number) }]
        const commit = model.commitOf(changes, expected.ts + 1n)
        model.apply(commit)
        return storage.append(expected, String(number), [commit])
      })
      const answers = await Promise.all(appending)
      expect(answers).toEqual(model.commits.map(({ ts }) => ({ ok: true, head: { ts, generation: head.generation } })))
      await expectSameReads(storage, model)
    })

    test('answers a read at a timestamp the same while commits go on', async () => {
      const { storage, head } = await start()
      const model = await appendNumbered(storage, head, 10)
      const at = model.headTs
      const ops: readonly ReadOp[] = [
        { kind: 'get', tablet: 1, ids: [documentId(1)] },
        ...scanShapes([everything]).map((scan) => ({ ...withIndex(scan), ...unlimited })),
      ]
      const before = await storage.read(at, ops)
      const gets = await storage.read(at, ops.slice(0, 1))
      let isWriting = true
      const writing = appendNumbered(storage, head, 200, model).finally(() => (isWriting = false))
      while (isWriting) {
        expect(await storage.read(at, ops)).toEqual(before)
        expect(await storage.read(at, ops.slice(0, 1))).toEqual(gets)
        await setImmediate()
      }
      await writing
      expect(model.commits).toHaveLength(210)
      expect(await storage.read(at, ops)).toEqual(before)
    })

    test('keeps every field of a log record', async () => {
      const { storage, head } = await start()
      const commit: Commit = {
        ts: 1_795_000_000_123_456_789n,
        documents: [
          { tablet: 3, id: documentId(1), prevTs: null, text: '{"text":"ünï\\u0000😀"}', size: 123 },
          { tablet: 300, id: documentId(2), prevTs: null, text: null, size: 0 },
        ],
        indexes: [{ index: 70_000, key: new Uint8Array(), tablet: 3, id: documentId(1), present: true }],
        touched: [
          { index: 70_000, key: new Uint8Array() },
          { index: 1, key: new Uint8Array(1000).fill(255) },
        ],
        source: 'messages:send',
      }
      await storage.append(head, 'a', [commit])
      expect(await storage.history({ after: 0n, until: commit.ts, limit: 10 })).toEqual([commit])
    })

    test('answers history between two timestamps, up to a limit', async () => {
      const { storage, head } = await start()
      const model = await appendNumbered(storage, head, 10)
      expect(await storage.history({ after: 20n, until: 50n, limit: 100 })).toEqual(model.commits.slice(2, 5))
      expect(await storage.history({ after: 20n, until: 1000n, limit: 2 })).toEqual(model.commits.slice(2, 4))
    })

    test('tails old and new commits in order, without gaps, each readable when it is shown', async () => {
      const { storage, head } = await start()
      const model = await appendNumbered(storage, head, 300)
      const controller = new AbortController()
      const seen: LogRecord[] = []
      const following = (async () => {
        for await (const records of storage.tail(40n, controller.signal)) {
          seen.push(...records)
          const last = records.at(-1)?.ts ?? 0n
          await storage.read(last, [{ kind: 'get', tablet: 1, ids: [documentId(1)] }])
          if (seen.length === 396) controller.abort()
        }
      })()
      await appendNumbered(storage, head, 100, model)
      await following
      expect(seen).toEqual(model.commits.slice(4))
    })

    test('ends a waiting tail when it is aborted and when the storage closes', async () => {
      const { storage, head } = await start()
      const controller = new AbortController()
      const aborted = storage.tail(head.ts, controller.signal)[Symbol.asyncIterator]().next()
      const closed = storage.tail(head.ts, new AbortController().signal)[Symbol.asyncIterator]().next()
      controller.abort()
      expect(await aborted).toMatchObject({ done: true })
      await storage.close()
      expect(await closed).toMatchObject({ done: true })
    })

    test('puts a bulk row only where its document is still the one it was computed from', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const put = (document: number, filler: string): Change => ({ tablet: 1, document, rank: 1, filler })
      await appendChanges(storage, head, model, [put(1, 'a'), put(2, 'a'), put(3, 'a')])
      const documentTs = model.headTs
      await appendChanges(storage, head, model, [put(2, 'b'), { tablet: 1, document: 3, rank: undefined, filler: '' }])
      const row = (document: number) => {
        return { index: 900, key: indexKey(0, document), tablet: 1, id: documentId(document), documentTs }
      }
      await storage.bulk([1, 2, 3, 4].map(row))
      await storage.bulk([row(1)])
      const [page] = await storage.read(model.headTs, [
        { kind: 'scanIndex', index: 900, tablet: 1, range: everything, order: 'asc', ...unlimited },
      ])
      assert(page?.kind === 'scan', 'a scan answers a scan')
      expect(page.rows.map(({ id }) => id)).toEqual([documentId(1)])
    })

    test('leaves an entry alone that is written again, and ends one that a backfill put', async () => {
      const { storage, head } = await start()
      const entry = { index: 900, key: indexKey(0, 1), tablet: 1, id: documentId(1) }
      const write = (ts: Ts, prevTs: Ts | null, present: boolean): Commit => ({
        ts,
        documents: [{ tablet: 1, id: documentId(1), prevTs, text: '{}', size: 2 }],
        indexes: [{ ...entry, present }],
        touched: [],
        source: '',
      })
      const scan = async (at: Ts): Promise<number> => {
        const [page] = await storage.read(at, [
          { kind: 'scanIndex', index: 900, tablet: 1, range: everything, order: 'asc', ...unlimited },
        ])
        assert(page?.kind === 'scan', 'a scan answers a scan')
        return page.rows.length
      }
      await storage.append(head, 'a', [{ ...write(1n, null, true), indexes: [] }])
      await storage.bulk([{ ...entry, documentTs: 1n }])
      await storage.append({ ...head, ts: 1n }, 'b', [write(2n, 1n, true), write(3n, 2n, false), write(4n, 3n, false)])
      expect(await Promise.all([1n, 2n, 3n, 4n].map(scan))).toEqual([1, 1, 0, 0])
    })

    test('changes a meta record only if its version is the expected one', async () => {
      const subject = await start()
      const { meta } = subject.storage
      expect(await meta.get('lease')).toBeUndefined()
      expect(await meta.set('lease', 'a', 1)).toBe(false)
      expect(await Promise.all([meta.set('lease', 'a', 0), meta.set('lease', 'b', 0)])).toEqual([true, false])
      expect(await meta.get('lease')).toEqual({ value: 'a', version: 1 })
      expect(await meta.set('lease', 'c', 1)).toBe(true)
      expect(await meta.set('lease', 'd', 1)).toBe(false)
      const { storage } = await restart(subject)
      expect(await storage.meta.get('lease')).toEqual({ value: 'c', version: 2 })
    })

    test('reads the same before, during and after pruning, at every timestamp still kept', async () => {
      await fc.assert(
        fc.asyncProperty(
          workload,
          fc.nat({ max: 100 }),
          fc.integer({ min: 2, max: 20 }),
          async (batches, share, maxRows) => {
            const { storage, head } = await start()
            const model = await appendAll(storage, head, batches)
            const bound = model.commits[Math.floor((share / 101) * model.commits.length)]?.ts ?? 0n
            await expectSameReads(storage, model, bound)
            await pruneAll(storage, { ...nothing, history: bound, log: bound }, maxRows, () =>
              expectSameReads(storage, model, bound),
            )
            await expectSameReads(storage, model, bound)
            const kept = await storage.history({ after: bound, until: model.headTs, limit: 1000 })
            expect(kept).toEqual(model.commits.filter(({ ts }) => ts > bound))
          },
        ),
        { numRuns: 8 },
      )
    })

    test('says so when something pruned is asked for', async () => {
      const subject = await start()
      const { storage, head } = subject
      const model = await appendNumbered(storage, head, 10)
      const bounds = { ...nothing, history: 50n, log: 50n }
      await pruneAll(storage, bounds, 100, async () => {})
      const expectRefusals = async (kept: Storage): Promise<void> => {
        const refused = { code: 'OutOfRetention' }
        await expect(kept.read(49n, [])).rejects.toMatchObject(refused)
        await expect(kept.history({ after: 49n, until: 60n, limit: 1 })).rejects.toMatchObject(refused)
        await expect(kept.tail(49n, new AbortController().signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject(
          refused,
        )
        await expect(kept.append({ ...head, ts: 40n }, 'x', [])).rejects.toMatchObject(refused)
        expect(await kept.history({ after: 50n, until: 60n, limit: 10 })).toEqual([model.commits[5]])
      }
      await expectRefusals(storage)
      await expectRefusals((await restart(subject)).storage)
    })

    test('forgets dropped tablets and indexes, a few rows at a time', async () => {
      const { storage, head } = await start()
      const model = new StorageModel()
      const put = (tablet: number, rank: number) => {
        return Array.from({ length: 10 }, (_, document) => ({ tablet, document, rank, filler: '' }))
      }
      await appendChanges(storage, head, model, [...put(1, 1), ...put(2, 1)])
      await appendChanges(storage, head, model, [...put(1, 2), ...put(2, 2)])
      const calls = await pruneAll(storage, { ...nothing, tablets: [1], indexes: [indexOf(1)] }, 7, async () => {})
      expect(calls).toBeGreaterThanOrEqual(3)
      for (const { ts } of model.commits) {
        for (const scan of scanShapes([everything])) {
          const rows = await scanAll(storage, ts, scan)
          expect(rows).toEqual(scan.tablet === 1 ? [] : model.scan(ts, scan))
        }
      }
    })

    test('finishes what was asked for before it was closed, and refuses the rest', async () => {
      const subject = await start()
      const { storage, head } = subject
      const commit = new StorageModel().commitOf([{ tablet: 1, document: 1, rank: 1, filler: '' }], 10n)
      const appending = storage.append(head, 'a', [commit])
      const closing = storage.close()
      expect(await appending).toMatchObject({ ok: true })
      await closing
      await expect(storage.append(head, 'b', [])).rejects.toMatchObject({ code: 'StorageClosed' })
      await expect(storage.read(0n, [])).rejects.toMatchObject({ code: 'StorageClosed' })
    })
  })
}

async function appendAll(
  storage: Storage,
  head: Head,
  batches: readonly (readonly (readonly Change[])[])[],
): Promise<StorageModel> {
  const model = new StorageModel()
  for (const changesOfCommits of batches) {
    const expected = model.head(head.generation)
    const batch = changesOfCommits.map((changes) => {
      const commit = model.commitOf(changes, model.headTs + 3n)
      model.apply(commit)
      return commit
    })
    expectOk(await storage.append(expected, `batch at ${expected.ts}`, batch))
  }
  return model
}

async function appendChanges(
  storage: Storage,
  head: Head,
  model: StorageModel,
  changes: readonly Change[],
): Promise<void> {
  const expected = model.head(head.generation)
  const commit = model.commitOf(changes, expected.ts + 10n)
  expectOk(await storage.append(expected, `batch at ${expected.ts}`, [commit]))
  model.apply(commit)
}

/** `count` commits at 10, 20, 30 … that write one document of tablet 1 again and again. */
async function appendNumbered(
  storage: Storage,
  head: Head,
  count: number,
  model = new StorageModel(),
): Promise<StorageModel> {
  for (let number = 0; number < count; number += 1) {
    await appendChanges(storage, head, model, [
      { tablet: 1, document: 1, rank: number % rankCount, filler: String(number) },
    ])
  }
  return model
}

function expectOk(appended: Appended): void {
  expect(appended).toMatchObject({ ok: true })
}

/** Appends `count` commits to its own tablet, catching up whenever the other was faster; what it saw of the log. */
async function raceAppender(storage: Storage, start: Head, tablet: number, count: number): Promise<LogRecord[]> {
  const seen: LogRecord[] = []
  let head = start
  let prevTs: Ts | null = null
  for (let number = 0; number < count;) {
    const ts: Ts = head.ts + BigInt(tablet)
    const write = { tablet, id: documentId(1), prevTs, text: String(number), size: 1 }
    const commit: Commit = { ts, documents: [write], indexes: [], touched: [], source: `appender ${tablet}` }
    const appended = await storage.append(head, `${tablet}/${number}/${ts}`, [commit])
    head = appended.head
    if (!appended.ok) {
      seen.push(...appended.missed)
      continue
    }
    seen.push(commit)
    prevTs = ts
    number += 1
  }
  return seen
}

async function pruneAll(
  storage: Storage,
  bounds: PruneBounds,
  maxRows: number,
  between: () => Promise<void>,
): Promise<number> {
  for (let calls = 1; ; calls += 1) {
    const { done } = await storage.prune(bounds, maxRows)
    if (done) return calls
    await between()
  }
}

async function expectSameReads(storage: Storage, model: StorageModel, from: Ts = 0n): Promise<void> {
  const timestamps = [0n, ...model.commits.map(({ ts }) => ts), ...model.commits.map(({ ts }) => ts - 1n)]
  const ids = Array.from({ length: documentCount }, (_, document) => documentId(document))
  const ranges = [
    everything,
    { from: indexKey(0, 2), to: indexKey(4, 3) },
    { from: documentId(1), to: documentId(4) },
    { from: indexKey(5, 0), to: undefined },
  ]
  for (const at of timestamps.filter((ts) => ts >= from)) {
    for (const tablet of tablets) {
      const [got] = await storage.read(at, [{ kind: 'get', tablet, ids }])
      expect(got).toEqual({ kind: 'get', documents: ids.map((id) => model.get(at, tablet, id)) })
    }
    for (const scan of scanShapes(ranges)) {
      const expected = model.scan(at, scan)
      expect(await scanAll(storage, at, scan)).toEqual(expected)
      expect(await scanAll(storage, at, scan, { ...unlimited, limit: 2 })).toEqual(expected)
      if (scan.kind === 'scanIndex' && scan.order === 'asc') await expectSameKeys(storage, at, scan, expected)
    }
  }
}

/** The keys of an index range, in whole and from the front, and their number. */
async function expectSameKeys(storage: Storage, at: Ts, scan: ScanShape, expected: readonly ScanRow[]): Promise<void> {
  const { index, range } = withIndex(scan)
  const keys = expected.map(({ key }) => key)
  const join = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
  const [first, all, some, count] = await storage.read(at, [
    { kind: 'scanKeys', index, range, limit: 1, skip: 0 },
    { kind: 'scanKeys', index, range, limit: unlimited.limit, skip: 1 },
    { kind: 'scanKeys', index, range, limit: 2, skip: 0 },
    { kind: 'countKeys', index, range },
  ])
  expect(first).toMatchObject({ kind: 'keys', count: Math.min(1, keys.length), bytes: join(keys.slice(0, 1)) })
  const rest = join(keys.map((key) => key.subarray(1)))
  expect(all).toEqual({ kind: 'keys', bytes: rest, count: keys.length, exhausted: true })
  expect(some).toMatchObject({ bytes: join(keys.slice(0, 2)) })
  expect(some?.kind === 'keys' && some.exhausted && keys.length > 2).toBe(false)
  expect(count).toEqual({ kind: 'count', count: keys.length })
}

function scanShapes(ranges: readonly KeyRange[]): ScanShape[] {
  return ranges.flatMap((range) =>
    tablets.flatMap((tablet) =>
      (['asc', 'desc'] as const).flatMap((order) =>
        (['scanIndex', 'scanDocuments'] as const).map((kind) => ({ kind, tablet, range, order })),
      ),
    ),
  )
}

function withIndex(scan: ScanShape): ScanShape & { readonly index: number } {
  return { ...scan, index: indexOf(scan.tablet) }
}

/** All rows of a range, page after page. */
async function scanAll(
  storage: Storage,
  at: Ts,
  scan: ScanShape,
  limits: { readonly limit: number; readonly maxBytes: number } = unlimited,
): Promise<ScanRow[]> {
  const rows: ScanRow[] = []
  let range = scan.range
  for (;;) {
    const [page] = await storage.read(at, [{ ...withIndex(scan), range, ...limits }])
    assert(page?.kind === 'scan', 'a scan answers a scan')
    rows.push(...page.rows)
    const last = page.rows.at(-1)
    if (page.exhausted || last === undefined) return rows
    range =
      scan.order === 'asc'
        ? { from: Uint8Array.from([...last.key, 0]), to: range.to }
        : { from: range.from, to: last.key }
  }
}
