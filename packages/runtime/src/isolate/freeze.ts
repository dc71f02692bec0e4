/**
 * Freezes a module graph together with every intrinsic, so that no call can leave anything behind for the next one
 * (design.md §6). Walks own properties, accessors' functions and prototypes from the module namespaces, the global
 * object and everything `kept-values.ts` collected. Objects whose state is not in properties are either guarded
 * (collections, dates, our own classes: frozen-state.ts) or reported as the reason why the graph cannot be frozen.
 */
import { findProxyParts, findStatefulReason, takeKept } from './kept-values.ts'
import { isFrozenObject, markFrozen, startFrozenGraph, stopFrozenGraph } from './frozen-state.ts'
import { allowOverrides } from './override-mistake.ts'
import { regExpPrototype, startWatchingRegExp } from './regexp-prototype.ts'
import {
  arrayBufferByteLength,
  dataViewByteLength,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isView,
  mapForEach,
  NativeError,
  NativeWeakSet,
  objectFreeze,
  ownKeys,
  reflectApply,
  reflectDefineProperty,
  reflectPreventExtensions,
  setForEach,
  typedArrayByteLength,
  typedArrayTag,
  weakSetAdd,
  weakSetHas,
} from './primordials.ts'

const prototypesOf = {
  map: Map.prototype as object,
  set: Set.prototype as object,
  promise: Promise.prototype as object,
  arrayBuffer: ArrayBuffer.prototype as object,
  regExp: regExpPrototype,
  iterator: Iterator.prototype as object,
  asyncIterator: getPrototypeOf(
    getPrototypeOf(getPrototypeOf((async function* () {})()) as object) as object,
  ) as object,
  dateTimeFormat: Intl.DateTimeFormat.prototype as object,
  numberFormat: Intl.NumberFormat.prototype as object,
  collator: Intl.Collator.prototype as object,
}
const generatorFunctionPrototype = getPrototypeOf(function* () {})
const asyncGeneratorFunctionPrototype = getPrototypeOf(async function* () {})
const arrayIterator = [][Symbol.iterator]()
const iteratorPrototypes: readonly unknown[] = [
  getPrototypeOf(getPrototypeOf((function* () {})()) as object),
  getPrototypeOf(getPrototypeOf((async function* () {})()) as object),
  prototypesOf.asyncIterator,
  getPrototypeOf(arrayIterator),
  getPrototypeOf(new Map()[Symbol.iterator]()),
  getPrototypeOf(new Set()[Symbol.iterator]()),
  getPrototypeOf(''[Symbol.iterator]()),
  getPrototypeOf('a'.matchAll(/a/g)),
  getPrototypeOf(Iterator.from({ next: () => ({ done: true, value: undefined }) } as never)),
  getPrototypeOf(arrayIterator.map((value) => value)),
]
/** Intrinsics that no property of the global object leads to. */
const hiddenIntrinsics: readonly unknown[] = [
  getPrototypeOf(async function () {}),
  generatorFunctionPrototype,
  asyncGeneratorFunctionPrototype,
  ...iteratorPrototypes,
]
const generatorPrototypes = new NativeWeakSet<WeakKey>()

/** Objects with state that nothing here covers. Looked up late: V8 adds some globals only after the snapshot. */
function listUnfreezableKinds(): object[] {
  const kinds: object[] = []
  const scope = globalThis as unknown as Record<string, Record<string, unknown> | undefined>
  const add = (holder: Record<string, unknown> | undefined, name: string): void => {
    const prototype = (holder?.[name] as { prototype?: object } | undefined)?.prototype
    if (prototype !== undefined) kinds[kinds.length] = prototype
  }
  for (const name of ['SharedArrayBuffer', 'DisposableStack', 'AsyncDisposableStack']) add(scope, name)
  for (const name of ['Instance', 'Memory', 'Table', 'Global']) add(scope['WebAssembly'], name)
  return kinds
}
let unfreezableKinds: object[] = []

type StatefulRegExp = { readonly regExp: RegExp; readonly lastIndex: number }
/** Frozen but for `lastIndex`, which matching writes; every call starts with the value it had when frozen. */
const statefulRegExps: StatefulRegExp[] = []

/** Undoes the only property writes that a frozen graph allows. */
export function resetFrozenGraph(): void {
  for (let i = 0; i < statefulRegExps.length; i++) {
    const entry = statefulRegExps[i] as StatefulRegExp
    entry.regExp.lastIndex = entry.lastIndex
  }
}

