import { createDeferred, Overloaded } from '@concave/base'
import { parseFunctionPath } from '@concave/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FunctionError } from '../functions/function-error.ts'
import { type CronDefinition, cronJobs, cronNextRuns, cronRuns, replaceCronJobs } from './cron-jobs.ts'
import { cancelJob, scheduledJobs, toTs } from './scheduled-jobs.ts'
import { conflict, type Fixture, openFixture, startMs, waitOptions } from './scheduler-fixture.ts'
import { schedulerLimits } from './scheduler-limits.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await openFixture()
})
afterEach(async () => await fixture.close())

const asleep = async (): Promise<void> =>
  await vi.waitFor(() => {
    if (fixture.scheduler.isBusy) throw new Error('The scheduler is busy.')
  }, waitOptions)
const day = 86_400_000

describe('what is due', () => {
  test('runs in order of its time, and nothing before its time', async () => {
    const order: string[] = []
    fixture.mutations['work'] = async (_tx, { origin }) => {
      order.push(origin?.kind === 'scheduler' ? origin.job.id : '')
    }
    const late = await fixture.schedule('work', { delayMs: 30_000 })
    const early = await fixture.schedule('work', { delayMs: 10_000 })
    await asleep()
    fixture.advance(9999)
    await asleep()
    expect(order).toEqual([])
    fixture.advance(1)
    await fixture.reached(early, 'success')
    await asleep()
    expect((await fixture.job(late))?.state).toEqual({ type: 'pending' })
    fixture.advance(20_000)
    await fixture.reached(late, 'success')
    expect(order).toEqual([early, late])
  })

  test('is waited for with one alarm per queue, however much is pending', async () => {
    for (let hours = 1; hours <= 300; hours += 1) await fixture.schedule('touch', { delayMs: hours * 20_000 })
    await asleep()
    // The other alarm is that of the clean-up.
    expect(fixture.alarms()).toEqual([startMs + 20_000, startMs + schedulerLimits.cleanupIntervalMs])
  })

  test('runs side by side up to a limit', async () => {
    const gate = createDeferred<void>()
    let running = 0
    let most = 0
    fixture.actions['act'] = async () => {
      running += 1
      most = Math.max(most, running)
      await gate.promise
      running -= 1
    }
    const ids: string[] = []
    for (let count = 0; count < schedulerLimits.maxRunning + 10; count += 1) ids.push(await fixture.schedule('act'))
    await vi.waitFor(() => expect(running).toBe(schedulerLimits.maxRunning), waitOptions)
    gate.resolve()
    for (const id of ids) await fixture.reached(id, 'success')
    expect(most).toBe(schedulerLimits.maxRunning)
  })

  test('is known as a time to wake up, also when it is past', async () => {
    expect(await fixture.scheduler.readNextDueMs()).toBe(undefined)
    await fixture.schedule('touch', { delayMs: 50_000 })
    await fixture.schedule('touch', { delayMs: 20_000 })
    expect(await fixture.scheduler.readNextDueMs()).toBe(startMs + 20_000)
    await fixture.scheduler.stop()
    fixture.advance(30_000)
    expect(await fixture.scheduler.readNextDueMs()).toBe(startMs + 20_000)
  })
})

