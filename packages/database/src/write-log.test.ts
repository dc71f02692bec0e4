import { AssertionError } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from './committer-fixture.ts'
import { ReadSet } from './read-set.ts'
import { WriteLog } from './write-log.ts'

const limits = { minRetentionMs: 30_000, maxRetentionMs: 300_000, softMaxBytes: 50_000, maxBytes: 100_000 }

function touch(ts: bigint, ...keys: number[]): Parameters<WriteLog['append']>[0] {
  return { ts, source: `job ${ts}`, touched: keys.map((key) => ({ index: 1, key: Uint8Array.of(key) })) }
}

function readsOf(...keys: number[]): ReadSet {
  const reads = new ReadSet()
  for (const key of keys) reads.addKey(1, Uint8Array.of(key))
  return reads
}

describe('WriteLog', () => {
  test('finds the first commit after the begin that touched a key read', () => {
    const writeLog = new WriteLog({ clock: new ManualClock(), startTs: 0n })
    for (const commit of [touch(1n, 7), touch(3n, 8), touch(5n, 9, 7), touch(6n, 7)]) writeLog.append(commit)
    expect(writeLog.findConflict(readsOf(7), 1n, 6n)).toEqual({
      index: 1,
      key: Uint8Array.of(7),
      source: 'job 5',
      ts: 5n,
    })
    expect(writeLog.findConflict(readsOf(7), 1n, 4n)).toBeUndefined()
    expect(writeLog.findConflict(readsOf(7), 6n, 6n)).toBeUndefined()
    expect(writeLog.findConflict(readsOf(6), 0n, 6n)).toBeUndefined()
  })

  test('agrees with a scan of all commits, also after some were forgotten', () => {
    const commits = fc.array(
      fc.array(fc.record({ index: fc.integer({ min: 1, max: 3 }), key: fc.uint8Array({ maxLength: 1, max: 5 }) })),
    )
    const reads = fc.array(fc.record({ index: fc.integer({ min: 1, max: 3 }), from: fc.nat(5), length: fc.nat(2) }))
    fc.assert(
      fc.property(commits, reads, fc.nat(12), fc.nat(12), fc.nat(12), (touches, intervals, forgotten, begin, end) => {
        const clock = new ManualClock()
        const writeLog = new WriteLog({ clock, startTs: 0n, limits })
        for (const [position, touched] of touches.entries()) {
          writeLog.append({ ts: BigInt(position + 1), source: '', touched })
        }
        clock.elapsedMs = 300_001
        writeLog.trim(BigInt(forgotten))
        const after = begin > Number(writeLog.startTs) ? begin : Number(writeLog.startTs)
        const readSet = new ReadSet()
        for (const { index, from, length } of intervals) {
          readSet.addInterval(index, Uint8Array.of(from), Uint8Array.of(from + length))
        }
        const expected = touches.findIndex(
          (touched, position) =>
            position + 1 > after &&
            position + 1 <= end &&
            touched.some(({ index, key }) => readSet.overlaps(index, key)),
        )
        const conflict = writeLog.findConflict(readSet, BigInt(after), BigInt(end))
        expect(conflict?.ts).toBe(expected === -1 ? undefined : BigInt(expected + 1))
      }),
    )
  })

  test('keeps 30 s above the soft limit, 300 s below it, and nothing that is not durable', () => {
    const clock = new ManualClock()
    const writeLog = new WriteLog({ clock, startTs: 0n, limits })
    writeLog.append(touch(1n, 1))
    clock.elapsedMs = 300_000
    writeLog.trim(1n)
    expect(writeLog.startTs).toBe(0n)
    clock.elapsedMs = 300_001
    writeLog.trim(0n)
    expect(writeLog.startTs).toBe(0n)
    writeLog.trim(1n)
    expect(writeLog.startTs).toBe(1n)
    expect(writeLog.sizeBytes).toBe(0)

    for (let ts = 2n; ts < 402n; ts += 1n) writeLog.append(touch(ts, 1))
    expect(writeLog.sizeBytes).toBeGreaterThan(limits.softMaxBytes)
    clock.elapsedMs += 29_999
    writeLog.trim(500n)
    expect(writeLog.startTs).toBe(1n)
    clock.elapsedMs += 1
    writeLog.trim(500n)
    expect(writeLog.startTs).toBeGreaterThan(1n)
    expect(writeLog.sizeBytes).toBeLessThanOrEqual(limits.softMaxBytes)
  })

  test('forgets even what is young above its hard limit', () => {
    const writeLog = new WriteLog({ clock: new ManualClock(), startTs: 0n, limits })
    for (let ts = 1n; ts < 1000n; ts += 1n) writeLog.append(touch(ts, 1))
    writeLog.trim(1000n)
    expect(writeLog.sizeBytes).toBeLessThanOrEqual(limits.maxBytes)
    expect(writeLog.startTs).toBeGreaterThan(0n)
  })

  test('does not answer for times it has forgotten', () => {
    const writeLog = new WriteLog({ clock: new ManualClock(), startTs: 5n })
    expect(() => writeLog.findConflict(readsOf(1), 4n, 5n)).toThrow(AssertionError)
    expect(() => writeLog.append(touch(5n, 1))).toThrow(AssertionError)
  })
})
