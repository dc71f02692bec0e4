/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * The built-ins as they were before user code ran. A native function that is none of them acts for something that no
 * reflection sees: it resolves a promise or calls into WebAssembly. And glue that user code can make run must find the
 * built-ins it calls unchanged, or a replacement would be handed objects that only the glue holds.
 */
import {
  functionToString,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isSame,
  NativeError,
  NativeWeakSet,
  ownKeys,
  stringEndsWith,
  weakSetAdd,
  weakSetHas,
} from './primordials.ts'

const arrayIterator = [][Symbol.iterator]()
const generatorPrototype = getPrototypeOf(getPrototypeOf((function* () {})()) as object) as object
const asyncGeneratorPrototype = getPrototypeOf(getPrototypeOf((async function* () {})()) as object) as object

/** What the generators of all functions inherit from. */
export const generatorPrototypes: readonly object[] = [generatorPrototype, asyncGeneratorPrototype]

/** Prototypes of iterators with a position, made by built-ins only. */
export const positionedIterators = [
  getPrototypeOf(arrayIterator),
  getPrototypeOf(new Map()[Symbol.iterator]()),
  getPrototypeOf(new Set()[Symbol.iterator]()),
  getPrototypeOf(''[Symbol.iterator]()),
  getPrototypeOf('a'.matchAll(/a/g)),
  getPrototypeOf(Iterator.from({ next: () => ({ done: true, value: undefined }) } as never)),
  getPrototypeOf(arrayIterator.map((value) => value)),
  getPrototypeOf(new Intl.Segmenter().segment('')[Symbol.iterator]()),
] as readonly object[]

/** Prototypes of the four kinds of functions, whose `constructor` makes code from strings. */
export const functionPrototypes: readonly object[] = [
  Function.prototype,
  getPrototypeOf(async function () {}) as object,
  getPrototypeOf(function* () {}) as object,
  getPrototypeOf(async function* () {}) as object,
]

function strictArguments(): IArguments {
  // oxlint-disable-next-line prefer-rest-params -- the object itself is wanted
  return arguments
}

/** Built-ins that no property of the global object leads to. */
export const hiddenBuiltIns: readonly unknown[] = [
  ...functionPrototypes,
  ...generatorPrototypes,
  ...positionedIterators,
  getPrototypeOf(new Intl.Segmenter().segment('')),
  getPrototypeOf(asyncGeneratorPrototype),
  getOwnPropertyDescriptor(strictArguments(), 'callee')?.get,
]

const constructors = [
  Object,
  Function,
  Array,
  String,
  Number,
  Boolean,
  BigInt,
  Symbol,
  Map,
  Set,
  WeakMap,
  WeakSet,
  Promise,
  RegExp,
  ArrayBuffer,
  DataView,
  Uint8Array,
  Iterator,
]
/** What our glue calls. User code may replace other built-ins, and add to all of them. */
const reliedOn: readonly object[] = [
  ...constructors,
  ...constructors.map((constructor) => constructor.prototype as object),
  getPrototypeOf(Uint8Array) as object,
  getPrototypeOf(Uint8Array.prototype) as object,
  ...generatorPrototypes,
  ...positionedIterators,
  getPrototypeOf(asyncGeneratorPrototype) as object,
  Reflect,
  JSON,
  Math,
]
type Recorded = { readonly object: object; readonly prototype: object | null; readonly keyCount: number }
type Expected = { readonly object: object; readonly key: PropertyKey; readonly value: unknown; readonly set: unknown }

const expected: Expected[] = []
const keyCounts: number[] = []
const nativeFunctions: object[] = []
const recorded: Recorded[] = []
let nativeIsError: ((value: unknown) => boolean) | undefined
// Made when the graph is frozen: a V8 snapshot should not have to carry weak collections.
let knownFunctions: WeakSet<WeakKey> | undefined
let boundFunctions: object[] = []

/** Call when all globals are in place. */
export function recordBuiltIns(): void {
  recordNative([globalThis, ...hiddenBuiltIns])
  for (let i = 0; i < reliedOn.length; i++) expectAsIs(i)
}

function expectAsIs(index: number): void {
  const object = reliedOn[index] as object
  const keys = ownKeys(object)
  if (keyCounts[index] === keys.length) return
  keyCounts[index] = keys.length
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as PropertyKey
    if (isExpected(object, key)) continue
    const descriptor = getOwnPropertyDescriptor(object, key) as PropertyDescriptor
    expected[expected.length] = { object, key, value: descriptor.get ?? descriptor.value, set: descriptor.set }
  }
}

