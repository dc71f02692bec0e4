/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * The intrinsics that our glue relies on, captured before user code can replace them. Methods come uncurried:
 * `arrayPush(list, item)` instead of `list.push(item)`.
 */

type Method<Self, Args extends readonly unknown[], Result> = (this: Self, ...args: Args) => Result
type Uncurried = <Self, Args extends readonly unknown[], Result>(
  method: Method<Self, Args, Result>,
) => (self: Self, ...args: Args) => Result

const { bind, call } = Function.prototype

/** Turns a method into a function that takes its receiver first, immune to later changes of `Function.prototype`. */
export const uncurryThis = (bind as unknown as (self: unknown) => Uncurried).call(bind, call)

export const {
  apply: reflectApply,
  construct: reflectConstruct,
  defineProperty: reflectDefineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  has: reflectHas,
  ownKeys,
  preventExtensions: reflectPreventExtensions,
  set: reflectSet,
  setPrototypeOf: reflectSetPrototypeOf,
  deleteProperty: reflectDeleteProperty,
} = Reflect
export const {
  create: objectCreate,
  freeze: objectFreeze,
  is: isSame,
  isFrozen,
  isExtensible,
  keys: objectKeys,
} = Object
export const { isArray } = Array
export const { parse: jsonParse, stringify: jsonStringify } = JSON
export const { floor, min, max, imul } = Math
export const { fromCharCode } = String

export const NativeArrayBuffer = ArrayBuffer
export const NativeDate = Date
export const NativeError = Error
export const NativeMap = Map
export const NativeNumber = Number
export const NativePromise = Promise
export const NativeProxy = Proxy
export const NativeSet = Set
export const NativeString = String
export const NativeTypeError = TypeError
export const NativeUint8Array = Uint8Array
export const NativeUint32Array = Uint32Array
export const NativeWeakMap = WeakMap
export const NativeWeakSet = WeakSet

export const realNow: () => number = Date.now

export const arrayJoin: (self: readonly unknown[], separator: string) => string = uncurryThis(Array.prototype.join)
export const arraySort: <T>(self: T[], compare: (a: T, b: T) => number) => T[] = uncurryThis(
  Array.prototype.sort,
) as never
export const hasOwn: (self: object, key: PropertyKey) => boolean = uncurryThis(Object.prototype.hasOwnProperty)
export const functionBind: (self: unknown, ...args: unknown[]) => unknown = uncurryThis(
  Function.prototype.bind,
) as never
export const functionToString: (self: unknown) => string = uncurryThis(Function.prototype.toString) as never
export const promiseThen: (
  self: Promise<unknown>,
  onFulfilled: (value: unknown) => unknown,
  onRejected?: (reason: unknown) => unknown,
) => Promise<unknown> = uncurryThis(Promise.prototype.then) as never
export const promiseResolve: (value: unknown) => Promise<unknown> = uncurryThis(Promise.resolve).bind(
  undefined,
  Promise,
) as never
export const promiseReject: (reason: unknown) => Promise<never> = uncurryThis(Promise.reject).bind(
  undefined,
  Promise,
) as never
export const stringSlice: (self: string, start: number, end?: number) => string = uncurryThis(String.prototype.slice)
export const stringCharCodeAt: (self: string, index: number) => number = uncurryThis(String.prototype.charCodeAt)
export const stringStartsWith: (self: string, text: string) => boolean = uncurryThis(
  String.prototype.startsWith,
) as never
export const stringIndexOf: (self: string, text: string, from?: number) => number = uncurryThis(
  String.prototype.indexOf,
)
export const stringEndsWith: (self: string, text: string) => boolean = uncurryThis(String.prototype.endsWith) as never
export const stringToLowerCase: (self: string) => string = uncurryThis(String.prototype.toLowerCase)
export const symbolToString: (self: symbol) => string = uncurryThis(Symbol.prototype.toString) as never
export const symbolFor: (key: string) => symbol = Symbol.for
export const regExpExec: (self: RegExp, text: string) => RegExpExecArray | null = uncurryThis(RegExp.prototype.exec)

const getter = (prototype: object, key: PropertyKey): ((self: unknown) => unknown) => {
  const get = getOwnPropertyDescriptor(prototype, key)?.get
  if (get === undefined) throw new NativeTypeError(`no getter ${NativeString(key)}`)
  return uncurryThis(get as Method<unknown, [], unknown>)
}
export const mapForEach: <K, V>(self: Map<K, V>, visit: (value: V, key: K) => void) => void = uncurryThis(
  Map.prototype.forEach,
) as never
export const setForEach: <T>(self: Set<T>, visit: (value: T) => void) => void = uncurryThis(
  Set.prototype.forEach,
) as never
export const mapGet: <K, V>(self: Map<K, V>, key: K) => V | undefined = uncurryThis(Map.prototype.get) as never
export const mapSet: <K, V>(self: Map<K, V>, key: K, value: V) => unknown = uncurryThis(Map.prototype.set) as never
export const mapDelete: <K, V>(self: Map<K, V>, key: K) => boolean = uncurryThis(Map.prototype.delete) as never
export const weakMapGet: <K extends WeakKey, V>(self: WeakMap<K, V>, key: K) => V | undefined = uncurryThis(
  WeakMap.prototype.get,
) as never
export const weakMapSet: <K extends WeakKey, V>(self: WeakMap<K, V>, key: K, value: V) => unknown = uncurryThis(
  WeakMap.prototype.set,
) as never
export const weakMapHas: (self: WeakMap<WeakKey, unknown>, key: WeakKey) => boolean = uncurryThis(
  WeakMap.prototype.has,
) as never
export const weakSetAdd: (self: WeakSet<WeakKey>, key: WeakKey) => unknown = uncurryThis(WeakSet.prototype.add) as never
export const weakSetHas: (self: WeakSet<WeakKey>, key: WeakKey) => boolean = uncurryThis(WeakSet.prototype.has) as never

const typedArrayPrototype = getPrototypeOf(Uint8Array.prototype) as object
export const typedArrayTag = getter(typedArrayPrototype, Symbol.toStringTag) as (self: unknown) => string | undefined
export const typedArrayBuffer = getter(typedArrayPrototype, 'buffer') as (self: unknown) => ArrayBuffer
export const typedArrayByteLength = getter(typedArrayPrototype, 'byteLength') as (self: unknown) => number
export const typedArrayByteOffset = getter(typedArrayPrototype, 'byteOffset') as (self: unknown) => number
export const dataViewByteLength = getter(DataView.prototype, 'byteLength') as (self: unknown) => number
export const dataViewByteOffset = getter(DataView.prototype, 'byteOffset') as (self: unknown) => number
export const dataViewBuffer = getter(DataView.prototype, 'buffer') as (self: unknown) => ArrayBuffer
export const arrayBufferByteLength = getter(ArrayBuffer.prototype, 'byteLength') as (self: unknown) => number
export const arrayBufferResizable = getter(ArrayBuffer.prototype, 'resizable') as (self: unknown) => boolean
export const isView: (value: unknown) => value is ArrayBufferView = ArrayBuffer.isView

/** Defines a writable, configurable, non-enumerable property, as built-in methods and globals have. */
export function defineHidden(target: object, key: PropertyKey, value: unknown): void {
  reflectDefineProperty(target, key, { value, writable: true, enumerable: false, configurable: true })
}
