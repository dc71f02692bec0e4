/* oxlint-disable typescript/no-base-to-string -- names are converted by ToString */
/** `AsyncLocalStorage` and `AsyncResource` as Node 24 has them (https://nodejs.org/api/async_context.html). */
import { type AsyncContext, currentContext, enterContext, runInContext, startUsingContexts } from '../async-context.ts'
import { NativeTypeError, reflectApply, reflectDefineProperty } from '../primordials.ts'
import { defineInterface } from './interface.ts'

type Task = (...args: unknown[]) => unknown
type StorageOptions = { readonly defaultValue?: unknown; readonly name?: unknown }

class AsyncLocalStorage {
  readonly #defaultValue: unknown
  readonly #name: string

  constructor(options: StorageOptions = {}) {
    if (typeof options !== 'object' || options === null) throw new NativeTypeError('The options must be an object')
    startUsingContexts()
    this.#defaultValue = options.defaultValue
    this.#name = options.name === undefined ? '' : String(options.name)
  }

  static bind(task: unknown): Task {
    return AsyncResource.bind(task)
  }
  static snapshot(): Task {
    return AsyncLocalStorage.bind((task: Task, ...args: unknown[]) => task(...args))
  }

  get name(): string {
    return this.#name
  }
  run(store: unknown, task: Task, ...args: unknown[]): unknown {
    const prior = this.getStore()
    if (Object.is(prior, store)) return reflectApply(task, null, args)
    this.enterWith(store)
    try {
      return reflectApply(task, null, args)
    } finally {
      this.enterWith(prior)
    }
  }
  exit(task: Task, ...args: unknown[]): unknown {
    return this.run(undefined, task, ...args)
  }
  getStore(): unknown {
    const context = currentContext()
    return context?.has(this) === true ? context.get(this) : this.#defaultValue
  }
  enterWith(store: unknown): void {
    enterContext(new Map(currentContext()).set(this, store))
  }
  /** Whoever shares the context loses the store, too. */
  disable(): void {
    currentContext()?.delete(this)
  }
  withScope(store: unknown): RunScope {
    return new RunScope(this, store)
  }
}

/** `using scope = storage.withScope(store)`. */
class RunScope {
  readonly #storage: AsyncLocalStorage
  readonly #prior: unknown
  #isOver = false

  constructor(storage: AsyncLocalStorage, store: unknown) {
    this.#storage = storage
    this.#prior = storage.getStore()
    storage.enterWith(store)
  }
  dispose(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#storage.enterWith(this.#prior)
  }
  [Symbol.dispose](): void {
    this.dispose()
  }
}

let lastAsyncId = 1

class AsyncResource {
  readonly #context: AsyncContext
  readonly #asyncId: number

  constructor(type: unknown, _options?: unknown) {
    if (typeof type !== 'string') throw new NativeTypeError('The "type" argument must be of type string.')
    startUsingContexts()
    this.#context = currentContext()
    this.#asyncId = lastAsyncId += 1
  }

  static bind(task: unknown, type?: unknown, self?: unknown): Task {
    const name = type ?? (task as { name?: string } | null | undefined)?.name
    return new AsyncResource(name === undefined || name === '' ? 'bound-anonymous-fn' : name).bind(task, self)
  }

  runInAsyncScope(task: Task, self?: unknown, ...args: unknown[]): unknown {
    return runInContext(this.#context, task, self, args)
  }
  bind(task: unknown, self?: unknown): Task {
    if (typeof task !== 'function') throw new NativeTypeError('The "fn" argument must be of type function.')
    const context = this.#context
    const bound = function (this: unknown, ...args: unknown[]): unknown {
      return runInContext(context, task as Task, self === undefined ? this : self, args)
    }
    reflectDefineProperty(bound, 'length', { value: task.length, configurable: true })
    return bound
  }
  emitDestroy(): this {
    return this
  }
  asyncId(): number {
    return this.#asyncId
  }
  triggerAsyncId(): number {
    return 1
  }
}

export function installAsyncLocalStorage(): void {
  defineInterface('AsyncLocalStorage', AsyncLocalStorage)
  defineInterface('AsyncResource', AsyncResource)
}