/** V8 adds some globals and methods only after the snapshot. Call before user code runs. */
export function recordLateBuiltIns(): void {
  nativeIsError = (NativeError as unknown as { isError?: (value: unknown) => boolean }).isError
  const late: unknown[] = []
  const { length } = recorded
  for (let i = 0; i < length; i++) {
    const entry = recorded[i] as Recorded
    if (ownKeys(entry.object).length !== entry.keyCount)
      visitProperties(entry.object, (value) => (late[late.length] = value))
  }
  recordNative(late)
  for (let i = 0; i < reliedOn.length; i++) expectAsIs(i)
}

function recordNative(roots: readonly unknown[]): void {
  const seen = new NativeWeakSet<WeakKey>()
  for (let i = 0; i < recorded.length; i++) weakSetAdd(seen, (recorded[i] as Recorded).object)
  const visit = (value: unknown): void => {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return
    if (weakSetHas(seen, value)) return
    weakSetAdd(seen, value)
    recorded[recorded.length] = {
      object: value,
      prototype: getPrototypeOf(value),
      keyCount: ownKeys(value).length,
    }
  }
  let next = recorded.length
  for (let i = 0; i < roots.length; i++) visit(roots[i])
  for (; next < recorded.length; next++) {
    const { object } = recorded[next] as Recorded
    if (typeof object === 'function' && isNative(object)) nativeFunctions[nativeFunctions.length] = object
    visit(getPrototypeOf(object))
    visitProperties(object, visit)
  }
}

function visitProperties(object: object, visit: (value: unknown) => void): void {
  const keys = ownKeys(object)
  for (let i = 0; i < keys.length; i++) {
    const descriptor = getOwnPropertyDescriptor(object, keys[i] as PropertyKey)
    visit(descriptor?.value)
    visit(descriptor?.get)
    visit(descriptor?.set)
  }
}

/** Whether `value` is an error, whatever its prototype is. */
export function isError(value: unknown): boolean {
  return nativeIsError === undefined ? value instanceof NativeError : nativeIsError(value)
}

function isNative(callable: object): boolean {
  return stringEndsWith(functionToString(callable), '{ [native code] }')
}

/** A bound function made during import, whose parts are kept. */
export function addBoundFunction(bound: object): void {
  boundFunctions[boundFunctions.length] = bound
}

/** Call before `isForeignNative`. */
export function startKnowingFunctions(): void {
  const known = new NativeWeakSet<WeakKey>()
  for (let i = 0; i < nativeFunctions.length; i++) weakSetAdd(known, nativeFunctions[i] as object)
  for (let i = 0; i < boundFunctions.length; i++) weakSetAdd(known, boundFunctions[i] as object)
  boundFunctions = []
  knownFunctions = known
}

/** A native function that an `Intl` object hands out. */
export function addKnownFunction(callable: object): void {
  if (knownFunctions !== undefined) weakSetAdd(knownFunctions, callable)
}

/** Whether `callable` is native but was not there before user code ran. */
export function isForeignNative(callable: object): boolean {
  return (knownFunctions === undefined || !weakSetHas(knownFunctions, callable)) && isNative(callable)
}

/** Why the glue can no longer rely on the built-ins; undefined if it can. */
export function findReplacedBuiltIn(): string | undefined {
  for (let i = 0; i < expected.length; i++) {
    const { object, key, value, set } = expected[i] as Expected
    const descriptor = getOwnPropertyDescriptor(object, key)
    if (descriptor === undefined || !isSame(descriptor.get ?? descriptor.value, value) || descriptor.set !== set) {
      return `the built-in ${typeof key === 'string' ? key : 'method of a symbol'} was replaced`
    }
  }
  for (let i = 0; i < recorded.length; i++) {
    const { object, prototype } = recorded[i] as Recorded
    if (getPrototypeOf(object) !== prototype) return 'a built-in got another prototype'
  }
  // An added accessor or index could intercept what the glue does with its own objects.
  for (let i = 0; i < reliedOn.length; i++) {
    const object = reliedOn[i] as object
    const keys = ownKeys(object)
    if (keys.length === keyCounts[i]) continue
    for (let j = 0; j < keys.length; j++) {
      const key = keys[j] as PropertyKey
      const descriptor = getOwnPropertyDescriptor(object, key)
      if (isExpected(object, key)) continue
      if (typeof key === 'symbol' || descriptor?.value === undefined || `${+(key as string)}` === key) {
        return 'a property was added to a built-in that changes how it works'
      }
    }
  }
  return undefined
}

function isExpected(object: object, key: PropertyKey): boolean {
  for (let i = 0; i < expected.length; i++) {
    const entry = expected[i] as Expected
    if (entry.object === object && entry.key === key) return true
  }
  return false
}
