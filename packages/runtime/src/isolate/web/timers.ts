/** Timers exist and fail: no time passes in queries and mutations. Clearing is harmless. */
import { carry } from '../async-context.ts'
import { notAllowedError } from '../execution-state.ts'
import { noteCaught } from '../errors.ts'
import { NativeTypeError, promiseResolve, promiseThen } from '../primordials.ts'
import { defineFunction } from './interface.ts'

/** For web interfaces that need one. */
export function startTimer(_callback: () => void, _delayMs: unknown): void {
  throw notAllowedError('setTimeout')
}

export function installTimers(): void {
  defineFunction('setTimeout', () => {
    throw notAllowedError('setTimeout')
  })
  defineFunction('setInterval', () => {
    throw notAllowedError('setInterval')
  })
  defineFunction('clearTimeout', () => undefined)
  defineFunction('clearInterval', () => undefined)
  defineFunction('queueMicrotask', (callback: () => unknown) => {
    if (typeof callback !== 'function') throw new NativeTypeError('The callback provided is not a function')
    // What the callback throws becomes an unhandled rejection, which fails the function.
    const task = carry(callback)
    void promiseThen(promiseResolve(undefined), () => {
      try {
        task()
      } catch (error) {
        noteCaught(error)
        throw error
      }
    })
  })
}
