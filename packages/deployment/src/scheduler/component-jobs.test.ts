import { createDeferred } from '@concave/base'
import { parseFunctionPath } from '@concave/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cronNextRuns, cronRuns, replaceCronJobs } from './cron-jobs.ts'
import { cancelJobs, deleteJobs } from './job-batches.ts'
import { cancelJob, scheduledJobs } from './scheduled-jobs.ts'
import { type Fixture, openFixture, startMs, waitOptions } from './scheduler-fixture.ts'
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

test('jobs of a component that is mounted later run, in it and for it', async () => {
  const calls: unknown[] = []
  fixture.mutations['work'] = async (tx, { componentPath, origin }) => {
    calls.push([componentPath, origin])
    // The transaction is in the app's namespace, whoever's job it is.
    expect(tx.namespace).toBe('')
  }
  await asleep()
  const { id: componentId } = await fixture.mount('one')
  const id = await fixture.schedule('work', { from: 'one' })
  await fixture.reached(id, 'success', 'one')
  expect(calls).toEqual([['one', { kind: 'scheduler', job: { id, componentId } }]])
  expect(await fixture.job(id)).toBeNull()
})

test('a job stays with the component that schedules it, wherever its function is', async () => {
  const one = await fixture.mount('one')
  await fixture.mount('two')
  const paths: string[] = []
  fixture.mutations['work'] = async (_tx, { componentPath }) => void paths.push(componentPath)
  const ofApp = await fixture.schedule('work', { to: 'one' })
  expect(await fixture.reached(ofApp, 'success')).toMatchObject({ component: one.id })
  const ofOne = await fixture.schedule('work', { from: 'one', to: '' })
  expect(await fixture.reached(ofOne, 'success', 'one')).toMatchObject({ component: '' })
  const ofTwo = await fixture.schedule('work', { from: 'two', to: 'one' })
  await fixture.reached(ofTwo, 'success', 'two')
  expect(paths).toEqual(['one', '', 'one'])
})

test('an action of a component is marked in its namespace, and found there after a restart', async () => {
  await fixture.mount('one')
  const started = createDeferred<void>()
  const gate = createDeferred<void>()
  fixture.actions['act'] = async () => {
    started.resolve()
    await gate.promise
  }
  const id = await fixture.schedule('act', { from: 'one' })
  await started.promise
  expect((await fixture.job(id, 'one'))?.state.type).toBe('inProgress')
  await fixture.restart()
  expect((await fixture.reached(id, 'failed', 'one')).state).toMatchObject({
    error: 'Transient error while executing action',
  })
  gate.resolve()
})

test('what a canceled job of a component schedules is canceled, in whichever component', async () => {
  const { id: componentId } = await fixture.mount('one')
  const id = await fixture.schedule('touch', { from: 'one', delayMs: 1000 })
  await fixture.database.mutate('test', (tx) => cancelJob(tx, id, startMs), { namespace: componentId })
  const parentJob = { id, componentId }
  const inApp = await fixture.schedule('touch', { parentJob })
  const inOne = await fixture.schedule('touch', { parentJob, from: 'one' })
  expect((await fixture.job(inApp))?.state.type).toBe('canceled')
  expect((await fixture.job(inOne, 'one'))?.state.type).toBe('canceled')
})

test('jobs of an unmounted component wait, quietly, and run when it is mounted again', async () => {
  await fixture.mount('one')
  await asleep()
  const loads: string[] = []
  fixture.mutations['work'] = async (_tx, { componentPath }) => void loads.push(componentPath)
  const id = await fixture.schedule('work', { from: 'one', delayMs: 1000 })
  await fixture.unmount('one')
  await asleep()
  fixture.advance(5000)
  await asleep()
  expect(fixture.alarms()).toEqual([startMs + schedulerLimits.cleanupIntervalMs])
  expect(await fixture.scheduler.readNextDueMs()).toBe(undefined)
  expect((await fixture.job(id, 'one'))?.state.type).toBe('pending')
  await fixture.mount('one')
  await fixture.reached(id, 'success', 'one')
  expect(loads).toEqual(['one'])
})

test('an action goes on while its component is unmounted, and is not taken for lost when that is over', async () => {
  await fixture.mount('one')
  const started = createDeferred<void>()
  const gate = createDeferred<void>()
  fixture.actions['act'] = async () => {
    started.resolve()
    await gate.promise
  }
  const id = await fixture.schedule('act', { from: 'one' })
  await started.promise
  await fixture.unmount('one')
  await fixture.mount('one')
  // Whatever the worker looks at now, it has looked at when this one has run.
  const other = await fixture.schedule('touch', { from: 'one' })
  await fixture.reached(other, 'success', 'one')
  expect((await fixture.job(id, 'one'))?.state.type).toBe('inProgress')
  gate.resolve()
  await fixture.reached(id, 'success', 'one')
})

