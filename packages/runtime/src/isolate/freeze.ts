/**
 * Freezes a module graph together with every intrinsic, so that no call can leave anything behind for the next one
 * (design.md §6). Walks own properties, accessors' functions and prototypes from the module namespaces, the global
 * object and everything `kept-values.ts` collected. Objects whose state is not in properties are either guarded
 * (collections, dates, our own classes: frozen-state.ts) or reported as the reason why the graph cannot be frozen.
 */
import {
  addKnownFunction,
  findReplacedBuiltIn,
  functionPrototypes,
  generatorPrototypes,
  hiddenBuiltIns,
  isError,
  isForeignNative,
  positionedIterators,
  startKnowingFunctions,
} from './built-ins.ts'
import { listUnfreezableKinds } from './exotic-kinds.ts'
import { findProxyParts, findStatefulReason, takeKept } from './kept-values.ts'
import { isFrozenObject, markFrozen, startFrozenGraph, stopFrozenGraph } from './frozen-state.ts'
import { allowOverrides } from './override-mistake.ts'
import { regExpPrototype, startWatchingRegExp } from './regexp-prototype.ts'
import {
  arrayBufferByteLength,
  arrayBufferResizable,
  dataViewBuffer,
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
  typedArrayBuffer,
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
  dateTimeFormat: Intl.DateTimeFormat.prototype as object,
  numberFormat: Intl.NumberFormat.prototype as object,
  collator: Intl.Collator.prototype as object,
}
const ownPrototypes = new NativeWeakSet<WeakKey>()

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
  const reason = findStatefulReason() ?? findReplacedBuiltIn()
  if (reason !== undefined) return reason
  unfreezableKinds = listUnfreezableKinds()
  startKnowingFunctions()
  startFrozenGraph()
  let objects: readonly object[]
  try {
    objects = collect([hiddenBuiltIns, [globalThis], takeKept(), roots])
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
    if (isForeignNative(object)) throw new Unfreezable('a function made by a built-in lives at module level')
    allowGeneratorPrototype(object, prototype)
    return
  }
  // The setter of `stack` works on frozen errors.
  if (isError(object)) throw new Unfreezable('an error lives at module level')
  if (isView(object)) {
    const buffer = typedArrayTag(object) === undefined ? dataViewBuffer(object) : typedArrayBuffer(object)
    if (!isEmptyForever(buffer)) throw new Unfreezable('a typed array lives at module level')
    visit(buffer)
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
  else if (includes(positionedIterators, kind) || includes(generatorPrototypes, kind)) checkIterator(object)
  else if (includes(unfreezableKinds, kind)) throw new Unfreezable(`${describeKind(object)} lives at module level`)
}

/** What inherits from generators may be the `prototype` of a generator function; generators themselves check, too. */
function checkIterator(object: object): void {
  if (includes(positionedIterators, object) || includes(generatorPrototypes, object)) return
  if (weakSetHas(ownPrototypes, object)) return
  throw new Unfreezable('an iterator or generator object lives at module level')
}

/** Every generator function has a plain object of its own that its generators inherit from. */
function allowGeneratorPrototype(callable: object, prototype: object | null): void {
  if (prototype !== functionPrototypes[2] && prototype !== functionPrototypes[3]) return
  const own: unknown = getOwnPropertyDescriptor(callable, 'prototype')?.value
  if (typeof own !== 'object' || own === null) return
  if (includes(generatorPrototypes, getPrototypeOf(own))) weakSetAdd(ownPrototypes, own)
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

function isBranded(probe: () => unknown): boolean {
  try {
    probe()
    return true
  } catch {
    return false
  }
}

function isEmptyForever(buffer: object): boolean {
  let isEmpty = false
  isBranded(() => (isEmpty = arrayBufferByteLength(buffer) === 0 && arrayBufferResizable(buffer) === false))
  return isEmpty
}

function checkArrayBuffer(object: object): void {
  if (isBranded(() => arrayBufferByteLength(object)) && !isEmptyForever(object)) {
    throw new Unfreezable('an array buffer lives at module level')
  }
}

/** `Intl` objects hand out one bound function each, to which properties could be added. */
function visitBound(object: object, prototype: object, name: string, visit: Visit): void {
  if (object === prototype) return
  const get = getOwnPropertyDescriptor(prototype, name)?.get
  if (get === undefined) return
  isBranded(() => {
    const bound = reflectApply(get, object, []) as object
    addKnownFunction(bound)
    visit(bound)
  })
}

function describeKind(object: object): string {
  const constructor = (getPrototypeOf(object) as { constructor?: { name?: unknown } } | null)?.constructor
  return typeof constructor?.name === 'string' ? `an object of class ${constructor.name}` : 'an object'
}
