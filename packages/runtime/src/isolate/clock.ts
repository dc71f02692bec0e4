/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * Time as user code sees it: `Date` follows the frozen clock in every form (constructor, call, `now`, subclasses) and
 * `Intl.DateTimeFormat` uses it as its default. Looking at it is recorded; a date given explicitly is not.
 */
import { observeNow, state } from './execution-state.ts'
import {
  defineHidden,
  floor,
  getOwnPropertyDescriptor,
  NativeDate,
  realNow,
  reflectApply,
  reflectConstruct,
  reflectDefineProperty,
  reflectDeleteProperty,
  uncurryThis,
} from './primordials.ts'
import { assertMutable } from './frozen-state.ts'

const dateToString: (self: Date) => string = uncurryThis(NativeDate.prototype.toString)

function createDateConstructor(): DateConstructor {
  function Date(this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined) return dateToString(new NativeDate(observeNow()))
    return reflectConstruct(NativeDate, args.length === 0 ? [observeNow()] : args, new.target)
  }
  reflectDefineProperty(Date, 'name', { value: 'Date', configurable: true })
  reflectDefineProperty(Date, 'length', { value: 7, writable: false, enumerable: false, configurable: true })
  reflectDefineProperty(Date, 'prototype', { value: NativeDate.prototype, writable: false })
  defineHidden(Date, 'now', { now: () => observeNow() }.now)
  defineHidden(Date, 'parse', NativeDate.parse)
  defineHidden(Date, 'UTC', NativeDate.UTC)
  return Date as unknown as DateConstructor
}

const setters = [
  'setDate setFullYear setHours setMilliseconds setMinutes setMonth setSeconds setTime setUTCDate setUTCFullYear',
  'setUTCHours setUTCMilliseconds setUTCMinutes setUTCMonth setUTCSeconds setYear',
]

/** A date reachable from a frozen module graph must not change: its setters ask first. */
function guardSetters(): void {
  for (const name of setters.join(' ').split(' ')) {
    const native = getOwnPropertyDescriptor(NativeDate.prototype, name)?.value as (...args: unknown[]) => unknown
    const method = {
      [name](this: Date, ...args: unknown[]): unknown {
        assertMutable(this)
        return reflectApply(native, this, args)
      },
    }[name] as (...args: unknown[]) => unknown
    reflectDefineProperty(method, 'length', { value: native.length, configurable: true })
    defineHidden(NativeDate.prototype, name, method)
  }
}

function patchDateTimeFormat(): void {
  const prototype = Intl.DateTimeFormat.prototype
  const getFormat = getOwnPropertyDescriptor(prototype, 'format')?.get as (this: unknown) => (date: unknown) => string
  const formatOf = uncurryThis(getFormat)
  const formatToParts = uncurryThis(prototype.formatToParts as (this: unknown, date: unknown) => unknown)
  const descriptor: PropertyDescriptor = {
    enumerable: false,
    configurable: true,
    get(this: unknown) {
      const format = formatOf(this)
      return (date?: unknown): string => format(date === undefined ? observeNow() : date)
    },
  }
  reflectDefineProperty(prototype, 'format', descriptor)
  const methods = {
    formatToParts(this: unknown, date?: unknown): unknown {
      return formatToParts(this, date === undefined ? observeNow() : date)
    },
  }
  defineHidden(prototype, 'formatToParts', methods.formatToParts)
}

/** `performance.now()`: fixed in queries, real progress (in steps of 0.1 ms) in mutations, 0 while importing. */
export function performanceNow(): number {
  state.timeObserved = true
  if (state.phase === 'import' || state.phase === 'idle') return 0
  const start = state.nowMs - state.importTimeMs
  if (state.phase === 'query') return start
  return floor((start + (realNow() - state.startedAtMs)) * 10) / 10
}

export function installClock(): void {
  const PatchedDate = createDateConstructor()
  guardSetters()
  defineHidden(NativeDate.prototype, 'constructor', PatchedDate)
  defineHidden(globalThis, 'Date', PatchedDate)
  patchDateTimeFormat()
  // A second clock of newer engines.
  reflectDeleteProperty(globalThis, 'Temporal')
}
