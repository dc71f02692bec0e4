import { AssertionError } from '@concave/base'
import { MemoryDisk, MemoryStorage, type Commit, type Ts } from '@concave/storage'
import { describe, expect, test } from 'vitest'
import { CommitConflict, CommitterClosed, CommitterFailed, OutOfRetention } from './commit-errors.ts'
import {
  byId,
  byValue,
  documentSize,
  effectsOf,
  everything,
  idOf,
  openFixture,
  table,
  valueKey,
  valueOf,
  valueRange,
  type Change,
} from './committer-fixture.ts'
import type { Committed, Committer, CommitRequest } from './committer.ts'
import { ReadSet } from './read-set.ts'

/** Commits changes that were not read. */
function write(committer: Committer, changes: readonly Change[], options: Partial<CommitRequest> = {}): Committed {
  return committer.commit({
    beginTs: committer.appliedTs,
    reads: new ReadSet(),
    source: 'test',
    build: () => effectsOf(changes),
    ...options,
  })
}

/** Sets a document to a value, knowing what it was. */
async function put(committer: Committer, number: number, value: number): Promise<Committed> {
  const [before] = await committer.snapshot(committer.appliedTs).get(table, [idOf(number)])
  return write(committer, [{ id: idOf(number), before, value }])
}

/** The value of document `number` as of `at`. */
async function valueAt(committer: Committer, number: number, at: Ts): Promise<number | undefined> {
  const [document] = await committer.snapshot(at).get(table, [idOf(number)])
  return document && valueOf(document)
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  void promise.then(note, note)
  // Enough turns of the microtask queue for anything that waits for nothing but promises.
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
  return settled
}

function insert(number: number, value: number): Change {
  return { id: idOf(number), before: undefined, value }
}

describe('timestamps', () => {
  test('rise while the clock stands still, steps back or is behind storage', async () => {
    const { committer, clock, crash } = await openFixture()
    const first = write(committer, [insert(1, 1)])
    expect(first.ts).toBe(clock.wallNs)
    const second = write(committer, [insert(2, 1)])
    expect(second.ts).toBe(first.ts + 1n)
    clock.wallNs = 5n
    const third = write(committer, [insert(3, 1)])
    expect(third.ts).toBe(second.ts + 1n)
    await third.durable

    const { committer: reopened } = await crash()
    expect(reopened.appliedTs).toBe(third.ts)
    expect(reopened.durableTs).toBe(third.ts)
    expect(write(reopened, [insert(4, 1)]).ts).toBe(third.ts + 1n)
  })

  test('are given to the build once the read set was found valid', async () => {
    const { committer } = await openFixture()
    const seen: Ts[] = []
    const build = (ts: Ts): ReturnType<CommitRequest['build']> => {
      seen.push(ts)
      return effectsOf([insert(1, 1)])
    }
    const { ts } = write(committer, [], { build })
    expect(seen).toEqual([ts])
    const reads = new ReadSet()
    reads.addKey(byId, idOf(1))
    expect(() => write(committer, [], { beginTs: 0n, reads, build })).toThrow(CommitConflict)
    expect(seen).toEqual([ts])
  })

  test('a build that throws leaves nothing behind', async () => {
    const { committer } = await openFixture()
    const build = (): never => {
      throw new Error('the build failed')
    }
    expect(() => write(committer, [], { build })).toThrow('the build failed')
    expect(committer.appliedTs).toBe(0n)
    await write(committer, [insert(1, 1)]).durable
    expect(await valueAt(committer, 1, committer.durableTs)).toBe(1)
  })

  test('a build must not commit', async () => {
    const { committer } = await openFixture()
    const build = (): ReturnType<CommitRequest['build']> => {
      write(committer, [insert(1, 1)])
      return effectsOf([])
    }
    expect(() => write(committer, [], { build })).toThrow(AssertionError)
    expect(committer.appliedTs).toBe(0n)
  })
})

