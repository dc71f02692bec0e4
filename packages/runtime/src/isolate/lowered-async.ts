/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * What lowered async functions and async generators run on (../async-context/lower-module.ts): the text of each is a generator
 * that yields what it awaits. Turns of the microtask queue are as many as V8 takes, so that what runs at the same time
 * keeps its order; before it goes on, the context of the `await` is entered again (ECMA-262 §27.5, §27.6).
 */
import { carry, carryThenable } from './async-context.ts'
import { state } from './execution-state.ts'
import { markStateful } from './kept-values.ts'
import {
  defineHidden,
  getPrototypeOf,
  NativePromise,
  NativeTypeError,
  promiseResolve,
  promiseThen,
  reflectApply,
  reflectDefineProperty,
  reflectSetPrototypeOf,
  uncurryThis,
} from './primordials.ts'

type Body = Generator<unknown, unknown, unknown>
type Lowered = (...args: never[]) => Body
type Resume = (body: Body, value: unknown) => IteratorResult<unknown, unknown>

const generatorPrototype = getPrototypeOf(getPrototypeOf((function* () {})()) as object) as Body
const resumeNext: Resume = uncurryThis(generatorPrototype.next) as never
const resumeThrow: Resume = uncurryThis(generatorPrototype.throw) as never
const resumeReturn: Resume = uncurryThis(generatorPrototype.return) as never

function start(lowered: Lowered, self: unknown, args: ArrayLike<unknown> | null | undefined): Body {
  return reflectApply(lowered, self, (args ?? []) as never) as Body
}

/** Continues when `value` has settled, in the context of now. */
function awaitValue(value: unknown, fulfilled: (value: unknown) => void, rejected: (reason: unknown) => void): void {
  const promise = promiseResolve(carryThenable(value, NativePromise.prototype.then)) as Promise<unknown>
  void promiseThen(promise, carry(fulfilled), carry(rejected))
}

/** `__concave_async`: calls an async function. */
export function runAsync(
  self: unknown,
  args: ArrayLike<unknown> | null | undefined,
  lowered: Lowered,
): Promise<unknown> {
  const { promise, resolve, reject } = NativePromise.withResolvers<unknown>()
  let body: Body
  const goOn = (resume: Resume, value: unknown): void => {
    let result: IteratorResult<unknown, unknown>
    try {
      result = resume(body, value)
    } catch (error) {
      reject(error)
      return
    }
    if (result.done === true) resolve(carryThenable(result.value, NativePromise.prototype.then))
    else awaitValue(result.value, fulfilled, rejected)
  }
  const fulfilled = (value: unknown): void => goOn(resumeNext, value)
  const rejected = (reason: unknown): void => goOn(resumeThrow, reason)
  try {
    // Defaults and patterns of the parameters may throw.
    body = start(lowered, self, args)
  } catch (error) {
    reject(error)
    return promise
  }
  goOn(resumeNext, undefined)
  return promise
}

/**
 * `__concave_await`: what an async generator yields to await it. `isDelegated`: to await an iterator's result within
 * `yield*`, which takes `{done, value}` back.
 */
export class Await {
  readonly 0: unknown
  readonly 1: unknown
  constructor(promise: unknown, isDelegated?: unknown) {
    this[0] = promise
    this[1] = isDelegated
  }
}

type Completion = 'next' | 'throw' | 'return'
type Request = {
  readonly completion: Completion
  readonly value: unknown
  readonly resolve: (result: IteratorResult<unknown, unknown>) => void
  readonly reject: (reason: unknown) => void
}

const asyncIteratorPrototype = getPrototypeOf(
  getPrototypeOf(getPrototypeOf((async function* () {})()) as object) as object,
) as object

/** The queue of requests of one async generator; only the first is being worked on. */
class AsyncGeneratorRun {
  readonly #body: Body
  readonly #queue: Request[] = []
  #state: 'start' | 'yielded' | 'running' | 'completed' = 'start'
  /** What is yielded comes from `yield*`: it is handed on as it is, and so is what comes back. */
  #isDelegating = false

  constructor(body: Body) {
    this.#body = body
  }

