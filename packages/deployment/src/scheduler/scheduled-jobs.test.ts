import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { scheduledJobs, scheduleJob, toMs, toTs } from './scheduled-jobs.ts'
import { type Fixture, openFixture, startMs } from './scheduler-fixture.ts'

let fixture: Fixture
let warnings: [code: string, message: string][]
beforeEach(async () => {
  fixture = await openFixture()
  warnings = []
})
afterEach(async () => await fixture.close())

const schedule = async (
  tx: ReturnType<Fixture['database']['begin']>,
  args: unknown,
  atSeconds: unknown = startMs / 1000 + 3600,
): Promise<string> =>
  await scheduleJob(
    tx,
    { target: fixture.app.resolve(fixture.app.root, { name: 'm:touch' }), args, atSeconds },
    { nowMs: startMs, parentJob: undefined, warn: (code, message) => warnings.push([code, message]) },
  )

test('a mutation schedules a thousand functions and no more', async () => {
  const tx = fixture.database.begin('mutation')
  for (let count = 0; count < 1000; count += 1) await schedule(tx, {})
  await expect(schedule(tx, {})).rejects.toThrow('Too many functions scheduled by this mutation (limit: 1000)')
  expect(await tx.count('_scheduled_functions', { scope: 'system' })).toBe(1000)
})

test('the arguments of what a mutation schedules are 16 MiB and no more', async () => {
  const tx = fixture.database.begin('mutation')
  // An object with one field: 2, the name and 1, a string's 2 and its bytes.
  const overhead = 2 + 'text'.length + 1 + 2
  for (let count = 0; count < 4; count += 1) await schedule(tx, { text: 'x'.repeat(4 * 1_048_576 - overhead) })
  await expect(schedule(tx, {})).rejects.toThrow(
    'Too large total size of the arguments of scheduled functions from this mutation (limit: 16777216 bytes)',
  )
  expect(warnings).toEqual([])
})

test('a million functions may be outstanding, and no more', async () => {
  const tx = fixture.database.begin('mutation')
  vi.spyOn(tx, 'countOutstanding').mockReturnValue(999_998)
  await schedule(tx, {})
  await schedule(tx, {})
  await expect(schedule(tx, {})).rejects.toThrow('Too many scheduled functions that have not run yet (limit: 1000000)')
})

test('large arguments are warned of', async () => {
  await schedule(fixture.database.begin('mutation'), { text: 'x'.repeat(4 * 1_048_576) })
  expect(warnings).toEqual([
    [
      'ScheduledFunctionArgumentsLarge',
      expect.stringMatching(/^Large arguments of the scheduled function m:touch \(actual: 4(\.\d+)? MiB/),
    ],
  ])
})

test.each([
  ['a time that is none', {}, 'soon', 'must be a finite number'],
  ['a time without end', {}, Infinity, 'must be a finite number'],
  ['a far future', {}, startMs / 1000 + 6 * 366 * 86_400, 'is more than 5 years in the future'],
  ['a far past', {}, startMs / 1000 - 6 * 366 * 86_400, 'is more than 5 years in the past'],
  ['arguments that are no value', { a: { $set: [] } }, startMs / 1000, 'Sets are not supported'],
  ['a commit timestamp that is not known yet', { a: [{ $commitTs: null }] }, startMs / 1000, 'commit timestamp'],
])('refuses %s', async (_what, args, atSeconds, says) => {
  const tx = fixture.database.begin('mutation')
  await expect(schedule(tx, args, atSeconds)).rejects.toThrow(says)
  expect(tx.hasWrites).toBe(false)
})

test('keeps the millisecond that the client library meant, through seconds as a float', async () => {
  const tx = fixture.database.begin('mutation')
  for (const atMs of [startMs + 1, startMs + 123, startMs + 999, 1_763_775_000_007]) {
    const id = await schedule(tx, {}, atMs / 1000)
    const job = await scheduledJobs.get(tx, id)
    expect(job?.nextTs).toBe(BigInt(atMs) * 1_000_000n)
    expect(toMs(toTs(atMs))).toBe(atMs)
  }
})

test('keeps arguments as deep as values may be', async () => {
  let deep: unknown = 1
  for (let level = 0; level < 63; level += 1) deep = [deep]
  const tx = fixture.database.begin('mutation')
  const id = await schedule(tx, { deep })
  const shown = await tx.get(id, { scope: 'system' })
  expect(JSON.parse(shown?.text ?? '')).toMatchObject({ args: [{ deep }] })
})