describe('durability', () => {
  test('an applied commit is seen at appliedTs and at no durable snapshot', async () => {
    const { committer, storage } = await openFixture()
    const held = storage.holdNextAppend()
    const { ts, durable } = await put(committer, 1, 7)
    await held.arrived
    expect(committer.appliedTs).toBe(ts)
    expect(committer.durableTs).toBe(0n)
    expect(await valueAt(committer, 1, committer.appliedTs)).toBe(7)
    expect(await valueAt(committer, 1, committer.durableTs)).toBeUndefined()
    expect(await isSettled(durable)).toBe(false)
    held.release()
    await durable
    expect(committer.durableTs).toBe(ts)
    expect(await valueAt(committer, 1, committer.durableTs)).toBe(7)
  })

  test('is not assumed before storage has answered, even if the commit has landed', async () => {
    const { committer, storage, disk } = await openFixture()
    const held = storage.holdNextAppendAfterDurable()
    const { ts, durable } = await put(committer, 1, 7)
    await held.arrived
    expect(disk.head.ts).toBe(ts)
    expect(committer.durableTs).toBe(0n)
    expect(await isSettled(durable)).toBe(false)
    expect(await valueAt(committer, 1, committer.appliedTs)).toBe(7)
    expect(await valueAt(committer, 1, committer.durableTs)).toBeUndefined()
    held.release()
    await durable
  })

  test('what is applied while an append is under way is appended together', async () => {
    const { committer, storage, disk } = await openFixture()
    const held = storage.holdNextAppend()
    const first = write(committer, [insert(1, 1)])
    await held.arrived
    const others = [2, 3, 4].map((number) => write(committer, [insert(number, 1)]))
    held.release()
    await Promise.all([first, ...others].map(({ durable }) => durable))
    const batches = disk.log.map(({ batchId }) => batchId)
    expect(new Set(batches).size).toBe(2)
    expect(batches[1]).toBe(batches[3])
  })

  test('a batch ends at its limits, and order is kept', async () => {
    const queueLimits = { maxCommits: 100, maxBytes: 1e6, maxBatchCommits: 2, maxBatchBytes: 700, retryAfterMs: 1 }
    const { committer, disk } = await openFixture({ queueLimits })
    const published: Ts[] = []
    committer.onPublished((commits) => published.push(...commits.map(({ ts }) => ts)))
    const small = [1, 2, 3].map((number) => write(committer, [insert(number, 1)]))
    const large = write(
      committer,
      [4, 5, 6, 7, 8].map((number) => insert(number, 1)),
    )
    const last = write(committer, [insert(9, 1)])
    await last.durable
    expect(published).toEqual([...small, large, last].map(({ ts }) => ts))
    const batches = disk.log.map(({ batchId }) => batchId)
    expect(batches[0]).toBe(batches[1])
    expect(new Set(batches).size).toBe(4)
  })

  test('an outcome without writes waits for its snapshot', async () => {
    const { committer, storage } = await openFixture()
    await committer.whenDurable(0n)
    const held = storage.holdNextAppend()
    const first = await put(committer, 1, 1)
    await held.arrived
    const heldAgain = storage.holdNextAppend()
    const second = await put(committer, 2, 1)
    const [forFirst, forSecond] = [committer.whenDurable(first.ts), committer.whenDurable(second.ts)]
    held.release()
    await forFirst
    expect(await isSettled(forSecond)).toBe(false)
    heldAgain.release()
    await forSecond
    expect(committer.durableTs).toBe(second.ts)
    expect(() => committer.whenDurable(second.ts + 1n)).toThrow(AssertionError)
  })

  test('commits are shown as applied within commit and as published in order, at their ts', async () => {
    const { committer, storage } = await openFixture()
    const events: string[] = []
    committer.onApplied(({ ts }) => events.push(`applied ${ts} of ${committer.appliedTs}`))
    committer.onPublished((commits) =>
      events.push(`published ${commits.map(({ ts }) => ts).join()} of ${committer.durableTs}`),
    )
    const held = storage.holdNextAppend()
    const { ts: first } = write(committer, [insert(1, 1)])
    expect(events).toEqual([`applied ${first} of ${first}`])
    await held.arrived
    const { ts: second } = write(committer, [insert(2, 1)])
    const { ts: third, durable } = write(committer, [insert(3, 1)])
    held.release()
    await durable
    expect(events.slice(3)).toEqual([`published ${first} of ${first}`, `published ${second},${third} of ${third}`])
  })
})