  enqueue(completion: Completion, value: unknown): Promise<unknown> {
    const { promise, resolve, reject } = NativePromise.withResolvers<IteratorResult<unknown, unknown>>()
    this.#queue[this.#queue.length] = { completion, value, resolve, reject }
    if (this.#state !== 'running') this.#serve()
    return promise
  }

  #serve(): void {
    const request = this.#queue[0]
    if (request === undefined) return
    const { completion, value } = request
    if (this.#state === 'start' && completion !== 'next') this.#state = 'completed'
    if (this.#state === 'completed') {
      this.#serveCompleted(completion, value)
      return
    }
    const isDelegating = this.#state === 'yielded' && this.#isDelegating
    this.#state = 'running'
    if (completion === 'return' && !isDelegating) {
      awaitValue(
        value,
        (awaited) => this.#resume(resumeReturn, awaited, completion),
        (reason) => this.#resume(resumeThrow, reason, 'throw'),
      )
    } else this.#resume(resumeOf(completion), value, completion)
  }

  #serveCompleted(completion: Completion, value: unknown): void {
    if (completion === 'next') this.#settle(true, undefined)
    else if (completion === 'throw') this.#fail(value)
    else {
      this.#state = 'running'
      awaitValue(
        value,
        (awaited) => this.#end(() => this.#settle(true, awaited)),
        (reason) => this.#end(() => this.#fail(reason)),
      )
    }
  }

  /** `completion`: what the body was last resumed with. */
  #resume(resume: Resume, value: unknown, completion: Completion, delegates = false): void {
    let result: IteratorResult<unknown, unknown>
    try {
      result = resume(this.#body, value)
    } catch (error) {
      this.#end(() => this.#fail(error))
      return
    }
    if (result.done === true) this.#return(result.value, completion === 'return' && result.value === value)
    else if (result.value instanceof Await) this.#await(result.value, completion)
    else if (delegates) this.#yield(result.value, true)
    else
      awaitValue(
        result.value,
        (awaited) => this.#yield(awaited, false),
        (reason) => this.#resume(resumeThrow, reason, 'throw'),
      )
  }

  #await({ 0: promise, 1: isDelegated }: Await, completion: Completion): void {
    awaitValue(
      promise,
      (settled) => {
        if (isDelegated === undefined) {
          this.#resume(resumeNext, settled, 'next')
          return
        }
        let done: unknown
        let value: unknown
        try {
          ;({ done, value } = toResult(settled))
        } catch (error) {
          this.#resume(resumeThrow, error, 'throw')
          return
        }
        const isReturn = completion === 'return'
        const isOver = Boolean(done)
        this.#resume(
          isReturn ? resumeReturn : resumeNext,
          { done, value },
          isReturn && !isOver ? 'return' : 'next',
          !isOver,
        )
      },
      (reason) => this.#resume(resumeThrow, reason, 'throw'),
    )
  }

  #yield(value: unknown, isDelegating: boolean): void {
    this.#isDelegating = isDelegating
    this.#state = 'yielded'
    this.#settle(false, value)
  }

  /** The value of a `return` is awaited; the end of the text and a return from outside have no more to wait for. */
  #return(value: unknown, isAwaited: boolean): void {
    if (value === undefined || isAwaited) this.#end(() => this.#settle(true, value))
    else
      awaitValue(
        value,
        (awaited) => this.#end(() => this.#settle(true, awaited)),
        (reason) => this.#end(() => this.#fail(reason)),
      )
  }

  #end(tell: () => void): void {
    this.#state = 'completed'
    tell()
  }

  #settle(done: boolean, value: unknown): void {
    this.#take().resolve({ value, done } as IteratorResult<unknown, unknown>)
    this.#serve()
  }

  #fail(reason: unknown): void {
    this.#take().reject(reason)
    this.#serve()
  }

  #take(): Request {
    const first = this.#queue[0] as Request
    for (let i = 1; i < this.#queue.length; i++) this.#queue[i - 1] = this.#queue[i] as Request
    this.#queue.length -= 1
    return first
  }
}

function resumeOf(completion: Completion): Resume {
  if (completion === 'next') return resumeNext
  return completion === 'throw' ? resumeThrow : resumeReturn
}

/** Async generator objects, which look like V8's. */
class LoweredAsyncGenerator {
  readonly #run: AsyncGeneratorRun
  constructor(body: Body) {
    this.#run = new AsyncGeneratorRun(body)
  }
  next(value?: unknown): Promise<unknown> {
    return this.#run.enqueue('next', value)
  }
  return(value?: unknown): Promise<unknown> {
    return this.#run.enqueue('return', value)
  }
  throw(reason?: unknown): Promise<unknown> {
    return this.#run.enqueue('throw', reason)
  }
}