class Unfreezable extends NativeError {}

type Visit = (value: unknown) => void

/**
 * `undefined`, or why the graph may not be reused. After a reason nothing has been frozen: the context behaves as
 * before and can serve the one call it was made for.
 */
export function freeze(roots: readonly unknown[]): string | undefined {
  const reason = findStatefulReason()
  if (reason !== undefined) return reason
  unfreezableKinds = listUnfreezableKinds()
  startFrozenGraph()
  let objects: readonly object[]
  try {
    objects = collect([hiddenIntrinsics, [globalThis], takeKept(), roots])
  } catch (error) {
    stopFrozenGraph()
    if (error instanceof Unfreezable) return error.message
    throw error
  }
  if (!startWatchingRegExp()) {
    stopFrozenGraph()
    return 'RegExp.prototype was changed'
  }
  allowOverrides(markFrozen)
  for (let i = 0; i < objects.length; i++) freezeOne(objects[i] as object)
  return undefined
}

/** Everything reachable from `rootLists`, each object once. Throws `Unfreezable`. */
function collect(rootLists: readonly (readonly unknown[])[]): readonly object[] {
  const objects: object[] = []
  const visit = (value: unknown): void => {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return
    if (isFrozenObject(value)) return
    markFrozen(value)
    objects[objects.length] = value
  }
  for (let i = 0; i < rootLists.length; i++) {
    const roots = rootLists[i] as readonly unknown[]
    for (let j = 0; j < roots.length; j++) visit(roots[j])
  }
  for (let i = 0; i < objects.length; i++) walk(objects[i] as object, visit)
  return objects
}

function walk(object: object, visit: Visit): void {
  const proxy = findProxyParts(object)
  if (proxy !== undefined) {
    visit(proxy.target)
    visit(proxy.handler)
    return
  }
  const prototype = getPrototypeOf(object)
  visit(prototype)
  checkInternalState(object, prototype, visit)
  const keys = ownKeys(object)
  for (let i = 0; i < keys.length; i++) {
    const descriptor = getOwnPropertyDescriptor(object, keys[i] as PropertyKey)
    if (descriptor === undefined) continue
    if (descriptor.get !== undefined || descriptor.set !== undefined) {
      visit(descriptor.get)
      visit(descriptor.set)
    } else visit(descriptor.value)
  }
}

function freezeOne(object: object): void {
  if (findProxyParts(object) !== undefined || isNamespace(object) || object === regExpPrototype) return
  if (object === NativeError) freezeErrorConstructor()
  else if (isStatefulRegExp(object)) freezeRegExp(object)
  else objectFreeze(object)
}

/** A module namespace is immutable already, except for what its module assigns to its own bindings. */
function isNamespace(object: object): boolean {
  if (typeof object === 'function' || getPrototypeOf(object) !== null) return false
  const tag = getOwnPropertyDescriptor(object, Symbol.toStringTag)
  return tag?.value === 'Module' && tag.configurable === false && tag.writable === false
}

/** V8 reads `Error.stackTraceLimit` only as a data property: it stays writable, and every phase resets it. */
function freezeErrorConstructor(): void {
  const keys = ownKeys(NativeError)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as PropertyKey
    if (key === 'stackTraceLimit' || key === 'prepareStackTrace') {
      reflectDefineProperty(NativeError, key, { configurable: false })
    } else fixProperty(NativeError, key)
  }
  reflectPreventExtensions(NativeError)
}

function fixProperty(object: object, key: PropertyKey): void {
  const descriptor = getOwnPropertyDescriptor(object, key)
  if (descriptor === undefined) return
  const isData = 'value' in descriptor
  reflectDefineProperty(object, key, isData ? { writable: false, configurable: false } : { configurable: false })
}

function isStatefulRegExp(object: object): object is RegExp {
  if (typeof object === 'function' || !inherits(object, prototypesOf.regExp)) return false
  return getOwnPropertyDescriptor(object, 'lastIndex')?.writable === true
}

function freezeRegExp(regExp: RegExp): void {
  const keys = ownKeys(regExp)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as PropertyKey
    if (key !== 'lastIndex') fixProperty(regExp, key)
  }
  reflectPreventExtensions(regExp)
  const { lastIndex } = regExp
  statefulRegExps[statefulRegExps.length] = { regExp, lastIndex }
}

