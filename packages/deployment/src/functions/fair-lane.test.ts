import { createDeferred, systemClock } from '@concave/base'
import { expect, test } from 'vitest'
import { FairLane } from './fair-lane.ts'

const options = { clock: systemClock, patienceMs: 5, maxParallel: 2, maxWaiting: 3, maxUpcoming: 2 }

test('runs one call at a time and takes clients in turn', async () => {
  const lane = new FairLane({ ...options, patienceMs: 60_000, maxWaiting: 10 })
  const order: string[] = []
  const gate = createDeferred<void>()
  const calls = [
    lane.run('a', false, async () => {
      await gate.promise
      order.push('a1')
    }),
    ...['a2', 'a3', 'a4', 'a5', 'b1', 'b2'].map((name) =>
      lane.run(name.slice(0, 1), false, async () => void order.push(name)),
    ),
  ]
  expect(order).toEqual([])
  gate.resolve()
  await Promise.all(calls)
  // The order of the next two is settled when they come.
  expect(order).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'a5', 'b2'])
})

test('lets the next call start beside one that has held the lane too long', async () => {
  const lane = new FairLane(options)
  const gate = createDeferred<void>()
  const order: string[] = []
  const slow = lane.run('a', false, async () => {
    await gate.promise
    order.push('slow')
  })
  await lane.run('b', false, async () => void order.push('beside'))
  gate.resolve()
  await slow
  expect(order).toEqual(['beside', 'slow'])
})

test('an exclusive call waits for a slow one and keeps others out', async () => {
  const lane = new FairLane(options)
  const order: string[] = []
  const slowGate = createDeferred<void>()
  const exclusiveGate = createDeferred<void>()
  const started = createDeferred<void>()
  const slow = lane.run('a', false, async () => {
    await slowGate.promise
    order.push('slow')
  })
  const exclusive = lane.run('b', true, async () => {
    started.resolve()
    await exclusiveGate.promise
    order.push('exclusive')
  })
  const last = lane.run('c', false, async () => void order.push('last'))
  slowGate.resolve()
  await started.promise
  exclusiveGate.resolve()
  await Promise.all([slow, exclusive, last])
  expect(order).toEqual(['slow', 'exclusive', 'last'])
})

test('refuses a call by name when the lane is full', async () => {
  const lane = new FairLane({ clock: systemClock, patienceMs: 60_000, maxParallel: 1, maxWaiting: 1, maxUpcoming: 1 })
  const gate = createDeferred<void>()
  const first = lane.run('a', false, () => gate.promise)
  const second = lane.run('a', false, async () => {})
  await expect(lane.run('b', false, async () => {})).rejects.toMatchObject({ code: 'TooManyConcurrentRequests' })
  gate.resolve()
  await Promise.all([first, second])
})

test('those whose turns come next prepare, in order, up to the first that cannot', async () => {
  const lane = new FairLane({ ...options, patienceMs: 60_000, maxWaiting: 10, maxUpcoming: 3 })
  const gate = createDeferred<void>()
  const prepared: string[] = []
  let mayPrepare = false
  const calls = [lane.run('a', false, () => gate.promise)]
  for (const name of ['b', 'c', 'd', 'e']) {
    const prepare = (): boolean => {
      if (mayPrepare) prepared.push(name)
      return mayPrepare && name !== 'c'
    }
    calls.push(lane.run(name, false, async () => {}, prepare))
  }
  expect(prepared).toEqual([])
  mayPrepare = true
  lane.prepareUpcoming()
  expect(prepared).toEqual(['b', 'c'])
  gate.resolve()
  await Promise.all(calls)
  expect(prepared).toEqual(['b', 'c', 'c', 'd', 'e', 'e'])
})
