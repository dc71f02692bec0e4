/**
 * `AsyncLocalStorage` and `AsyncResource` as far as they can be had without the engine's help: a store is visible to
 * everything that runs synchronously inside `run`, and to functions bound with `bind` or `snapshot`. It does not flow
 * over `await`: there `getStore()` answers undefined, never another task's store.
 */
import { state } from '../execution-state.ts'
import { keep } from '../kept-values.ts'
import { defineInterface } from './interface.ts'

type Task = (...args: unknown[]) => unknown
type Context = ReadonlyMap<AsyncLocalStorage, unknown>

const noContext: Context = new Map()
let current: Context = noContext
let currentEpoch = -1

function currentContext(): Context {
  return currentEpoch === state.epoch ? current : noContext
}

function enter(context: Context): void {
  current = context
  currentEpoch = state.epoch
}

function runIn(context: Context, task: Task, self: unknown, args: readonly unknown[]): unknown {
  const outer = currentContext()
  enter(context)
  try {
    return task.apply(self, [...args])
  } finally {
    enter(outer)
  }
}

class AsyncLocalStorage {
  static bind(task: Task): Task {
    const context = currentContext()
    keep(context)
    keep(task)
    return function (this: unknown, ...args: unknown[]) {
      return runIn(context, task, this, args)
    }
  }
  static snapshot(): (task: Task, ...args: unknown[]) => unknown {
    const context = currentContext()
    keep(context)
    return (task, ...args) => runIn(context, task, undefined, args)
  }

  run(store: unknown, task: Task, ...args: unknown[]): unknown {
    return runIn(new Map([...currentContext(), [this, store]]), task, undefined, args)
  }
  exit(task: Task, ...args: unknown[]): unknown {
    return this.run(undefined, task, ...args)
  }
  getStore(): unknown {
    return currentContext().get(this)
  }
  enterWith(store: unknown): void {
    enter(new Map([...currentContext(), [this, store]]))
  }
  disable(): void {
    enter(new Map([...currentContext()].filter(([storage]) => storage !== this)))
  }
}

class AsyncResource {
  readonly #context = keep(currentContext())
  constructor(_type: unknown, _options?: unknown) {}
  static bind(task: Task): Task {
    return AsyncLocalStorage.bind(task)
  }
  runInAsyncScope(task: Task, self?: unknown, ...args: unknown[]): unknown {
    return runIn(this.#context, task, self, args)
  }
  bind(task: Task): Task {
    const context = this.#context
    keep(task)
    return function (this: unknown, ...args: unknown[]) {
      return runIn(context, task, this, args)
    }
  }
  emitDestroy(): this {
    return this
  }
  asyncId(): number {
    return 0
  }
  triggerAsyncId(): number {
    return 0
  }
}

export function installAsyncContext(): void {
  defineInterface('AsyncLocalStorage', AsyncLocalStorage)
  defineInterface('AsyncResource', AsyncResource)
}