test('a job whose function is in an unmounted component fails', async () => {
  await fixture.mount('one')
  const id = await fixture.schedule('touch', { to: 'one', delayMs: 1000 })
  await fixture.unmount('one')
  await asleep()
  fixture.advance(1000)
  expect((await fixture.reached(id, 'failed')).state).toMatchObject({
    error: expect.stringContaining("Could not find function for 'm:touch'") as unknown,
  })
})

test('the limit of what runs side by side is that of the deployment, and every component gets its part', async () => {
  await fixture.mount('one')
  const gate = createDeferred<void>()
  const running: string[] = []
  fixture.actions['act'] = async ({ componentPath }) => {
    running.push(componentPath)
    await gate.promise
  }
  const { maxRunning } = schedulerLimits
  const ids: string[] = []
  for (let count = 0; count < maxRunning + 20; count += 1) ids.push(await fixture.schedule('act'))
  await vi.waitFor(() => expect(running).toHaveLength(maxRunning), waitOptions)
  const last = await fixture.schedule('act', { from: 'one' })
  gate.resolve()
  await fixture.reached(last, 'success', 'one')
  for (const id of ids) await fixture.reached(id, 'success')
  // It did not wait for the twenty that were there before.
  expect(running.indexOf('one')).toBeLessThan(running.length - 10)
})

test('the time to wake up is that of the first job of any component', async () => {
  await fixture.mount('one')
  await fixture.schedule('touch', { delayMs: 50_000 })
  await fixture.schedule('touch', { delayMs: 20_000, from: 'one' })
  expect(await fixture.scheduler.readNextDueMs()).toBe(startMs + 20_000)
})

test('finished jobs of every component are forgotten', async () => {
  await fixture.mount('one')
  const id = await fixture.schedule('touch', { from: 'one' })
  await fixture.reached(id, 'success', 'one')
  await fixture.unmount('one')
  await asleep()
  fixture.advance(8 * day)
  await vi.waitFor(async () => expect(await fixture.job(id, 'one')).toBe(null), waitOptions)
})

test('many are canceled or deleted of one component, also by where their functions are', async () => {
  const { id: namespace } = await fixture.mount('one')
  const options = { delayMs: day, from: 'one' }
  const own = await fixture.schedule('touch', options)
  const ofApp = await fixture.schedule('touch', { ...options, to: '' })
  const elsewhere = await fixture.schedule('touch', { delayMs: day })
  const { database, clock } = fixture
  const all = { namespace, udfPath: 'm.js:touch', startTs: undefined, endTs: undefined }
  const stateOf = async (id: string, path?: string) => (await fixture.job(id, path))?.state.type
  await cancelJobs({ database, clock }, { ...all, targetComponentId: '' })
  expect([await stateOf(own, 'one'), await stateOf(ofApp, 'one')]).toEqual(['pending', 'canceled'])
  await cancelJobs({ database, clock }, { ...all, targetComponentId: namespace })
  expect([await stateOf(own, 'one'), await stateOf(elsewhere)]).toEqual(['canceled', 'pending'])
  await deleteJobs(database, namespace)
  expect(await fixture.job(own, 'one')).toBeNull()
  expect(await stateOf(elsewhere)).toBe('pending')
})

test('cron jobs run in their component, with their records beside them', async () => {
  const { id: namespace } = await fixture.mount('one')
  const paths: string[] = []
  fixture.mutations['work'] = async (_tx, { componentPath, identity }) =>
    void paths.push(`${componentPath} ${identity.kind}`)
  const job = {
    name: 'tick',
    path: parseFunctionPath('m:work'),
    args: '{}',
    schedule: { type: 'interval', seconds: 60n },
  } as const
  const options = { nowMs: startMs, newSplaySeconds: () => 0 }
  await fixture.database.mutate('test', (tx) => replaceCronJobs(tx, [job], options), { namespace })
  await vi.waitFor(() => expect(paths).toEqual(['one anonymous']), waitOptions)
  await asleep()
  fixture.advance(60_000)
  await vi.waitFor(() => expect(paths).toHaveLength(2), waitOptions)
  await asleep()
  const { value: rows } = await fixture.database.read(
    async (tx) => [await cronRuns.list(tx), await cronNextRuns.list(tx)] as const,
    { namespace },
  )
  expect(rows.map((list) => list.length)).toEqual([2, 1])
  const { value: ofApp } = await fixture.database.read((tx) => cronRuns.list(tx))
  expect(ofApp).toEqual([])
  expect((await fixture.database.read((tx) => scheduledJobs.list(tx))).value).toEqual([])
})