describe('conflicts', () => {
  test('count applied commits that are not durable, and say what was met', async () => {
    const { committer, storage } = await openFixture()
    const held = storage.holdNextAppend()
    const beginTs = committer.appliedTs
    const { ts } = write(committer, [insert(1, 7)], { source: 'messages:send' })
    await held.arrived
    const reads = new ReadSet()
    reads.addInterval(byValue, Uint8Array.of(5), Uint8Array.of(9))
    const conflict = { index: byValue, key: valueKey(7, idOf(1)), source: 'messages:send', ts }
    expect(() => write(committer, [insert(2, 1)], { beginTs, reads })).toThrow(expect.objectContaining(conflict))
    expect(committer.appliedTs).toBe(ts)
    held.release()
    await committer.whenDurable(ts)
    expect(() => write(committer, [insert(2, 1)], { beginTs, reads })).toThrow(CommitConflict)
  })

  test('are found at old keys, at new keys and in indexes whose key did not change', async () => {
    const { committer } = await openFixture()
    await put(committer, 1, 3)
    const beginTs = committer.appliedTs
    await put(committer, 1, 6)
    for (const [index, key] of [
      [byValue, valueKey(3, idOf(1))],
      [byValue, valueKey(6, idOf(1))],
      [byId, idOf(1)],
    ] as const) {
      const reads = new ReadSet()
      reads.addKey(index, key)
      expect(() => write(committer, [], { beginTs, reads })).toThrow(CommitConflict)
    }
  })

  test('are not seen outside the read set, before the begin, or by who read nothing', async () => {
    const { committer } = await openFixture()
    await put(committer, 1, 3)
    const beginTs = committer.appliedTs
    const reads = new ReadSet()
    reads.addInterval(byValue, Uint8Array.of(0), Uint8Array.of(5))
    await put(committer, 2, 5)
    expect(write(committer, [], { beginTs, reads }).ts).toBe(committer.appliedTs)
    expect(write(committer, [], { beginTs: 0n }).ts).toBe(committer.appliedTs)
  })

  test('"not found" is a read', async () => {
    const { committer } = await openFixture()
    const reads = new ReadSet()
    expect(await valueAt(committer, 1, committer.appliedTs)).toBeUndefined()
    reads.addKey(byId, idOf(1))
    const beginTs = committer.appliedTs
    await put(committer, 1, 3)
    expect(() => write(committer, [], { beginTs, reads })).toThrow(CommitConflict)
  })

  test('a transaction older than the write log begins again', async () => {
    const { committer, crash, clock } = await openFixture()
    await (
      await put(committer, 1, 3)
    ).durable
    const { committer: reopened } = await crash()
    expect(() => write(reopened, [insert(2, 2)], { beginTs: 0n })).toThrow(OutOfRetention)
    const beginTs = reopened.appliedTs
    await (
      await put(reopened, 2, 2)
    ).durable
    clock.elapsedMs += 300_001
    await (
      await put(reopened, 3, 2)
    ).durable
    expect(() => write(reopened, [insert(4, 2)], { beginTs })).toThrow(OutOfRetention)
  })
})

