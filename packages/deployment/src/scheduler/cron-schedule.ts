/** When cron jobs run: the forms of `crons.ts` (function-runtime.md §8.3) and the arithmetic on them. */
import { z } from 'zod'
import { type CronPattern, CronSyntaxError, findNextMatch, parseCronPattern } from './cron-pattern.ts'
import { schedulerLimits } from './scheduler-limits.ts'

/** As stored in `_cron_jobs.cronSpec.cronSchedule`; numbers are int64 there. */
export type CronSchedule =
  | { readonly type: 'interval'; readonly seconds: bigint }
  | { readonly type: 'hourly'; readonly minuteUTC?: bigint | undefined }
  | { readonly type: 'daily'; readonly hourUTC: bigint; readonly minuteUTC?: bigint | undefined }
  | {
      readonly type: 'weekly'
      readonly dayOfWeek: Weekday
      readonly hourUTC: bigint
      readonly minuteUTC?: bigint | undefined
    }
  | {
      readonly type: 'monthly'
      readonly day: bigint
      readonly hourUTC: bigint
      readonly minuteUTC?: bigint | undefined
    }
  | { readonly type: 'cron'; readonly cronExpr: string }

const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const
type Weekday = (typeof weekdays)[number]

const positive = z.int().min(1)
const minuteUTC = z.int().min(0).max(59).optional()
const hourUTC = z.int().min(0).max(23)
const pushedSchema = z.union([
  z.strictObject({ type: z.literal('interval'), seconds: positive }),
  z.strictObject({ type: z.literal('interval'), minutes: positive }),
  z.strictObject({ type: z.literal('interval'), hours: positive }),
  z.strictObject({ type: z.literal('hourly'), minuteUTC }),
  z.strictObject({ type: z.literal('daily'), hourUTC, minuteUTC }),
  z.strictObject({ type: z.literal('weekly'), dayOfWeek: z.enum(weekdays), hourUTC, minuteUTC }),
  z.strictObject({ type: z.literal('monthly'), day: z.int().min(1).max(31), hourUTC, minuteUTC }),
  z.strictObject({ type: z.literal('cron'), cron: z.string() }),
])

/** A schedule as `crons.export()` has it. Throws `CronSyntaxError`. */
export function parseSchedule(json: unknown): CronSchedule {
  const parsed = pushedSchema.safeParse(json)
  if (!parsed.success) throw new CronSyntaxError(`${JSON.stringify(json)} is not a schedule`)
  const schedule = toStored(parsed.data)
  if (schedule.type !== 'interval' && findNextMatch(toPattern(schedule), 0) === undefined) {
    const shown = schedule.type === 'cron' ? `"${schedule.cronExpr}"` : JSON.stringify(json)
    throw new CronSyntaxError(`${shown} will never match any time`)
  }
  return schedule
}

function toStored(pushed: z.infer<typeof pushedSchema>): CronSchedule {
  switch (pushed.type) {
    case 'interval': {
      if ('hours' in pushed) return { type: 'interval', seconds: BigInt(pushed.hours) * 3600n }
      if ('minutes' in pushed) return { type: 'interval', seconds: BigInt(pushed.minutes) * 60n }
      return { type: 'interval', seconds: BigInt(pushed.seconds) }
    }
    case 'cron':
      return { type: 'cron', cronExpr: pushed.cron }
    case 'hourly':
      return { type: 'hourly', ...toStoredMinute(pushed.minuteUTC) }
    case 'daily':
      return { type: 'daily', hourUTC: BigInt(pushed.hourUTC), ...toStoredMinute(pushed.minuteUTC) }
    case 'weekly': {
      const { dayOfWeek } = pushed
      return { type: 'weekly', dayOfWeek, hourUTC: BigInt(pushed.hourUTC), ...toStoredMinute(pushed.minuteUTC) }
    }
    case 'monthly': {
      const day = BigInt(pushed.day)
      return { type: 'monthly', day, hourUTC: BigInt(pushed.hourUTC), ...toStoredMinute(pushed.minuteUTC) }
    }
  }
}

function toStoredMinute(minute: number | undefined): { readonly minuteUTC?: bigint } {
  return minute === undefined ? {} : { minuteUTC: BigInt(minute) }
}

/**
 * The first run after `afterMs`; `previousMs` is the due time of the one before, where there was one. `splaySeconds`
 * (0–3599, the job's own for ever) spreads jobs over the hour where they name no minute, else over the minute.
 */
export function findNextRunMs(
  schedule: CronSchedule,
  options: { readonly splaySeconds: number; readonly afterMs: number; readonly previousMs: number },
): number {
  const { afterMs, previousMs } = options
  if (schedule.type === 'interval') {
    const stepMs = Number(schedule.seconds) * 1000
    return previousMs + Math.max(1, Math.floor((afterMs - previousMs) / stepMs) + 1) * stepMs
  }
  const splayMs = (hasMinute(schedule) ? options.splaySeconds % 60 : options.splaySeconds) * 1000
  const match = findNextMatch(toPattern(schedule), afterMs - splayMs)
  if (match === undefined) throw new CronSyntaxError('A stored schedule never matches.')
  return match + splayMs
}

/** The run after the one that was due at `previousMs`, and how many were missed until `nowMs`. */
export function findRunAfter(
  schedule: CronSchedule,
  options: { readonly splaySeconds: number; readonly nowMs: number; readonly previousMs: number },
): { readonly nextMs: number; readonly skipped: number } {
  const { splaySeconds, nowMs, previousMs } = options
  const nextAfter = (afterMs: number): number => findNextRunMs(schedule, { splaySeconds, afterMs, previousMs })
  if (schedule.type === 'interval') {
    const nextMs = nextAfter(Math.max(nowMs, previousMs))
    return { nextMs, skipped: Math.round((nextMs - previousMs) / (Number(schedule.seconds) * 1000)) - 1 }
  }
  let nextMs = nextAfter(previousMs)
  let skipped = 0
  for (; nextMs <= nowMs && skipped < schedulerLimits.maxCountedSkips; skipped += 1) nextMs = nextAfter(nextMs)
  return { nextMs: nextMs > nowMs ? nextMs : nextAfter(nowMs), skipped }
}

function hasMinute(schedule: Exclude<CronSchedule, { type: 'interval' }>): boolean {
  return schedule.type === 'cron' || schedule.minuteUTC !== undefined
}

function toPattern(schedule: Exclude<CronSchedule, { type: 'interval' }>): CronPattern {
  if (schedule.type === 'cron') return parseCronPattern(schedule.cronExpr)
  const minute = schedule.minuteUTC ?? 0n
  switch (schedule.type) {
    case 'hourly':
      return parseCronPattern(`${minute} * * * *`)
    case 'daily':
      return parseCronPattern(`${minute} ${schedule.hourUTC} * * *`)
    case 'weekly':
      return parseCronPattern(`${minute} ${schedule.hourUTC} * * ${weekdays.indexOf(schedule.dayOfWeek)}`)
    case 'monthly':
      return parseCronPattern(`${minute} ${schedule.hourUTC} ${schedule.day} * *`)
  }
}
