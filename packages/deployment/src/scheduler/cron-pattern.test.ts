import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CronPattern, CronSyntaxError, findNextMatch, parseCronPattern } from './cron-pattern.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

/** What the expression says of one minute, read field by field without the parser. */
function matchesNaively(text: string, ms: number): boolean {
  const date = new Date(ms)
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = text.split(' ')
  const isIn = (field: string, value: number, end: number): boolean =>
    field.split(',').some((item) => {
      const [range = '', stepText] = item.split('/')
      const [first = '', last] = range.split('-')
      const from = first === '*' ? undefined : Number(first)
      const to = last === undefined ? (stepText === undefined && from !== undefined ? from : end) : Number(last)
      const start = from ?? (end === 31 || end === 12 ? 1 : 0)
      return value >= start && value <= to && (value - start) % Number(stepText ?? 1) === 0
    })
  const byDay = isIn(day, date.getUTCDate(), 31)
  const byWeekday = isIn(weekday, date.getUTCDay(), 7) || (date.getUTCDay() === 0 && isIn(weekday, 7, 7))
  const isDay = day.startsWith('*') || weekday.startsWith('*') ? byDay && byWeekday : byDay || byWeekday
  return (
    isIn(minute, date.getUTCMinutes(), 59) &&
    isIn(hour, date.getUTCHours(), 23) &&
    isIn(month, date.getUTCMonth() + 1, 12) &&
    isDay
  )
}

const item = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min, max }).map(String) },
    { weight: 1, arbitrary: fc.integer({ min: 2, max: 7 }).map((step) => `*/${step}`) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: 9 }))
        .map(([a, b, step]) => `${Math.min(a, b)}-${Math.max(a, b)}${step === 1 ? '' : `/${step}`}`),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.integer({ min, max }), fc.integer({ min: 2, max: 9 })).map(([a, step]) => `${a}/${step}`),
    },
  )
const field = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant('*'),
    fc.array(item(min, max), { minLength: 1, maxLength: 3 }).map((items) => items.join(',')),
  )
const expression = fc
  .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7))
  .map((fields) => fields.join(' '))
const someTime = fc.integer({ min: Date.UTC(2023, 0), max: Date.UTC(2033, 0) })

/** The first time in steps of `stepMs` from `fromMs` on that matches, before `endMs`. */
function walk(text: string, fromMs: number, endMs: number, stepMs: number): number | undefined {
  for (let ms = fromMs; ms < endMs; ms += stepMs) if (matchesNaively(text, ms)) return ms
  return undefined
}

describe('the next match', () => {
  test('is the first minute that a walk from minute to minute finds', () => {
    fc.assert(
      fc.property(expression, someTime, (text, afterMs) => {
        const first = (Math.floor(afterMs / minuteMs) + 1) * minuteMs
        const end = first + 3000 * minuteMs
        const found = findNextMatch(parseCronPattern(text), afterMs)
        expect(found === undefined || found >= end ? undefined : found).toBe(walk(text, first, end, minuteMs))
        expect(found === undefined || matchesNaively(text, found)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('leaves out no day between now and then', () => {
    const daily = fc.tuple(field(1, 31), field(1, 12), field(0, 7)).map((fields) => `0 12 ${fields.join(' ')}`)
    fc.assert(
      fc.property(daily, someTime, (text, afterMs) => {
        const noon = Math.ceil((afterMs + 1 - dayMs / 2) / dayMs) * dayMs + dayMs / 2
        const end = noon + 3000 * dayMs
        const found = findNextMatch(parseCronPattern(text), afterMs)
        expect(found === undefined || found >= end ? undefined : found).toBe(walk(text, noon, end, dayMs))
      }),
      { numRuns: 100 },
    )
  })

  test.each([
    ['* * * * *', '2026-11-22T10:00:00.000Z', '2026-11-22T10:01:00.000Z'],
    ['* * * * *', '2026-11-22T09:59:59.999Z', '2026-11-22T10:00:00.000Z'],
    ['30 4 * * *', '2026-11-22T10:00:00Z', '2026-11-23T04:30:00.000Z'],
    ['0 0 29 2 *', '2026-11-22T10:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0 0 29 2 *', '2096-03-01T00:00:00Z', '2104-02-29T00:00:00.000Z'],
    ['0 0 31 * *', '2026-11-22T10:00:00Z', '2026-12-31T00:00:00.000Z'],
    ['0 0 13 * fri', '2026-11-22T10:00:00Z', '2026-11-27T00:00:00.000Z'],
    ['0 0 1 * */3', '2026-11-22T10:00:00Z', '2027-05-01T00:00:00.000Z'],
    ['0 12 * JAN SUN', '2026-11-22T10:00:00Z', '2027-01-03T12:00:00.000Z'],
    ['0 12 * * 7', '2026-11-22T13:00:00Z', '2026-11-29T12:00:00.000Z'],
    ['59 23 31 12 *', '2026-12-31T23:59:00Z', '2027-12-31T23:59:00.000Z'],
  ])('of %s after %s is %s', (text, after, expected) => {
    expect(new Date(findNextMatch(parseCronPattern(text), Date.parse(after)) ?? 0).toISOString()).toBe(expected)
  })

  test.each(['0 0 30 2 *', '0 0 31 4,6,9,11 *'])('of %s does not exist', (text) => {
    expect(findNextMatch(parseCronPattern(text), Date.UTC(2026, 0))).toBe(undefined)
  })
})

describe('an expression', () => {
  test.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * 32 * *',
    '* * * 13 *',
    '* * * * 8',
    '* * * * mond',
    '5-1 * * * *',
    '1-2-3 * * * *',
    '*/0 * * * *',
    '*/x * * * *',
    '1/2/3 * * * *',
    '-1 * * * *',
    '1, * * * *',
    '@daily',
    '١ * * * *',
  ])('%j is refused', (text) => {
    expect(() => parseCronPattern(text)).toThrow(CronSyntaxError)
  })

  test('has the same meaning by names and by numbers', () => {
    const normal = (pattern: CronPattern): unknown =>
      JSON.stringify(pattern, (_key, v: unknown) =>
        v instanceof Set ? [...(v as Set<number>)].sort((a, b) => a - b) : v,
      )
    expect(normal(parseCronPattern('0 0 * jan-mar sun,Tue'))).toBe(normal(parseCronPattern('0 0 * 1-3 0,2')))
  })
})
