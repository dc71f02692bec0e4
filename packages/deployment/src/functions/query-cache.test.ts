import { ReadSet, type Subscription } from '@concave/database'
import { expect, test } from 'vitest'
import { QueryCache, SharedResult } from './query-cache.ts'

/** A database that says when results are no longer right. */
class Watch {
  readonly open = new Set<() => void>()
  readonly subscribe = (_reads: ReadSet, _at: bigint, onInvalidated: () => void): Subscription => {
    const listener = (): void => {
      this.open.delete(listener)
      onInvalidated()
    }
    this.open.add(listener)
    const isOpen = (): boolean => this.open.has(listener)
    return {
      get isValid() {
        return isOpen()
      },
      close: () => void this.open.delete(listener),
    }
  }
  invalidate(): void {
    for (const listener of this.open) listener()
  }
}

let nowMs = 0
const clock = { nowMs: () => nowMs, nowNs: () => 0n, monotonicMs: () => nowMs }
const openCache = (maxBytes = 1_000_000) => new QueryCache({ clock, maxBytes, timeDependentMs: 17_000 })

function result(
  watch: Watch,
  options: { ts?: bigint; dependsOnTime?: boolean; valueText?: string } = {},
): SharedResult {
  return new SharedResult({
    outcome: { kind: 'success', valueText: options.valueText ?? '1', logLines: [] },
    journal: null,
    ts: options.ts ?? 10n,
    reads: new ReadSet(),
    finishedAtMs: nowMs,
    dependsOnTime: options.dependsOnTime ?? false,
    openSubscription: watch.subscribe,
  })
}

test('serves a result at later timestamps until it is invalidated, never at earlier ones', () => {
  const watch = new Watch()
  const cache = openCache()
  const cached = result(watch)
  cache.put('q', cached)
  expect(cache.find('q', 9n)).toBeUndefined()
  expect(cache.find('q', 99n)).toBe(cached)
  watch.invalidate()
  expect(cache.find('q', 99n)).toBeUndefined()
})

test('a result that depends on the time gets old', () => {
  const cache = openCache()
  cache.put('q', result(new Watch(), { dependsOnTime: true }))
  nowMs += 17_000
  expect(cache.find('q', 10n)).toBeDefined()
  nowMs += 1
  expect(cache.find('q', 10n)).toBeUndefined()
})

test('is bounded in bytes: the least recently used goes first', () => {
  const cache = openCache(3000)
  const watch = new Watch()
  for (const key of ['a', 'b']) cache.put(key, result(watch, { valueText: 'x'.repeat(400) }))
  expect(cache.find('a', 10n)).toBeDefined()
  cache.put('c', result(watch, { valueText: 'x'.repeat(400) }))
  expect(cache.find('b', 10n)).toBeUndefined()
  expect(cache.find('a', 10n)).toBeDefined()
  expect(watch.open.size).toBe(2)
})

test('watches the database only while somebody holds the result, and tells each listener once', () => {
  const watch = new Watch()
  const shared = result(watch)
  expect(watch.open.size).toBe(0)
  const heard: string[] = []
  const first = shared.subscribe(() => heard.push('first'))
  const second = shared.subscribe(() => heard.push('second'))
  expect([first.isValid, second.isValid, watch.open.size]).toEqual([true, true, 1])
  first.close()
  watch.invalidate()
  expect(heard).toEqual(['second'])
  expect(second.isValid).toBe(false)
  second.close()
  expect(watch.open.size).toBe(0)
})
