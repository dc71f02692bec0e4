/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * Promises as the rest of the isolate needs them: handlers run in the asynchronous context of the code that gave them
 * (async-context.ts), and a handler of rejections shows what it gets to `noteCaught`, as `catch` clauses do: the error may
 * be that of a write to something frozen. V8's own `catch`, `finally`, `all`, `allSettled`, `any` and `race` call `then`.
 */
import { areContextsUsed, carry, carryThenable } from './async-context.ts'
import { noteCaught } from './errors.ts'
import { isGraphFrozen } from './frozen-state.ts'
import { openAsyncIterator, runAsync } from './lowered-async.ts'
import { defineHidden, NativePromise, NativeTypeError, reflectApply, reflectDefineProperty } from './primordials.ts'

type Handler = (value: unknown) => unknown

const nativeThen = NativePromise.prototype.then as (this: unknown, ...handlers: unknown[]) => Promise<unknown>
const nativeResolve = NativePromise.resolve as (this: unknown, value: unknown) => Promise<unknown>

function carryHandler(handler: unknown): unknown {
  if (typeof handler !== 'function') return handler
  return carry((value: unknown) => carryThenable((handler as Handler)(value), then))
}

function noteReason(handler: unknown): unknown {
  if (typeof handler !== 'function') return handler
  return (reason: unknown): unknown => {
    noteCaught(reason)
    return (handler as Handler)(reason)
  }
}

const methods = {
  // oxlint-disable-next-line unicorn/no-thenable -- the methods of promises
  then(this: unknown, onFulfilled: unknown, onRejected: unknown): Promise<unknown> {
    if (areContextsUsed())
      return reflectApply(nativeThen, this, [carryHandler(onFulfilled), carryHandler(onRejected)]) as Promise<unknown>
    const noted = isGraphFrozen() ? noteReason(onRejected) : onRejected
    return reflectApply(nativeThen, this, [onFulfilled, noted]) as Promise<unknown>
  },
  resolve(this: unknown, value: unknown): Promise<unknown> {
    const isOwn = value instanceof NativePromise && value.constructor === this
    return reflectApply(nativeResolve, this, [isOwn ? value : carryThenable(value, then)]) as Promise<unknown>
  },
}
const { then } = methods

type FromAsync = (this: unknown, items: unknown, map?: unknown, self?: unknown) => Promise<unknown>

/** V8's own continues without a context. */
function replaceFromAsync(): void {
  const native = (Array as unknown as { fromAsync?: FromAsync }).fromAsync
  if (native === undefined) return
  const replacement = {
    fromAsync(this: unknown, items: unknown, map?: unknown, self?: unknown): Promise<unknown> {
      if (!areContextsUsed() || this !== Array)
        return reflectApply(native, this, [items, map, self]) as Promise<unknown>
      return runAsync(undefined, [items, map, self], collect)
    },
  }
  reflectDefineProperty(replacement.fromAsync, 'length', { value: 1, configurable: true })
  defineHidden(Array, 'fromAsync', replacement.fromAsync)
}

type Source = Partial<AsyncIterable<unknown> & Iterable<unknown>> & ArrayLike<unknown>

/** ECMA-262 Array.fromAsync; what is yielded is awaited. */
function* collect(items: Source, map: unknown, self: unknown): Generator<unknown, unknown[], unknown> {
  if (map !== undefined && typeof map !== 'function') throw new NativeTypeError('The mapper is not a function')
  const mapped = (value: unknown, index: number): unknown =>
    map === undefined ? value : reflectApply(map as Handler, self, [value, index])
  const result: unknown[] = []
  if ((items[Symbol.asyncIterator] ?? items[Symbol.iterator]) === undefined) {
    for (let i = 0; i < items.length; i++) result[i] = yield mapped(yield items[i], i)
    return result
  }
  const iterator = openAsyncIterator(items as never)
  for (let i = 0; ; i++) {
    const step = (yield iterator.next()) as IteratorResult<unknown>
    if (step.done === true) return result
    let isTaken = false
    try {
      result[i] = map === undefined ? step.value : yield mapped(step.value, i)
      isTaken = true
    } finally {
      if (!isTaken) yield iterator.return?.()
    }
  }
}

export function installPromiseHooks(): void {
  reflectDefineProperty(methods.then, 'length', { value: 2, configurable: true })
  defineHidden(NativePromise.prototype, 'then', methods.then)
  defineHidden(NativePromise, 'resolve', methods.resolve)
  replaceFromAsync()
}
