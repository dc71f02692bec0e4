import { type Clock, createDeferred, createLog } from '@concave/base'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Executor } from './executor.ts'
import { RunnerPool } from './runner-pool.ts'
import { sampleCode, sampleRequest } from './testing/sample-code.ts'
import { ScriptedHost } from './testing/scripted-host.ts'
import type { Timers } from './timers.ts'

const log = createLog({ level: 'error' })
let pool: RunnerPool

beforeAll(async () => {
  pool = await RunnerPool.start({ log })
})

afterAll(() => pool.close())

const code = sampleCode({
  'a.js': `
    export const waits = mutation(({ n }) => call('1.0/get', { n }))
    export const quick = mutation(({ n }) => n)`,
})

/** A host whose `get` answers when the test says so. */
function createGate(): { host: ScriptedHost; entered: Promise<void>; open: () => void } {
  const entered = createDeferred<void>()
  const gate = createDeferred<void>()
  const host = new ScriptedHost({
    answers: {
      '1.0/get': async ({ n }) => {
        entered.resolve()
        await gate.promise
        return n
      },
    },
  })
  return { host, entered: entered.promise, open: () => gate.resolve() }
}

function request(name: string, n: number): ReturnType<typeof sampleRequest> {
  return sampleRequest(code, name, { udfType: 'mutation', args: { n } })
}

test('mutations run one after another, in order', async () => {
  await using executor = new Executor({ pool, log, maxRunnersPerLane: 1 })
  const ended: number[] = []
  const gate = createGate()
  const first = executor.execute(request('waits', 1), gate.host).then(() => ended.push(1))
  await gate.entered
  const others = [2, 3].map((n) => executor.execute(request('quick', n), new ScriptedHost()).then(() => ended.push(n)))
  gate.open()
  await Promise.all([first, ...others])
  expect(ended).toEqual([1, 2, 3])
})

test('a call that takes long lets those behind it go to a further runner', async () => {
  await using executor = new Executor({ pool, log, maxRunnersPerLane: 2 })
  const gate = createGate()
  const slow = executor.execute(request('waits', 1), gate.host)
  await gate.entered
  // Settles only if it did not have to wait for the first.
  expect(await executor.execute(request('quick', 2), new ScriptedHost())).toMatchObject({ resultText: '2' })
  gate.open()
  expect(await slow).toMatchObject({ resultText: '1' })
})

test('a full queue refuses', async () => {
  await using executor = new Executor({ pool, log, maxRunnersPerLane: 1, maxQueuedPerLane: 2 })
  const gate = createGate()
  const first = executor.execute(request('waits', 1), gate.host)
  await gate.entered
  const queued = [2, 3].map((n) => executor.execute(request('quick', n), new ScriptedHost()))
  await expect(executor.execute(request('quick', 4), new ScriptedHost())).rejects.toMatchObject({
    status: 503,
    code: 'TooManyConcurrentRequests',
  })
  gate.open()
  await Promise.all([first, ...queued])
})

/** A clock and timers that stand still until the test moves them. */
function createStillTime(): { clock: Clock; timers: Timers; advance: (ms: number) => void } {
  const pending: (() => void)[] = []
  let nowMs = 0
  return {
    clock: { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n, monotonicMs: () => nowMs },
    timers: {
      after: (_delayMs, task) => {
        pending.push(task)
        return () => pending.splice(pending.indexOf(task), 1)
      },
    },
    advance: (ms) => {
      nowMs += ms
      for (const task of pending.splice(0)) task()
    },
  }
}

test('a host that does not answer ends the call, and the lane goes on', async () => {
  const { clock, timers, advance } = createStillTime()
  await using executor = new Executor({ pool, log, clock, timers, maxRunnersPerLane: 1 })
  const gate = createGate()
  const stuck = executor.execute(request('waits', 1), gate.host)
  const outcome = Promise.allSettled([stuck])
  await gate.entered
  advance(14_000)
  advance(2_000)
  expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'SystemTimeoutError' } }])
  expect(await executor.execute(request('quick', 2), new ScriptedHost())).toMatchObject({ resultText: '2' })
})

test('runners are given up after a while without calls, and taken again', async () => {
  const { clock, timers, advance } = createStillTime()
  await using executor = new Executor({ pool, log, clock, timers, idleTimeoutMs: 1_000 })
  const counting = sampleCode({ 'a.js': 'let n = 0\nexport const count = mutation(() => ++n)' }, 'optIn')
  const count = async (): Promise<unknown> => {
    const outcome = await executor.execute(
      sampleRequest(counting, 'count', { udfType: 'mutation' }),
      new ScriptedHost(),
    )
    return outcome.kind === 'success' && outcome.resultText
  }
  // The app's own wish for reuse shows which process answers.
  expect([await count(), await count()]).toEqual(['1', '2'])
  advance(2_000)
  expect(await count()).toBe('1')
})

test('closing refuses calls that wait and ends those that run', async () => {
  const executor = new Executor({ pool, log, maxRunnersPerLane: 1 })
  const gate = createGate()
  const running = executor.execute(request('waits', 1), gate.host)
  await gate.entered
  const waiting = executor.execute(request('quick', 2), new ScriptedHost())
  const outcomes = Promise.allSettled([running, waiting])
  await executor.close()
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ExecutorClosed' } })
  }
})
