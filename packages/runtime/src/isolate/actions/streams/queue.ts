/** What the controllers of streams share: a queue that knows its size (WHATWG Streams §8.1) and a settable promise. */

export type Settable<T> = {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

export function createSettable<T>(): Settable<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  return { promise, resolve, reject }
}

/** A promise whose rejection is nobody's failure: it is only one of the ways to learn of it. */
export function quiet<T>(settable: Settable<T>): Settable<T> {
  settable.promise.catch(() => undefined)
  return settable
}

export type Strategy = { readonly highWaterMark?: unknown; readonly size?: unknown }
export type SizeOf = (chunk: unknown) => number

export function toSizeOf(strategy: Strategy | undefined | null): SizeOf {
  const size = strategy?.size
  if (size === undefined) return () => 1
  if (typeof size !== 'function') throw new TypeError('The size of a queuing strategy must be a function')
  return (chunk) => Number((size as (this: undefined, chunk: unknown) => unknown).call(undefined, chunk))
}

export function toHighWaterMark(strategy: Strategy | undefined | null, byDefault: number): number {
  const given = strategy?.highWaterMark
  if (given === undefined) return byDefault
  const mark = Number(given)
  if (Number.isNaN(mark) || mark < 0) throw new RangeError('Invalid highWaterMark')
  return mark
}

export class SizedQueue<T> {
  readonly #items: { readonly value: T; readonly size: number }[] = []
  #head = 0
  #total = 0

  get length(): number {
    return this.#items.length - this.#head
  }
  get total(): number {
    return this.#total
  }

  add(value: T, size: number): void {
    if (!(size >= 0) || size === Infinity)
      throw new RangeError('The size of a chunk must be a finite number, 0 or more')
    this.#items.push({ value, size })
    this.#total += size
  }

  take(): T {
    const item = this.#items[this.#head] as { readonly value: T; readonly size: number }
    this.#head += 1
    this.#total = Math.max(0, this.#total - item.size)
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item.value
  }

  peek(): T {
    return (this.#items[this.#head] as { readonly value: T }).value
  }

  /** Leaves less of the first item. */
  replaceFirst(value: T, size: number): void {
    const item = this.#items[this.#head] as { readonly size: number }
    this.#items[this.#head] = { value, size }
    this.#total += size - item.size
  }

  clear(): void {
    this.#items.length = 0
    this.#head = 0
    this.#total = 0
  }
}

type StrategyInit = { readonly highWaterMark: number }

export class CountQueuingStrategy {
  readonly highWaterMark: number
  constructor(init: StrategyInit) {
    this.highWaterMark = init.highWaterMark
  }
  get size(): SizeOf {
    return () => 1
  }
}

export class ByteLengthQueuingStrategy {
  readonly highWaterMark: number
  constructor(init: StrategyInit) {
    this.highWaterMark = init.highWaterMark
  }
  get size(): SizeOf {
    return (chunk) => (chunk as { readonly byteLength: number }).byteLength
  }
}
