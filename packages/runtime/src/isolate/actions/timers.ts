/** Timers of actions. The host wakes the action when the first is due; each callback runs in a turn of its own. */
import { carry, runInContext } from '../async-context.ts'
import { notAllowedError, state } from '../execution-state.ts'
import { NativeTypeError, promiseResolve, promiseThen, realNow } from '../primordials.ts'
import { defineFunction } from '../web/interface.ts'

type Timer = {
  readonly id: number
  dueMs: number
  /** Undefined for a timer that fires once. */
  readonly intervalMs: number | undefined
  readonly callback: () => void
}

/** What HTML's timers can hold; longer ones fire at once. */
const maxDelayMs = 2_147_483_647
/** Sorted by due time, then by age. */
const queue: Timer[] = []
const byId = new Map<number, Timer>()
let nextId = 1

function toDelay(value: unknown): number {
  const delay = Math.trunc(Number(value))
  return delay >= 1 && delay <= maxDelayMs ? delay : 1
}

function enqueue(timer: Timer): void {
  let low = 0
  let high = queue.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((queue[middle] as Timer).dueMs <= timer.dueMs) low = middle + 1
    else high = middle
  }
  queue.splice(low, 0, timer)
}

function add(callback: () => void, delay: unknown, isInterval: boolean): number {
  const delayMs = toDelay(delay)
  const timer = { id: nextId++, dueMs: realNow() + delayMs, intervalMs: isInterval ? delayMs : undefined, callback }
  byId.set(timer.id, timer)
  enqueue(timer)
  return timer.id
}

function remove(id: unknown): void {
  const timer = byId.get(Number(id))
  if (timer === undefined) return
  byId.delete(timer.id)
  const index = queue.indexOf(timer)
  if (index >= 0) queue.splice(index, 1)
}

/** For web interfaces that need one. */
export function startTimer(callback: () => void, delayMs: unknown): void {
  if (state.phase !== 'action') throw notAllowedError('setTimeout')
  add(carry(callback), delayMs, false)
}

/** Milliseconds until the first timer is due, 0 if one is; -1 without timers. */
export function untilNextTimer(): number {
  const first = queue[0]
  return first === undefined ? -1 : Math.max(0, first.dueMs - realNow())
}

/** Runs the first timer if it is due. */
export function runDueTimer(): void {
  const first = queue[0]
  if (first === undefined || first.dueMs > realNow()) return
  queue.shift()
  if (first.intervalMs === undefined) byId.delete(first.id)
  else {
    first.dueMs = realNow() + first.intervalMs
    enqueue(first)
  }
  runInContext(undefined, first.callback, undefined, [])
}

function defineTimer(name: 'setTimeout' | 'setInterval'): void {
  defineFunction(name, (callback: unknown, delay?: unknown, ...args: unknown[]): number => {
    if (state.phase !== 'action') throw notAllowedError(name)
    if (typeof callback !== 'function') throw new NativeTypeError('The callback provided is not a function')
    const task = carry(() => Reflect.apply(callback, undefined, args) as unknown)
    return add(task, delay, name === 'setInterval')
  })
}

export function installTimers(): void {
  defineTimer('setTimeout')
  defineTimer('setInterval')
  defineFunction('clearTimeout', (id?: unknown) => remove(id))
  defineFunction('clearInterval', (id?: unknown) => remove(id))
  defineFunction('queueMicrotask', (callback: () => unknown) => {
    if (typeof callback !== 'function') throw new NativeTypeError('The callback provided is not a function')
    const task = carry(callback)
    void promiseThen(promiseResolve(undefined), () => task())
  })
}
