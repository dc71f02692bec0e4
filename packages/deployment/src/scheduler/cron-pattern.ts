/**
 * The minutes that a cron expression names: five fields, UTC (function-runtime.md §8.3). As in Unix cron: a day matches by
 * either of its two fields when both are restricted, and Sunday is 0 or 7. Names of months and weekdays may be used.
 */

export type CronPattern = {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly days: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly weekdays: ReadonlySet<number>
  /** Whether a day matches by day of the month, by weekday, or by either. */
  readonly dayRule: 'both' | 'either'
}

type Field = { readonly name: string; readonly min: number; readonly max: number; readonly names?: readonly string[] }

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of the month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: monthNames },
  { name: 'day of the week', min: 0, max: 7, names: weekdayNames },
]

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
/** The Gregorian calendar has at most eight years without a 29th of February. */
const maxYears = 9

/** Throws `CronSyntaxError`. */
export function parseCronPattern(text: string): CronPattern {
  const parts = text.trim().split(/\s+/)
  if (parts.length !== fields.length) {
    throw new CronSyntaxError(`"${text}" must have five fields: minute, hour, day of the month, month, day of the week`)
  }
  const [minutes, hours, days, months, weekdays] = fields.map((field, position) =>
    parseField(parts[position] ?? '', field),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>]
  if (weekdays.delete(7)) weekdays.add(0)
  const isEither = !isUnrestricted(parts[2]) && !isUnrestricted(parts[4])
  return { minutes, hours, days, months, weekdays, dayRule: isEither ? 'either' : 'both' }
}

export class CronSyntaxError extends Error {
  override readonly name = 'CronSyntaxError'
}

/** The first matching minute after `afterMs`, in milliseconds; undefined if none ever matches. */
export function findNextMatch(pattern: CronPattern, afterMs: number): number | undefined {
  let ms = (Math.floor(afterMs / minuteMs) + 1) * minuteMs
  const endYear = new Date(ms).getUTCFullYear() + maxYears
  for (;;) {
    const date = new Date(ms)
    const year = date.getUTCFullYear()
    const month = date.getUTCMonth()
    if (year > endYear) return undefined
    if (!pattern.months.has(month + 1)) ms = Date.UTC(year, month + 1)
    else if (!matchesDay(pattern, date)) ms = (Math.floor(ms / dayMs) + 1) * dayMs
    else if (!pattern.hours.has(date.getUTCHours())) ms = (Math.floor(ms / hourMs) + 1) * hourMs
    else if (!pattern.minutes.has(date.getUTCMinutes())) ms += minuteMs
    else return ms
  }
}

function matchesDay({ days, weekdays, dayRule }: CronPattern, date: Date): boolean {
  const byDay = days.has(date.getUTCDate())
  const byWeekday = weekdays.has(date.getUTCDay())
  return dayRule === 'either' ? byDay || byWeekday : byDay && byWeekday
}

/** `*` and `*` with a step restrict nothing as far as the rule of days goes, as in Unix cron. */
function isUnrestricted(part: string | undefined): boolean {
  return part?.startsWith('*') ?? false
}

/** A list of `*`, `n`, `n-m`, each with an optional step; `n/s` goes on to the end. */
function parseField(text: string, field: Field): Set<number> {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const [rangeText = '', stepText, ...rest] = item.split('/')
    const step = stepText === undefined ? 1 : parseNumber(stepText)
    if (rest.length > 0 || step === undefined || step < 1) throw badField(item, field)
    const [from, to] = parseRange(rangeText, field, stepText !== undefined)
    for (let value = from; value <= to; value += step) values.add(value)
  }
  return values
}

function parseRange(text: string, field: Field, isOpenEnded: boolean): readonly [number, number] {
  // A week of * has seven days, although its last may be written 7.
  if (text === '*') return [field.min, field.names === weekdayNames ? 6 : field.max]
  const [fromText = '', toText, ...rest] = text.split('-')
  const from = parseItem(fromText, field)
  const to = toText === undefined ? (isOpenEnded ? field.max : from) : parseItem(toText, field)
  if (rest.length > 0 || from === undefined || to === undefined || from > to) throw badField(text, field)
  return [from, to]
}

function parseItem(text: string, field: Field): number | undefined {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return named + field.min
  const value = parseNumber(text)
  return value !== undefined && value >= field.min && value <= field.max ? value : undefined
}

function parseNumber(text: string): number | undefined {
  return /^\d{1,4}$/.test(text) ? Number(text) : undefined
}

function badField(text: string, field: Field): CronSyntaxError {
  return new CronSyntaxError(`"${text}" is not a valid ${field.name} (${field.min}-${field.max})`)
}
