import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CronSchedule, findNextRunMs, findRunAfter, parseSchedule } from './cron-schedule.ts'
import { schedulerLimits } from './scheduler-limits.ts'

const at = (text: string): number => Date.parse(text)
const minuteUTC = fc.option(fc.integer({ min: 0, max: 59 }), { nil: undefined })
const hourUTC = fc.integer({ min: 0, max: 23 })
const calendar = fc.oneof(
  fc.record({ type: fc.constant('hourly'), minuteUTC }),
  fc.record({ type: fc.constant('daily'), hourUTC, minuteUTC }),
  fc.record({ type: fc.constant('weekly'), dayOfWeek: fc.constantFrom('sunday', 'friday'), hourUTC, minuteUTC }),
  fc.record({ type: fc.constant('monthly'), day: fc.integer({ min: 1, max: 31 }), hourUTC, minuteUTC }),
)
const splay = fc.integer({ min: 0, max: 3599 })
const someTime = fc.integer({ min: at('2024-01-01'), max: at('2030-01-01') })
const exported = (json: object): CronSchedule => parseSchedule(JSON.parse(JSON.stringify(json)))

describe('runs of a calendar schedule', () => {
  test('come after the time asked for, in the hour and minute that they name', () => {
    fc.assert(
      fc.property(calendar, splay, someTime, (json, splaySeconds, afterMs) => {
        const next = findNextRunMs(exported(json), { splaySeconds, afterMs, previousMs: afterMs })
        expect(next).toBeGreaterThan(afterMs)
        const date = new Date(next)
        const shown = {
          hourUTC: date.getUTCHours(),
          minuteUTC: date.getUTCMinutes(),
          day: date.getUTCDate(),
          dayOfWeek: ['sunday', '', '', '', '', 'friday'][date.getUTCDay()],
        }
        const { type: _type, ...named } = JSON.parse(JSON.stringify(json)) as Record<string, unknown>
        expect(shown).toMatchObject(named)
        const splaySecondsShown =
          json.minuteUTC === undefined ? date.getUTCMinutes() * 60 + date.getUTCSeconds() : date.getUTCSeconds()
        expect(splaySecondsShown).toBe(json.minuteUTC === undefined ? splaySeconds : splaySeconds % 60)
      }),
    )
  })

  test('do not depend on when one asks between two of them', () => {
    fc.assert(
      fc.property(
        calendar,
        splay,
        someTime,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (json, splaySeconds, start, part) => {
          const schedule = exported(json)
          const next = (afterMs: number): number =>
            findNextRunMs(schedule, { splaySeconds, afterMs, previousMs: start })
          const first = next(start)
          const second = next(first)
          expect(next(first + Math.floor(part * (second - first)))).toBe(second)
        },
      ),
    )
  })
})

describe('the run after one', () => {
  test('of an interval keeps the beat and skips what went by', () => {
    const schedule = exported({ type: 'interval', seconds: 10 })
    const previousMs = at('2026-11-22T10:00:00Z')
    const after = (nowMs: number) => findRunAfter(schedule, { splaySeconds: 0, nowMs, previousMs })
    expect(after(previousMs)).toEqual({ nextMs: previousMs + 10_000, skipped: 0 })
    expect(after(previousMs + 9999)).toEqual({ nextMs: previousMs + 10_000, skipped: 0 })
    expect(after(previousMs + 10_000)).toEqual({ nextMs: previousMs + 20_000, skipped: 1 })
    expect(after(previousMs + 95_000)).toEqual({ nextMs: previousMs + 100_000, skipped: 9 })
    // The wall clock was set back.
    expect(after(previousMs - 95_000)).toEqual({ nextMs: previousMs + 10_000, skipped: 0 })
  })

  test('of a calendar schedule skips what went by', () => {
    const schedule = exported({ type: 'daily', hourUTC: 4, minuteUTC: 30 })
    const previousMs = at('2026-11-22T04:30:07Z')
    const after = (nowMs: number) => findRunAfter(schedule, { splaySeconds: 7, nowMs, previousMs })
    expect(after(previousMs + 5)).toEqual({ nextMs: at('2026-11-23T04:30:07Z'), skipped: 0 })
    expect(after(at('2026-11-25T04:30:06Z'))).toEqual({ nextMs: at('2026-11-25T04:30:07Z'), skipped: 2 })
    expect(after(at('2026-11-25T04:30:07Z'))).toEqual({ nextMs: at('2026-11-26T04:30:07Z'), skipped: 3 })
  })

  test('is found in bounded time, however long nobody looked', () => {
    const schedule = exported({ type: 'cron', cron: '* * * * *' })
    const { nextMs, skipped } = findRunAfter(schedule, {
      splaySeconds: 3,
      nowMs: at('2026-11-22T10:00:00Z'),
      previousMs: at('2006-11-22T10:00:03Z'),
    })
    expect(new Date(nextMs).toISOString()).toBe('2026-11-22T10:00:03.000Z')
    expect(skipped).toBe(schedulerLimits.maxCountedSkips)
  })
})

describe('a schedule of crons.ts', () => {
  test.each([
    [
      { type: 'interval', minutes: 2 },
      { type: 'interval', seconds: 120n },
    ],
    [
      { type: 'interval', hours: 2 },
      { type: 'interval', seconds: 7200n },
    ],
    [{ type: 'hourly' }, { type: 'hourly' }],
    [
      { type: 'monthly', day: 31, hourUTC: 0, minuteUTC: 0 },
      { type: 'monthly', day: 31n, hourUTC: 0n, minuteUTC: 0n },
    ],
    [
      { type: 'cron', cron: '0 0 1 1 *' },
      { type: 'cron', cronExpr: '0 0 1 1 *' },
    ],
  ])('%o is stored as %o', (json, stored) => {
    expect(parseSchedule(json)).toEqual(stored)
  })

  test.each([
    [{ type: 'interval', seconds: 0 }],
    [{ type: 'interval', seconds: 1.5 }],
    [{ type: 'interval', seconds: 1, minutes: 1 }],
    [{ type: 'interval' }],
    [{ type: 'daily', hourUTC: 24 }],
    [{ type: 'weekly', dayOfWeek: 'Monday', hourUTC: 1 }],
    [{ type: 'monthly', day: 0, hourUTC: 1 }],
    [{ type: 'yearly' }],
    [null],
  ])('%j is refused', (json) => {
    expect(() => parseSchedule(json)).toThrow('is not a schedule')
  })

  test('that never comes is refused', () => {
    expect(() => parseSchedule({ type: 'cron', cron: '0 0 30 2 *' })).toThrow('"0 0 30 2 *" will never match any time')
  })
})