describe('a mutation', () => {
  test('and its state are one commit, and the error of one is kept', async () => {
    const seen: unknown[] = []
    fixture.mutations['work'] = async (tx, { origin }) => {
      if (origin?.kind !== 'scheduler') throw new Error('This is not run by the scheduler.')
      seen.push((await scheduledJobs.get(tx, origin.job.id))?.state.type)
      if (seen.length === 2) throw new FunctionError('Uncaught Error: no')
    }
    const good = await fixture.schedule('work')
    expect(await fixture.reached(good, 'success')).toMatchObject({ completedTs: toTs(startMs) })
    const bad = await fixture.schedule('work')
    expect((await fixture.reached(bad, 'failed')).state).toEqual({ type: 'failed', error: 'Uncaught Error: no' })
    expect(seen).toEqual(['inProgress', 'inProgress'])
  })

  test.each([
    ['conflicts', () => conflict(), [100, 200, 400]],
    ['the system fails', () => new Error('The disk is on fire.'), [500, 1000, 2000]],
  ])('runs again when %s, later each time', async (_when, createError, delaysMs) => {
    let attempts = 0
    fixture.mutations['work'] = async () => {
      attempts += 1
      if (attempts <= delaysMs.length) throw createError()
    }
    const id = await fixture.schedule('work')
    for (const [position, delayMs] of delaysMs.entries()) {
      const atMs = fixture.clock.nowMs()
      const job = await vi.waitFor(async () => {
        const found = await fixture.job(id)
        expect(found?.attempts).toBe(position + 1)
        return found
      }, waitOptions)
      expect(job?.nextTs).toBe(toTs(atMs + delayMs))
      await asleep()
      fixture.advance(delayMs)
    }
    expect(await fixture.reached(id, 'success')).toMatchObject({ originalScheduledTs: toTs(startMs) })
    expect(attempts).toBe(delaysMs.length + 1)
  })

  test('waits, as it is, while the deployment is overloaded', async () => {
    let attempts = 0
    fixture.mutations['work'] = async () => {
      attempts += 1
      if (attempts === 1) throw new Overloaded('TooManyConcurrentRequests', 'Too many concurrent requests.', 1000)
    }
    const id = await fixture.schedule('work')
    await vi.waitFor(() => expect(fixture.alarms()).toContain(startMs + 1000), waitOptions)
    expect(await fixture.job(id)).toMatchObject({ state: { type: 'pending' }, nextTs: toTs(startMs) })
    fixture.advance(1000)
    await fixture.reached(id, 'success')
    expect(attempts).toBe(2)
  })

  test('that was canceled while it waited for its turn does not run', async () => {
    const gate = createDeferred<void>()
    let runs = 0
    fixture.mutations['work'] = async (_tx, { origin }) => {
      if (origin?.kind !== 'scheduler') throw new Error('This is not run by the scheduler.')
      runs += 1
      await fixture.database.mutate('test', (other) => cancelJob(other, origin.job.id, startMs))
      gate.resolve()
    }
    const id = await fixture.schedule('work')
    await gate.promise
    await fixture.reached(id, 'canceled')
    await vi.waitFor(async () => {
      await asleep()
      expect((await fixture.job(id))?.nextTs).toBe(undefined)
    }, waitOptions)
    // Its commit met the cancellation, so nothing of it stayed, and it was not started again.
    expect(runs).toBe(1)
    expect((await fixture.job(id))?.state).toEqual({ type: 'canceled' })
  })
})

describe('an action', () => {
  test('is recorded as running before it starts, and its outcome afterwards', async () => {
    const states: unknown[] = []
    fixture.actions['act'] = async ({ origin, requestId }) => {
      if (origin?.kind !== 'scheduler') throw new Error('This is not run by the scheduler.')
      const state = (await fixture.job(origin.job.id))?.state
      states.push(state)
      expect(state).toEqual({ type: 'inProgress', requestId, executionId: expect.any(String) })
      if (states.length === 2) throw new FunctionError('Uncaught Error: no')
    }
    await fixture.reached(await fixture.schedule('act'), 'success')
    const bad = await fixture.reached(await fixture.schedule('act'), 'failed')
    expect(bad.state).toEqual({ type: 'failed', error: 'Uncaught Error: no' })
    expect(states).toHaveLength(2)
  })

  test('of which the system lost track has failed, and never runs again', async () => {
    let runs = 0
    fixture.actions['act'] = async () => {
      runs += 1
      throw new Error('The process was killed.')
    }
    const job = await fixture.reached(await fixture.schedule('act'), 'failed')
    expect(job.state).toEqual({ type: 'failed', error: 'Transient error while executing action' })
    expect(runs).toBe(1)
  })

  test('that ran when the deployment ended has failed when it opens again', async () => {
    const started = createDeferred<void>()
    const gate = createDeferred<void>()
    fixture.actions['act'] = async () => {
      started.resolve()
      await gate.promise
    }
    const id = await fixture.schedule('act')
    await started.promise
    await fixture.restart()
    const job = await fixture.reached(id, 'failed')
    expect(job.state).toEqual({ type: 'failed', error: 'Transient error while executing action' })
    // What the old process still says does not count.
    gate.resolve()
    await fixture.schedule('touch')
    await asleep()
    expect(await fixture.job(id)).toEqual(job)
  })

  test('that is canceled goes on, and what it schedules from then on is canceled', async () => {
    const started = createDeferred<void>()
    const gate = createDeferred<void>()
    let child = ''
    fixture.actions['act'] = async ({ origin }) => {
      if (origin?.kind !== 'scheduler') throw new Error('This is not run by the scheduler.')
      started.resolve()
      await gate.promise
      child = await fixture.schedule('touch', { parentJob: origin.job })
    }
    const id = await fixture.schedule('act')
    await started.promise
    await fixture.database.mutate('test', (tx) => cancelJob(tx, id, startMs))
    gate.resolve()
    await asleep()
    await vi.waitFor(() => expect(child).not.toBe(''), waitOptions)
    expect((await fixture.job(id))?.state).toEqual({ type: 'canceled' })
    expect(await fixture.job(child)).toMatchObject({ state: { type: 'canceled' }, completedTs: toTs(startMs) })
  })
})

