/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** `performance`: the function's clock, and marks and measures that live as long as the call. */
import { performanceNow } from '../clock.ts'
import { state } from '../execution-state.ts'
import { keep } from '../kept-values.ts'
import { defineHidden } from '../primordials.ts'
import { defineInterface } from './interface.ts'

const token = Symbol('performance')
type Entry = { readonly name: string; readonly startTime: number; readonly duration: number; readonly detail: unknown }

class PerformanceEntry {
  readonly #entry: Entry
  constructor(permission: unknown, entry: Entry) {
    if (permission !== token) throw new TypeError('Illegal constructor')
    keep(entry.detail)
    this.#entry = entry
  }
  get name(): string {
    return this.#entry.name
  }
  get entryType(): string {
    return ''
  }
  get startTime(): number {
    return this.#entry.startTime
  }
  get duration(): number {
    return this.#entry.duration
  }
  get detail(): unknown {
    return this.#entry.detail
  }
  toJSON(): Record<string, unknown> {
    const { name, entryType, startTime, duration, detail } = this
    return { name, entryType, startTime, duration, detail }
  }
}

type MarkOptions = { readonly startTime?: unknown; readonly detail?: unknown }

class PerformanceMark extends PerformanceEntry {
  constructor(name: unknown, options: MarkOptions = {}) {
    const startTime = options.startTime === undefined ? performanceNow() : Number(options.startTime)
    if (!(startTime >= 0)) throw new TypeError('The start of a mark must not be negative')
    super(token, { name: String(name), startTime, duration: 0, detail: options.detail ?? null })
  }
  override get entryType(): string {
    return 'mark'
  }
}

class PerformanceMeasure extends PerformanceEntry {
  override get entryType(): string {
    return 'measure'
  }
}

type MeasureOptions = {
  readonly start?: unknown
  readonly end?: unknown
  readonly duration?: unknown
  readonly detail?: unknown
}

let entries: PerformanceEntry[] = []
let entriesEpoch = -1

/** Entries of this call; those of an earlier one are gone. */
function currentEntries(): PerformanceEntry[] {
  if (entriesEpoch !== state.epoch) {
    entries = []
    entriesEpoch = state.epoch
  }
  return entries
}

function timeOf(point: unknown, otherwise: number): number {
  if (point === undefined) return otherwise
  if (typeof point === 'number') return point
  const mark = currentEntries().findLast((entry) => entry.name === String(point) && entry instanceof PerformanceMark)
  if (mark === undefined) throw new SyntaxError(`The mark '${String(point)}' does not exist.`)
  return mark.startTime
}

function clear(kind: typeof PerformanceMark | typeof PerformanceMeasure, name: unknown): void {
  entries = currentEntries().filter((entry) => !(entry instanceof kind && (name === undefined || entry.name === name)))
}

class Performance {
  constructor(permission: unknown) {
    if (permission !== token) throw new TypeError('Illegal constructor')
  }
  get timeOrigin(): number {
    return state.importTimeMs
  }
  now(): number {
    return performanceNow()
  }
  mark(name: unknown, options?: MarkOptions): PerformanceMark {
    const mark = new PerformanceMark(name, options)
    currentEntries().push(mark)
    return mark
  }
  measure(name: unknown, startOrOptions?: unknown, end?: unknown): PerformanceMeasure {
    const isBag = typeof startOrOptions === 'object' && startOrOptions !== null
    const options: MeasureOptions = isBag ? (startOrOptions as MeasureOptions) : { start: startOrOptions, end }
    const startTime = timeOf(options.start, 0)
    const endTime =
      options.duration === undefined ? timeOf(options.end, performanceNow()) : startTime + Number(options.duration)
    const detail = options.detail ?? null
    const measure = new PerformanceMeasure(token, {
      name: String(name),
      startTime,
      duration: endTime - startTime,
      detail,
    })
    currentEntries().push(measure)
    return measure
  }
  clearMarks(name?: unknown): void {
    clear(PerformanceMark, name)
  }
  clearMeasures(name?: unknown): void {
    clear(PerformanceMeasure, name)
  }
  getEntries(): PerformanceEntry[] {
    return [...currentEntries()]
  }
  getEntriesByName(name: unknown, type?: unknown): PerformanceEntry[] {
    return currentEntries().filter((entry) => entry.name === name && (type === undefined || entry.entryType === type))
  }
  getEntriesByType(type: unknown): PerformanceEntry[] {
    return currentEntries().filter((entry) => entry.entryType === type)
  }
  toJSON(): Record<string, unknown> {
    return { timeOrigin: this.timeOrigin }
  }
}

export function installPerformance(): void {
  for (const [name, constructor] of Object.entries({
    PerformanceEntry,
    PerformanceMark,
    PerformanceMeasure,
    Performance,
  })) {
    defineInterface(name, constructor)
  }
  defineHidden(globalThis, 'performance', new Performance(token))
}
