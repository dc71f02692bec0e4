import { createDeferred } from '@concave/base'
import { expect, test } from 'vitest'
import { FairLane } from './fair-lane.ts'

const options = { patienceMs: 5, maxParallel: 2, maxWaiting: 3 }

test('runs one call at a time and takes clients in turn', async () => {
  const lane = new FairLane({ ...options, patienceMs: 60_000 })
  const order: string[] = []
  const gate = createDeferred<void>()
  const calls = [
    lane.run('a', false, async () => {
      await gate.promise
      order.push('a1')
    }),
    lane.run('a', false, async () => void order.push('a2')),
    lane.run('a', false, async () => void order.push('a3')),
    lane.run('b', false, async () => void order.push('b1')),
  ]
  expect(order).toEqual([])
  gate.resolve()
  await Promise.all(calls)
  expect(order).toEqual(['a1', 'a2', 'b1', 'a3'])
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
  const lane = new FairLane({ patienceMs: 60_000, maxParallel: 1, maxWaiting: 1 })
  const gate = createDeferred<void>()
  const first = lane.run('a', false, () => gate.promise)
  const second = lane.run('a', false, async () => {})
  await expect(lane.run('b', false, async () => {})).rejects.toMatchObject({ code: 'TooManyConcurrentRequests' })
  gate.resolve()
  await Promise.all([first, second])
})