/** Its position is where no freezing reaches. */
function noteHiddenState(what: string): void {
  if (state.phase === 'import') markStateful(`${what} was made while the module was imported`)
}

/** `__concave_asyncGenerator`: calls an async generator function. */
export function createAsyncGenerator(
  self: unknown,
  args: ArrayLike<unknown> | null | undefined,
  lowered: Lowered,
): object {
  noteHiddenState('an async generator')
  return new LoweredAsyncGenerator(start(lowered, self, args))
}

type AnyIterator = {
  next(value?: unknown): unknown
  return?(value?: unknown): unknown
  throw?(value?: unknown): unknown
}
type AnyIterable = Partial<Record<symbol, () => AnyIterator>>

/** `__concave_forAwait`: an iterator whose results can be awaited (ECMA-262 GetIterator). */
export function openAsyncIterator(iterable: AnyIterable): AnyIterator {
  noteHiddenState('an iterator')
  const open = iterable[Symbol.asyncIterator]
  if (open !== undefined && open !== null) return reflectApply(open, iterable, []) as AnyIterator
  return awaitValues((iterable as Record<symbol, () => AnyIterator>)[Symbol.iterator]!())
}

/** ECMA-262 §27.1.6: of a synchronous iterator, with every value awaited. */
function awaitValues(iterator: AnyIterator): AnyIterator {
  const goOn = (take: () => unknown, closes: boolean): Promise<unknown> => {
    const { promise, resolve, reject } = NativePromise.withResolvers<unknown>()
    try {
      const { done, value } = toResult(take())
      const isDone = Boolean(done)
      const fail = (reason: unknown): void => {
        try {
          if (!isDone && closes) iterator.return?.()
        } catch {
          // What made it close says more.
        }
        reject(reason)
      }
      awaitValue(value, (awaited) => resolve({ value: awaited, done: isDone }), fail)
    } catch (error) {
      reject(error)
    }
    return promise
  }
  return {
    next: (value) => goOn(() => iterator.next(value), true),
    return: (value) =>
      goOn(() => (iterator.return === undefined ? { value, done: true } : iterator.return(value)), false),
    throw: (reason) =>
      goOn(() => {
        if (iterator.throw !== undefined) return iterator.throw(reason)
        iterator.return?.()
        throw new NativeTypeError('The iterator does not provide a throw method')
      }, true),
  }
}

function toResult(value: unknown): { readonly done?: unknown; readonly value?: unknown } {
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') return value
  throw new NativeTypeError(`Iterator result ${String(value)} is not an object`)
}

/** `__concave_yieldStar`: what `yield*` of a generator delegates to. Each step is awaited first, then taken apart. */
export function delegateTo(iterable: AnyIterable): object {
  const iterator = openAsyncIterator(iterable)
  let isAwaited = false
  const step =
    (method: Completion) =>
    (value: unknown): unknown => {
      isAwaited = !isAwaited
      if (isAwaited) return { done: false, value: new Await(iterator[method]?.(value), 1) }
      // Rejected: the error goes on from the `yield*`.
      if (method === 'throw') throw value
      return value
    }
  const steps = {
    next: step('next'),
    throw: (reason: unknown): unknown => {
      if (iterator.throw !== undefined || isAwaited) return step('throw')(reason)
      throw new NativeTypeError('The iterator does not provide a throw method')
    },
    ...(iterator.return === undefined ? {} : { return: step('return') }),
  }
  return { [Symbol.iterator]: () => steps }
}

/** Names that only lowered modules use. */
export function installLoweredAsync(): void {
  reflectSetPrototypeOf(LoweredAsyncGenerator.prototype, asyncIteratorPrototype)
  defineHidden(LoweredAsyncGenerator.prototype, Symbol.toStringTag, 'AsyncGenerator')
  // Stacks are read by this name.
  reflectDefineProperty(runAsync, 'name', { value: '__concave_async' })
  reflectDefineProperty(globalThis, '__concave_async', { value: runAsync })
  reflectDefineProperty(globalThis, '__concave_asyncGenerator', { value: createAsyncGenerator })
  reflectDefineProperty(globalThis, '__concave_await', { value: Await })
  reflectDefineProperty(globalThis, '__concave_forAwait', { value: openAsyncIterator })
  reflectDefineProperty(globalThis, '__concave_yieldStar', { value: delegateTo })
}
