/**
 * What `AsyncLocalStorage`s hold for the code that runs now, and its way to the code that runs later. V8 carries such a
 * context over `await` for its embedder only, so here it travels in callbacks: `carry` binds one to the context of the
 * code that hands it over. Promises do so for their handlers (promise-hooks.ts), and so do timers. Modules whose `await`
 * would lose it are lowered at push (../async-context) and continue through lowered-async.ts.
 *
 * Outside of any task the context is empty: every way into user code restores what it found.
 */
import { isGraphFrozen, noteFrozenWrite } from './frozen-state.ts'
import { markStateful } from './kept-values.ts'
import { state } from './execution-state.ts'
import { NativeTypeError, reflectApply } from './primordials.ts'

/** Stores by storage; undefined is the empty one. */
export type AsyncContext = Map<object, unknown> | undefined
type Task = (...args: never[]) => unknown

let current: AsyncContext
/** Until then nothing needs to be carried. */
let isUsed = false

export function currentContext(): AsyncContext {
  return current
}

export function enterContext(context: AsyncContext): void {
  current = context
}

/** Anything made from here on might need its context. Such a graph is not used again: contexts would outlive calls. */
export function startUsingContexts(): void {
  if (isGraphFrozen()) {
    noteFrozenWrite()
    throw new NativeTypeError('Cannot modify frozen module state')
  }
  if (state.phase === 'import') markStateful('an asynchronous context was used while the module was imported')
  isUsed = true
}

export function areContextsUsed(): boolean {
  return isUsed
}

/** A phase begins: nothing of the one before is seen. */
export function resetContext(): void {
  current = undefined
}

export function runInContext(context: AsyncContext, task: Task, self: unknown, args: readonly unknown[]): unknown {
  const outer = current
  current = context
  try {
    return reflectApply(task, self, args)
  } finally {
    current = outer
  }
}

/** `task`, to run in the context of now whenever it is called. */
export function carry<T extends Task>(task: T): T {
  if (!isUsed) return task
  const context = current
  return ((...args: unknown[]) => runInContext(context, task, undefined, args)) as never
}

/** What `object` has under `names`; methods run on it in the context of now. */
export function carryMethods<T extends object>(object: T, names: readonly (keyof T)[]): T {
  if (!isUsed) return object
  const context = current
  const carried: Partial<Record<keyof T, unknown>> = {}
  for (const name of names) {
    const value: unknown = object[name]
    carried[name] =
      typeof value === 'function'
        ? (...args: unknown[]): unknown => runInContext(context, value as Task, object, args)
        : value
  }
  return carried as T
}

/**
 * What a promise may be resolved with in place of `value`: V8 calls the `then` of a thenable later, when the context is
 * gone. `then` of the built-in promises needs none.
 */
export function carryThenable(value: unknown, builtInThen: unknown): unknown {
  if (!isUsed || current === undefined) return value
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return value
  const { then } = value as { then?: unknown }
  if (typeof then !== 'function' || then === builtInThen) return value
  const context = current
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- a promise is resolved with it
    then: (...handlers: unknown[]) => runInContext(context, then as Task, value, handlers),
  }
}