test('a query cannot be run', async () => {
  const job = await fixture.reached(await fixture.schedule('look'), 'failed')
  expect(job.state).toMatchObject({ error: expect.stringMatching(/^Unsupported function type/) })
})

test('finished jobs are forgotten after a week, others never', async () => {
  const done = await fixture.schedule('touch')
  const pending = await fixture.schedule('touch', { delayMs: 30 * day })
  await fixture.reached(done, 'success')
  await asleep()
  fixture.advance(7 * day)
  const nextCleanup = startMs + 7 * day + schedulerLimits.cleanupIntervalMs
  await vi.waitFor(() => expect(fixture.alarms()).toContain(nextCleanup), waitOptions)
  expect(await fixture.job(done)).not.toBe(null)
  fixture.advance(schedulerLimits.cleanupIntervalMs)
  await vi.waitFor(async () => expect(await fixture.job(done)).toBe(null), waitOptions)
  expect((await fixture.job(pending))?.state).toEqual({ type: 'pending' })
})

describe('a cron job', () => {
  const define = (name: string, target: string, seconds = 10n): CronDefinition => ({
    name,
    path: parseFunctionPath(`m:${target}`),
    args: '{}',
    schedule: { type: 'interval', seconds },
  })
  const push = async (...definitions: readonly CronDefinition[]): Promise<unknown> => {
    const options = { nowMs: fixture.clock.nowMs(), newSplaySeconds: () => 7 }
    return (await fixture.database.mutate('test', (tx) => replaceCronJobs(tx, definitions, options))).value
  }
  const nextRun = async () => {
    const { value } = await fixture.database.read((tx) => cronNextRuns.list(tx))
    return value[0]
  }
  const runsOf = async (name: string) =>
    (await fixture.database.read((tx) => cronRuns.byIndex(tx, 'by_name_and_ts', [name]))).value
  const ran = async (name: string, count: number) =>
    await vi.waitFor(async () => {
      const runs = await runsOf(name)
      expect(runs.length).toBe(count)
      return runs
    }, waitOptions)

  test('runs at its times, one after the other, and keeps a few records', async () => {
    const times: number[] = []
    fixture.mutations['work'] = async () => {
      times.push(fixture.clock.nowMs() - startMs)
    }
    await push(define('beat', 'work'))
    for (let run = 1; run <= 8; run += 1) {
      await vi.waitFor(() => expect(times.length).toBe(run), waitOptions)
      await asleep()
      fixture.advance(10_000)
    }
    await vi.waitFor(() => expect(times.length).toBe(9), waitOptions)
    expect(times).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000, 80_000])
    expect(await ran('beat', schedulerLimits.keptCronRuns)).toHaveLength(5)
  })

  test('that is due again before its last run was quite over runs again', async () => {
    let runs = 0
    fixture.mutations['work'] = async () => {
      runs += 1
    }
    fixture.afterCommit = async () => {
      if (runs > 1) return
      fixture.advance(10_000)
      // Time for the scheduler to look at the row, which still runs.
      for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
    }
    await push(define('beat', 'work'))
    await vi.waitFor(() => expect(runs).toBe(2), waitOptions)
  })

  test('whose run takes longer than its interval skips the occurrences between', async () => {
    const gates = [createDeferred<void>(), createDeferred<void>()]
    let runs = 0
    fixture.actions['act'] = async () => {
      runs += 1
      await gates[runs - 1]?.promise
    }
    await push(define('slow', 'act'))
    await vi.waitFor(() => expect(runs).toBe(1), waitOptions)
    fixture.advance(35_000)
    await vi.waitFor(async () => expect((await nextRun())?.state.type).toBe('inProgress'), waitOptions)
    gates[0]?.resolve()
    const records = await ran('slow', 2)
    expect(records.map(({ status }) => status)).toEqual([
      { type: 'success', result: { type: 'default', value: 'null' } },
      { type: 'canceled', num_canceled: 3n },
    ])
    expect(await nextRun()).toMatchObject({ state: { type: 'pending' }, nextTs: toTs(startMs + 40_000) })
    expect(runs).toBe(1)
    gates[1]?.resolve()
  })

  test('goes on after an error, and after a crash of an action, which is not run again', async () => {
    fixture.mutations['work'] = async () => {
      throw new FunctionError('Uncaught Error: no')
    }
    await push(define('bad', 'work'))
    const [failed] = await ran('bad', 1)
    expect(failed).toMatchObject({
      status: { type: 'err', error: 'Uncaught Error: no' },
      logLines: { logLines: ['[LOG] tried'] },
    })

    const started = createDeferred<void>()
    const gate = createDeferred<void>()
    fixture.actions['act'] = async () => {
      started.resolve()
      await gate.promise
    }
    await push(define('lost', 'act'))
    await started.promise
    await fixture.restart()
    const [lost] = await ran('lost', 1)
    expect(lost?.status).toEqual({ type: 'err', error: 'Transient error while executing action' })
    expect(await nextRun()).toMatchObject({ state: { type: 'pending' }, nextTs: toTs(startMs + 10_000) })
    gate.resolve()
  })

  test('that a push takes away while it runs is gone, and a mutation of it leaves nothing', async () => {
    fixture.mutations['work'] = async () => {
      await push()
    }
    await push(define('fleeting', 'work'))
    await vi.waitFor(async () => {
      const { value } = await fixture.database.read((tx) => cronJobs.list(tx))
      expect(value).toEqual([])
    }, waitOptions)
    // The commit of the run met the push. The next attempt finds nothing to run.
    const { minFailureBackoffMs } = schedulerLimits
    await vi.waitFor(() => expect(fixture.alarms()).toContain(startMs + minFailureBackoffMs), waitOptions)
    fixture.advance(minFailureBackoffMs)
    await asleep()
    expect(await runsOf('fleeting')).toEqual([])
    expect(await nextRun()).toBe(undefined)
  })

  test('is compared with the one before at a push', async () => {
    const beat = define('beat', 'touch')
    expect(await push(beat, define('other', 'touch'))).toEqual({ added: ['beat', 'other'], updated: [], deleted: [] })
    await ran('beat', 1)
    fixture.advance(5000)
    expect(await push(beat)).toEqual({ added: [], updated: [], deleted: ['other'] })
    expect(await nextRun()).toMatchObject({ nextTs: toTs(startMs + 10_000) })
    expect(await push({ ...beat, args: '{"a":1}' })).toEqual({ added: [], updated: ['beat'], deleted: [] })
    // The new clock would begin now; it is so close to the old one that the old one goes on.
    expect(await nextRun()).toMatchObject({ nextTs: toTs(startMs + 10_000) })
    const hourly = { ...beat, schedule: { type: 'hourly', minuteUTC: 30n } } as const
    expect(await push(hourly)).toEqual({ added: [], updated: ['beat'], deleted: [] })
    expect(await nextRun()).toMatchObject({ nextTs: toTs(startMs + 1_807_000) })
  })
})