describe('a failed append', () => {
  test('discards everything applied behind it and refuses all that follows', async () => {
    const { committer, storage, crash } = await openFixture()
    await (
      await put(committer, 1, 1)
    ).durable
    const { durableTs } = committer
    const published: (readonly Commit[])[] = []
    const invalidations: Ts[] = []
    const reads = new ReadSet()
    reads.addInterval(byValue, everything.from, undefined)
    committer.onPublished((commits) => published.push(commits))
    committer.subscribe(reads, durableTs, (ts) => invalidations.push(ts))

    const held = storage.holdNextAppend()
    storage.failNextAppend(new Error('disk full'))
    const first = await put(committer, 1, 2)
    await held.arrived
    const second = await put(committer, 1, 3)
    const third = await put(committer, 2, 3)
    const reader = committer.whenDurable(third.ts)
    held.release()
    await first.durable
    const failure = await committer.failed
    expect(failure.message).toBe('disk full')
    for (const lost of [second.durable, third.durable, reader]) await expect(lost).rejects.toThrow(CommitterFailed)
    expect(published.flat().map(({ ts }) => ts)).toEqual([first.ts])
    expect(invalidations).toEqual([first.ts])
    expect(committer.durableTs).toBe(first.ts)
    expect(() => write(committer, [insert(3, 3)])).toThrow(CommitterFailed)
    expect(() => committer.snapshot(committer.durableTs)).toThrow(CommitterFailed)
    expect(() => committer.subscribe(reads, first.ts, () => undefined)).toThrow(CommitterFailed)
    await expect(committer.whenDurable(third.ts)).rejects.toMatchObject({ code: 'CommitterFailed', status: 503 })
    await committer.close()

    const { committer: reopened } = await crash()
    expect(reopened.appliedTs).toBe(first.ts)
    expect(await valueAt(reopened, 1, reopened.durableTs)).toBe(2)
    expect(await valueAt(reopened, 2, reopened.durableTs)).toBeUndefined()
    expect((await put(reopened, 2, 5)).ts).toBeGreaterThan(first.ts)
  })

  test('rejects outcomes that nobody waits for without a complaint', async () => {
    const { committer, storage } = await openFixture()
    const complaints: unknown[] = []
    const complain = (error: unknown): void => void complaints.push(error)
    process.on('unhandledRejection', complain)
    try {
      storage.failNextAppend()
      const { ts } = await put(committer, 1, 1)
      void committer.whenDurable(ts)
      await committer.failed
      void committer.whenDurable(ts)
      // Unhandled rejections are reported between two turns of the event loop.
      await new Promise((resolve) => setImmediate(resolve))
      expect(complaints).toEqual([])
    } finally {
      process.off('unhandledRejection', complain)
    }
  })

  test('of unknown outcome is not acknowledged although it may have been written', async () => {
    const { committer, storage, crash } = await openFixture()
    storage.failNextAppendAfterDurable(new Error('answer lost'))
    const { ts, durable } = await put(committer, 1, 1)
    await expect(durable).rejects.toThrow(CommitterFailed)
    expect(committer.durableTs).toBe(0n)
    const { committer: reopened } = await crash()
    expect(reopened.durableTs).toBe(ts)
    expect(await valueAt(reopened, 1, ts)).toBe(1)
  })

  test('because another writer was faster is a failure too', async () => {
    const disk = new MemoryDisk()
    const { committer } = await openFixture({ disk })
    disk.isInUse = false
    const intruder = new MemoryStorage({ disk })
    const head = await intruder.open()
    await intruder.append(head, 'intruder', [{ ts: 5n, source: 'intruder', ...effectsOf([insert(9, 9)]) }])
    const { durable } = await put(committer, 1, 1)
    await expect(durable).rejects.toThrow(CommitterFailed)
    expect((await committer.failed).message).toBe('No one else writes to this deployment.')
    expect(disk.log.map(({ batchId }) => batchId)).toEqual(['intruder'])
  })

  test('ends a read that may have seen what is discarded', async () => {
    const { committer, storage } = await openFixture()
    storage.failNextAppend()
    const read = storage.holdNextRead()
    const { durable } = write(committer, [insert(1, 1)])
    const rows = committer.snapshot(committer.appliedTs).scanDocuments(table, everything, 'asc', 10, 1000)
    await expect(durable).rejects.toThrow(CommitterFailed)
    read.release()
    await expect(rows).rejects.toThrow(CommitterFailed)
  })
})

