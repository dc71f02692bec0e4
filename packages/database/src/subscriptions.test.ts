import { AssertionError } from '@concave/base'
import type { Ts } from '@concave/storage'
import { describe, expect, test } from 'vitest'
import { byId, effectsOf, idOf, openFixture } from './committer-fixture.ts'
import type { Committed, Committer } from './committer.ts'
import { ReadSet } from './read-set.ts'

function insert(committer: Committer, ...numbers: number[]): Committed {
  const changes = numbers.map((number) => ({ id: idOf(number), before: undefined, value: 1 }))
  return committer.commit({
    beginTs: committer.appliedTs,
    reads: new ReadSet(),
    source: 'test',
    build: () => effectsOf(changes),
  })
}

function readsOf(...numbers: number[]): ReadSet {
  const reads = new ReadSet()
  for (const number of numbers) reads.addKey(byId, idOf(number))
  return reads
}

describe('subscriptions', () => {
  test('are told once, of the first durable commit that touches what was read', async () => {
    const { committer, storage } = await openFixture()
    const seen: Ts[] = []
    const subscription = committer.subscribe(readsOf(2, 3), committer.durableTs, (ts) => seen.push(ts))
    await insert(committer, 1).durable
    expect(seen).toEqual([])
    expect(subscription.isValid).toBe(true)

    const held = storage.holdNextAppend()
    const hit = insert(committer, 2)
    await held.arrived
    expect(seen).toEqual([])
    expect(subscription.isValid).toBe(true)
    const second = insert(committer, 3)
    held.release()
    await second.durable
    expect(seen).toEqual([hit.ts])
    expect(subscription.isValid).toBe(false)
    subscription.close()
    expect(subscription.isValid).toBe(false)
  })

  test('are told the first of several commits in one batch', async () => {
    const { committer } = await openFixture()
    const seen: Ts[] = []
    committer.subscribe(readsOf(1, 2), 0n, (ts) => seen.push(ts))
    const first = insert(committer, 1)
    await insert(committer, 2).durable
    expect(seen).toEqual([first.ts])
  })

  test('that begin at a snapshot that was overtaken are told in a microtask', async () => {
    const { committer } = await openFixture()
    const hit = insert(committer, 1)
    await insert(committer, 2).durable
    const seen: Ts[] = []
    const subscription = committer.subscribe(readsOf(1), 0n, (ts) => seen.push(ts))
    expect(subscription.isValid).toBe(false)
    expect(seen).toEqual([])
    await Promise.resolve()
    expect(seen).toEqual([hit.ts])
    expect(committer.subscribe(readsOf(1), hit.ts, () => undefined).isValid).toBe(true)
  })

  test('that begin before the write log are told in a microtask', async () => {
    const { committer, crash } = await openFixture()
    await insert(committer, 1).durable
    const { committer: reopened } = await crash()
    const seen: Ts[] = []
    expect(reopened.subscribe(readsOf(9), 0n, (ts) => seen.push(ts)).isValid).toBe(false)
    await Promise.resolve()
    expect(seen).toEqual([reopened.durableTs])
  })

  test('that begin between an applied commit and its publication do not miss it', async () => {
    const { committer, storage } = await openFixture()
    const held = storage.holdNextAppend()
    const hit = insert(committer, 1)
    await held.arrived
    const seen: Ts[] = []
    const subscription = committer.subscribe(readsOf(1), committer.durableTs, (ts) => seen.push(ts))
    expect(subscription.isValid).toBe(true)
    expect(() => committer.subscribe(readsOf(1), committer.appliedTs, () => undefined)).toThrow(AssertionError)
    held.release()
    await hit.durable
    expect(seen).toEqual([hit.ts])
  })

  test('that are closed are not told, not even by the batch that hit them', async () => {
    const { committer } = await openFixture()
    const seen: string[] = []
    const closed = committer.subscribe(readsOf(1), 0n, () => seen.push('closed before'))
    closed.close()
    closed.close()
    const overtaken = committer.subscribe(readsOf(1), 0n, () => {
      seen.push('first')
      victim.close()
    })
    const victim = committer.subscribe(readsOf(1), 0n, () => seen.push('victim'))
    await insert(committer, 1).durable
    expect(seen).toEqual(['first'])
    expect([closed, overtaken, victim].map(({ isValid }) => isValid)).toEqual([false, false, false])
    committer.subscribe(readsOf(1), 0n, () => seen.push('late')).close()
    await Promise.resolve()
    expect(seen).toEqual(['first'])
  })

  test('meet no other that looks valid and is not, and see the new time', async () => {
    const { committer } = await openFixture()
    const seen: [boolean, boolean, boolean][] = []
    const last = insert(committer, 9)
    await last.durable
    const report = (): void => {
      seen.push([first.isValid, second.isValid, committer.durableTs === committer.appliedTs])
    }
    const first = committer.subscribe(readsOf(1), committer.durableTs, report)
    const second = committer.subscribe(readsOf(2), committer.durableTs, report)
    insert(committer, 1)
    await insert(committer, 2).durable
    expect(seen).toEqual([
      [false, false, true],
      [false, false, true],
    ])
  })

  test('may be renewed within their own callback', async () => {
    const { committer } = await openFixture()
    const seen: Ts[] = []
    const renew = (ts: Ts): void => {
      seen.push(ts)
      if (seen.length < 3) committer.subscribe(readsOf(seen.length + 1), committer.durableTs, renew)
    }
    committer.subscribe(readsOf(1), 0n, renew)
    const commits: Committed[] = []
    for (const number of [1, 2, 3]) {
      commits.push(insert(committer, number))
      await commits.at(-1)?.durable
    }
    expect(seen).toEqual(commits.map(({ ts }) => ts))
  })

  test('whose callback throws fail the committer, because an invalidation was lost', async () => {
    const { committer } = await openFixture()
    committer.subscribe(readsOf(1), 0n, () => {
      throw new Error('session lost track')
    })
    await insert(committer, 1).durable
    expect((await committer.failed).message).toBe('session lost track')
  })
})