function inherits(object: object, prototype: object): boolean {
  for (let link = getPrototypeOf(object); link !== null; link = getPrototypeOf(link)) {
    if (link === prototype) return true
    if (findProxyParts(link) !== undefined) return false
  }
  return false
}

/** Throws `Unfreezable` for state that neither freezing nor our guards cover; visits what collections hold. */
function checkInternalState(object: object, prototype: object | null, visit: Visit): void {
  if (typeof object === 'function') {
    allowGeneratorPrototype(object, prototype)
    return
  }
  if (isView(object)) {
    const length = typedArrayTag(object) === undefined ? dataViewByteLength(object) : typedArrayByteLength(object)
    if (length > 0) throw new Unfreezable('a typed array lives at module level')
    return
  }
  if (prototype === null || prototype === Object.prototype || prototype === Array.prototype) return
  for (let link: object | null = prototype; link !== null; link = getPrototypeOf(link)) {
    if (findProxyParts(link) !== undefined) return
    checkKind(object, link, visit)
  }
}

function checkKind(object: object, kind: object, visit: Visit): void {
  if (kind === prototypesOf.map) visitMap(object, visit)
  else if (kind === prototypesOf.set) visitSet(object, visit)
  else if (kind === prototypesOf.promise) throw new Unfreezable('a promise lives at module level')
  else if (kind === prototypesOf.arrayBuffer) checkArrayBuffer(object)
  else if (kind === prototypesOf.dateTimeFormat || kind === prototypesOf.numberFormat)
    visitBound(object, kind, 'format', visit)
  else if (kind === prototypesOf.collator) visitBound(object, kind, 'compare', visit)
  else if (kind === prototypesOf.iterator || kind === prototypesOf.asyncIterator) checkIterator(object)
  else if (includes(unfreezableKinds, kind)) throw new Unfreezable(`${describeKind(object)} lives at module level`)
}

/** What is an iterator by its prototype may be the `prototype` of a generator function or of a class of iterators. */
function checkIterator(object: object): void {
  if (includes(iteratorPrototypes, object) || weakSetHas(generatorPrototypes, object)) return
  const constructor = getOwnPropertyDescriptor(object, 'constructor')?.value as unknown
  if (typeof constructor === 'function' && getOwnPropertyDescriptor(constructor, 'prototype')?.value === object) return
  throw new Unfreezable('an iterator or generator object lives at module level')
}

/** Every generator function has a plain object of its own that its generators inherit from. */
function allowGeneratorPrototype(callable: object, prototype: object | null): void {
  if (prototype !== generatorFunctionPrototype && prototype !== asyncGeneratorFunctionPrototype) return
  const own: unknown = getOwnPropertyDescriptor(callable, 'prototype')?.value
  if (typeof own === 'object' && own !== null) weakSetAdd(generatorPrototypes, own)
}

function includes(list: readonly unknown[], item: unknown): boolean {
  for (let i = 0; i < list.length; i++) if (list[i] === item) return true
  return false
}

/** An object may inherit from a collection without being one; then it holds nothing. */
function visitMap(object: object, visit: Visit): void {
  const visitEntry = (value: unknown, key: unknown): void => {
    visit(key)
    visit(value)
  }
  if (isBranded(() => mapForEach(object as Map<unknown, unknown>, () => undefined))) {
    mapForEach(object as Map<unknown, unknown>, visitEntry)
  }
}

function visitSet(object: object, visit: Visit): void {
  if (isBranded(() => setForEach(object as Set<unknown>, () => undefined))) setForEach(object as Set<unknown>, visit)
}

function isBranded(probe: () => void): boolean {
  try {
    probe()
    return true
  } catch {
    return false
  }
}

function checkArrayBuffer(object: object): void {
  let length = 0
  if (isBranded(() => (length = arrayBufferByteLength(object)))) {
    if (length > 0 || (object as ArrayBuffer).resizable) throw new Unfreezable('an array buffer lives at module level')
  }
}

/** `Intl` objects hand out one bound function each, to which properties could be added. */
function visitBound(object: object, prototype: object, name: string, visit: Visit): void {
  if (object === prototype) return
  const get = getOwnPropertyDescriptor(prototype, name)?.get
  if (get !== undefined) isBranded(() => visit(reflectApply(get, object, [])))
}

function describeKind(object: object): string {
  const constructor = (getPrototypeOf(object) as { constructor?: { name?: unknown } } | null)?.constructor
  return typeof constructor?.name === 'string' ? `an object of class ${constructor.name}` : 'an object'
}