describe('a crash', () => {
  test('between apply and durable loses only what nobody was told', async () => {
    const { committer, storage, crash } = await openFixture()
    await (
      await put(committer, 1, 1)
    ).durable
    const { durableTs } = committer
    storage.holdNextAppend()
    const lost = await put(committer, 1, 2)
    const reader = committer.whenDurable(committer.appliedTs)
    expect(await isSettled(lost.durable)).toBe(false)
    expect(await isSettled(reader)).toBe(false)

    const { committer: reopened } = await crash()
    expect(reopened.durableTs).toBe(durableTs)
    expect(await valueAt(reopened, 1, durableTs)).toBe(1)
    expect((await put(reopened, 1, 3)).ts).toBeGreaterThan(durableTs)
  })

  test('between durable and the answer keeps the commit, which nobody was told of either', async () => {
    const { committer, storage, crash } = await openFixture()
    const held = storage.holdNextAppendAfterDurable()
    const { ts, durable } = await put(committer, 1, 2)
    await held.arrived
    expect(await isSettled(durable)).toBe(false)
    const { committer: reopened } = await crash()
    expect(reopened.durableTs).toBe(ts)
    expect(await valueAt(reopened, 1, ts)).toBe(2)
  })
})

describe('listeners', () => {
  test('one that throws when a commit is applied stops it from becoming durable', async () => {
    const { committer, crash } = await openFixture()
    committer.onApplied(() => {
      throw new Error('catalog lost track')
    })
    expect(() => write(committer, [insert(1, 1)])).toThrow(CommitterFailed)
    expect((await committer.failed).message).toBe('catalog lost track')
    await committer.close()
    const { committer: reopened } = await crash()
    expect(reopened.durableTs).toBe(0n)
  })

  test('one that throws when commits are published fails the committer, not the commits', async () => {
    const { committer } = await openFixture()
    committer.onPublished(() => {
      throw new Error('cache lost track')
    })
    await write(committer, [insert(1, 1)]).durable
    expect((await committer.failed).message).toBe('cache lost track')
    expect(() => write(committer, [insert(2, 1)])).toThrow(CommitterFailed)
  })
})

describe('the queue', () => {
  const queueLimits = { maxCommits: 2, maxBytes: 1e6, maxBatchCommits: 10, maxBatchBytes: 1e6, retryAfterMs: 25 }

  test('refuses when too many commits wait, and goes on when they are durable', async () => {
    const { committer, storage } = await openFixture({ queueLimits })
    const held = storage.holdNextAppend()
    write(committer, [insert(1, 1)])
    const { durable, ts } = write(committer, [insert(2, 1)])
    const refusal = { code: 'CommitQueueFull', status: 503, retryAfterMs: 25 }
    expect(() => write(committer, [insert(3, 1)])).toThrow(expect.objectContaining(refusal))
    expect(committer.appliedTs).toBe(ts)
    held.release()
    await durable
    await write(committer, [insert(3, 1)]).durable
    expect(await valueAt(committer, 3, committer.durableTs)).toBe(1)
  })

  test('refuses when too many bytes wait', async () => {
    const { committer, storage } = await openFixture({
      queueLimits: { ...queueLimits, maxCommits: 100, maxBytes: 400 },
    })
    const held = storage.holdNextAppend()
    const { durable } = write(
      committer,
      [1, 2, 3].map((number) => insert(number, 1)),
    )
    expect(() => write(committer, [insert(4, 1)])).toThrow(expect.objectContaining({ code: 'CommitQueueFull' }))
    held.release()
    await durable
    await write(committer, [insert(4, 1)]).durable
  })
})

describe('close', () => {
  test('refuses what is new, waits for what is applied, closes the storage', async () => {
    const { committer, storage, disk } = await openFixture()
    const held = storage.holdNextAppend()
    const { durable, ts } = write(committer, [insert(1, 1)])
    await held.arrived
    const closed = committer.close()
    expect(() => write(committer, [insert(2, 1)])).toThrow(CommitterClosed)
    expect(await isSettled(closed)).toBe(false)
    expect(disk.isInUse).toBe(true)
    held.release()
    await closed
    await durable
    await committer.close()
    expect(disk.isInUse).toBe(false)
    expect(disk.head.ts).toBe(ts)
  })

  test('ends although the last append fails', async () => {
    const { committer, storage, disk } = await openFixture()
    storage.failNextAppend()
    const { durable } = write(committer, [insert(1, 1)])
    await committer.close()
    await expect(durable).rejects.toThrow(CommitterFailed)
    expect(disk.isInUse).toBe(false)
  })
})

