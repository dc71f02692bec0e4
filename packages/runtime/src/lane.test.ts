import { type Clock, createDeferred, createLog } from '@concave/base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Executor } from './executor.ts'
import type { SentCall } from './lane.ts'
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

/** A host with one account; `get` waits for the test if `gate` is given. */
function openAccount(account: { balance: number }, gate?: Promise<void>): ScriptedHost {
  const before = account.balance
  const host = new ScriptedHost({
    answers: {
      '1.0/get': async () => {
        await gate
        return { _id: 'a1', balance: account.balance }
      },
      '1.0/shallowMerge': ({ value }) => Object.assign(account, value),
    },
  })
  host.restart = async () => {
    host.events.push('restart')
    account.balance = before
  }
  return host
}

const spending = sampleCode({
  'a.js': `
    export const spend = mutation(async ({ by }) => {
      const { balance } = await call('1.0/get', { id: 'a1' })
      await call('1.0/shallowMerge', { id: 'a1', value: { balance: balance - by } })
      return balance
    })
    export const spin = mutation(() => { for (;;); })`,
})
const spend = (by: number): ReturnType<typeof sampleRequest> =>
  sampleRequest(spending, 'spend', { udfType: 'mutation', args: { by } })

/** One whose first call finds a runner. */
async function openExecutor(): Promise<Executor> {
  const executor = new Executor({ pool, log })
  await executor.warm()
  return executor
}

/** Sends `requests` while a call that spends 1 of 100 runs, and lets that end. */
async function sendBehind(
  executor: Executor,
  account: { balance: number },
  requests: readonly ReturnType<typeof sampleRequest>[],
): Promise<readonly (SentCall | undefined)[]> {
  const gate = createDeferred<void>()
  const first = executor.execute(spend(1), openAccount(account, gate.promise))
  const sent = requests.map((request) => executor.sendAhead(request, () => request))
  expect(sent.map((one) => one?.isUsable())).toEqual(requests.map(() => true))
  gate.resolve()
  expect(await first).toMatchObject({ resultText: '100' })
  return sent
}

describe('calls sent before their turns', () => {
  test('need no more waiting when their turns come, and see what those before them wrote', async () => {
    const account = { balance: 100 }
    await using executor = await openExecutor()
    const sent = await sendBehind(executor, account, [spend(2), spend(3), spend(4)])
    for (const [position, balance] of [99, 97, 94].entries()) {
      const host = openAccount(account)
      const outcome = await executor.execute(spend(position + 2), host, sent[position])
      expect(outcome).toMatchObject({ resultText: String(balance) })
      expect(host.events).toEqual(['1.0/get', '1.0/shallowMerge'])
    }
    expect(account.balance).toBe(90)
  })

  test('run again when something else was written before their turns', async () => {
    const account = { balance: 100 }
    await using executor = await openExecutor()
    const sent = await sendBehind(executor, account, [spend(2), spend(3)])
    account.balance = 50
    const host = openAccount(account)
    expect(await executor.execute(spend(2), host, sent[0])).toMatchObject({ resultText: '50' })
    expect(host.events).toEqual(['1.0/get', 'restart', '1.0/get', '1.0/shallowMerge'])
    // The one behind it was given up with it, and is run as if it had not been sent.
    expect(sent[1]?.isUsable()).toBe(false)
    expect(await executor.execute(spend(3), openAccount(account), sent[1])).toMatchObject({ resultText: '48' })
    expect(await executor.execute(spend(4), openAccount(account))).toMatchObject({ resultText: '45' })
    expect(account.balance).toBe(41)
  })

  test('are given up if another call has its turn first, and what they would have written is forgotten', async () => {
    const account = { balance: 100 }
    await using executor = await openExecutor()
    const sent = await sendBehind(executor, account, [spend(2), spend(3)])
    sent[0]?.cancel()
    const outcome = await executor.execute(spend(3), openAccount(account), sent[1])
    expect(outcome).toMatchObject({ resultText: '99' })
    const host = openAccount(account)
    expect(await executor.execute(spend(4), host)).toMatchObject({ resultText: '96' })
    expect(host.events).not.toContain('restart')
    expect(account.balance).toBe(92)
  })

  test('are not lost when one of them has to be killed', async () => {
    const account = { balance: 100 }
    await using executor = await openExecutor()
    const spinning = sampleRequest(spending, 'spin', { udfType: 'mutation' })
    const [spin, behind] = await sendBehind(executor, account, [spinning, spend(2)])
    const spun = await executor.execute(spinning, openAccount(account), spin)
    expect(spun).toMatchObject({ kind: 'userError', message: expect.stringContaining('timed out') })
    expect(await executor.execute(spend(2), openAccount(account), behind)).toMatchObject({ resultText: '99' })
  })

  test('are not sent when no call runs', async () => {
    await using executor = await openExecutor()
    const account = { balance: 100 }
    expect(executor.sendAhead(spend(1), () => spend(1))).toBeUndefined()
    await executor.execute(spend(1), openAccount(account))
    expect(executor.sendAhead(spend(1), () => spend(1))).toBeUndefined()
  })
})