describe('snapshots', () => {
  test('at durableTs are answered by storage alone: the overlay has forgotten what landed', async () => {
    const { committer, storage } = await openFixture({ readCacheBytes: 0 })
    await (
      await put(committer, 1, 1)
    ).durable
    const read = storage.holdNextRead()
    const answer = committer.snapshot(committer.durableTs).get(table, [idOf(1)])
    expect(await isSettled(answer)).toBe(false)
    read.release()
    expect((await answer).map((document) => document?.text)).toEqual(['{"value":1}'])
  })

  test('do not change while commits land during a read', async () => {
    const { committer, storage } = await openFixture()
    await (
      await put(committer, 1, 1)
    ).durable
    await (
      await put(committer, 2, 2)
    ).durable
    const held = storage.holdNextAppend()
    await put(committer, 1, 3)
    await held.arrived
    const snapshot = committer.snapshot(committer.appliedTs)
    const read = storage.holdNextRead()
    const rows = snapshot.scanIndex(byValue, table, everything, 'asc', 10, 1000)
    held.release()
    await committer.whenDurable(snapshot.ts)
    const later = await put(committer, 2, 0)
    await later.durable
    read.release()
    expect((await rows).rows.map(valueOf)).toEqual([2, 3])
    expect((await snapshot.scanIndex(byValue, table, everything, 'desc', 10, 1000)).rows.map(valueOf)).toEqual([3, 2])
    const newest = committer.snapshot(later.ts)
    expect((await newest.scanIndex(byValue, table, everything, 'asc', 10, 1000)).rows.map(valueOf)).toEqual([0, 3])
  })

  test('count rows and bytes over both storage and overlay', async () => {
    const { committer, storage } = await openFixture()
    for (const number of [1, 3, 5]) await (await put(committer, number, number)).durable
    storage.holdNextAppend()
    await put(committer, 2, 2)
    await put(committer, 4, 4)
    const [third] = await committer.snapshot(committer.appliedTs).get(table, [idOf(3)])
    write(committer, [{ id: idOf(3), before: third, value: null }])
    const snapshot = committer.snapshot(committer.appliedTs)
    const page = await snapshot.scanIndex(byValue, table, valueRange(2, 6), 'asc', 2, 1000)
    expect(page.rows.map(valueOf)).toEqual([2, 4])
    expect(page.exhausted).toBe(false)
    const byBytes = await snapshot.scanDocuments(table, everything, 'desc', 10, documentSize + 1)
    expect(byBytes.rows.map(valueOf)).toEqual([5, 4])
    const rest = await snapshot.scanIndex(byValue, table, valueRange(4, 6), 'asc', 2, 1000)
    expect(rest).toMatchObject({ exhausted: true, rows: [{ size: documentSize }, { size: documentSize }] })
  })

  test('find the document of an entry that appeared without a write of the document', async () => {
    const { committer, storage } = await openFixture()
    await (
      await put(committer, 1, 1)
    ).durable
    storage.holdNextAppend()
    const key = Uint8Array.of(42)
    const build = (): ReturnType<CommitRequest['build']> => ({
      documents: [],
      indexes: [{ index: 3, key, tablet: table, id: idOf(1), present: true }],
      touched: [{ index: 3, key }],
    })
    write(committer, [], { build })
    const page = await committer.snapshot(committer.appliedTs).scanIndex(3, table, everything, 'asc', 5, 1000)
    expect(page.rows).toMatchObject([{ key, id: idOf(1), text: '{"value":1}' }])
  })

  test('older than the history that storage keeps are refused when read', async () => {
    const { committer, storage } = await openFixture()
    const first = await put(committer, 1, 1)
    await first.durable
    await (
      await put(committer, 1, 2)
    ).durable
    await storage.prune({ history: committer.durableTs, log: 0n, tablets: [], indexes: [] }, 100)
    await expect(valueAt(committer, 1, first.ts)).rejects.toMatchObject({ code: 'OutOfRetention', status: 503 })
    expect(await valueAt(committer, 1, committer.durableTs)).toBe(2)
  })

  test('lie at or below what is applied', async () => {
    const { committer } = await openFixture()
    expect(() => committer.snapshot(1n)).toThrow(AssertionError)
  })
})
