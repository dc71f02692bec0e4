/**
 * Test support: the context's half of the proof in prepare-module.ts, as small as it can be. Evaluates to
 * `freeze(...namespaces)`, which ends the import phase and returns why the graph cannot be frozen, if so.
 */
export const testFreezer = String.raw`(() => {
  'use strict'
  const { freeze, getPrototypeOf, getOwnPropertyDescriptor, defineProperty, setPrototypeOf } = Object
  const { ownKeys, apply, construct } = Reflect
  const NativeProxy = Proxy, NativeWeakSet = WeakSet, isError = Error.isError, isView = ArrayBuffer.isView
  const hasInstance = (object, prototype) => {
    for (let link = getPrototypeOf(object); link !== null; link = getPrototypeOf(link)) if (link === prototype) return true
    return false
  }
  const call = Function.prototype.call.bind(Function.prototype.call)
  const sourceOf = (f) => call(Function.prototype.toString, f)
  const nativeToString = Function.prototype.toString
  const forEachMap = Map.prototype.forEach, forEachSet = Set.prototype.forEach
  let isImporting = true, reason
  const kept = [], frozen = new NativeWeakSet(), knownNative = new NativeWeakSet(), proxies = new WeakMap()
  const nativeAdd = frozen.add, nativeHas = frozen.has, mapGet = proxies.get, mapSet = proxies.set
  const isFrozen = (value) => apply(nativeHas, frozen, [value])
  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function'
  const keep = (value) => { if (isImporting) kept[kept.length] = value; return value }
  const stateful = (text) => { if (isImporting) reason ??= text }
  const hide = (target, key, value) => defineProperty(target, key, { value, writable: false, configurable: false, enumerable: false })
  hide(globalThis, '__concave_keep', keep)
  hide(globalThis, '__concave_stateful', stateful)
  const replace = (target, key, make) => {
    const native = target[key]
    defineProperty(target, key, { value: make(native), writable: true, configurable: true, enumerable: false })
  }
  const guard = (target, keys) => {
    for (const key of keys) replace(target, key, (native) => function (...args) {
      if (isFrozen(this)) throw new TypeError('Cannot modify frozen module state')
      if (isImporting) for (const arg of args) keep(arg)
      return apply(native, this, args)
    })
  }
  guard(Map.prototype, ['set', 'delete', 'clear'])
  guard(Set.prototype, ['add', 'delete', 'clear'])
  guard(WeakMap.prototype, ['set', 'delete'])
  guard(WeakSet.prototype, ['add', 'delete'])
  guard(Date.prototype, ownKeys(Date.prototype).filter((key) => typeof key === 'string' && key.startsWith('set')))
  replace(Function.prototype, 'bind', (native) => function (...args) {
    const bound = apply(native, this, args)
    if (isImporting) { keep(this); for (const arg of args) keep(arg); apply(nativeAdd, knownNative, [bound]) }
    return bound
  })
  const OurProxy = function Proxy(target, handler) {
    const proxy = new NativeProxy(target, handler)
    apply(mapSet, proxies, [proxy, [target, handler]])
    return proxy
  }
  globalThis.Proxy = OurProxy
  // Code from strings is not rewritten.
  const refuseCode = function () { stateful('code was made from a string'); throw new EvalError('Code generation from strings disallowed for this context') }
  for (const sample of [function () {}, function* () {}, async function () {}, async function* () {}]) {
    const prototype = getPrototypeOf(sample)
    refuseCode.prototype = Function.prototype
    defineProperty(prototype, 'constructor', { value: refuseCode, writable: true, configurable: true })
  }
  globalThis.Function = refuseCode
  globalThis.eval = refuseCode
  // Internal state is found through prototypes, so during import objects must not leave theirs.
  const isExotic = (value) => isObject(value) && !apply(mapGet, proxies, [value]) && exoticPrototypes.some((prototype) => hasInstance(value, prototype))
  const exoticPrototypes = [Iterator.prototype, getPrototypeOf(getPrototypeOf(getPrototypeOf((async function* () {})()))), Map.prototype, Set.prototype,
    Promise.prototype, ArrayBuffer.prototype, RegExp.prototype, Intl.NumberFormat.prototype, Intl.DateTimeFormat.prototype, Intl.Collator.prototype, Date.prototype]
  for (const holder of [Object, Reflect]) replace(holder, 'setPrototypeOf', (native) => (target, prototype) => {
    if (isExotic(target)) stateful('an object left its prototype')
    return native(target, prototype)
  })
  const protoSetter = getOwnPropertyDescriptor(Object.prototype, '__proto__')
  defineProperty(Object.prototype, '__proto__', { get: protoSetter.get, set(prototype) {
    if (isExotic(this)) stateful('an object left its prototype')
    apply(protoSetter.set, this, [prototype])
  } })
  replace(Reflect, 'construct', () => (target, args, newTarget = target) => {
    if (newTarget !== target && typeof target === 'function' && newTarget.prototype !== target.prototype && !hasInstance(newTarget.prototype, target.prototype)) stateful('an object was made with a foreign prototype')
    return construct(target, args, newTarget)
  })
  replace(Error, 'captureStackTrace', (native) => (target, f) => { stateful('a stack was captured'); return native(target, f) })
  delete RegExp.prototype.compile
  for (const key of ownKeys(RegExp)) if (typeof key === 'string' && getOwnPropertyDescriptor(RegExp, key).get) delete RegExp[key]

  const intrinsics = []
  const walk = (roots, visitOne) => {
    const seen = new NativeWeakSet(), pending = []
    const visit = (value) => {
      if (!isObject(value) || apply(nativeHas, seen, [value])) return
      apply(nativeAdd, seen, [value])
      pending.push(value)
    }
    for (const root of roots) visit(root)
    while (pending.length > 0) visitOne(pending.pop(), visit)
  }
  const properties = (object, visit) => {
    visit(getPrototypeOf(object))
    for (const key of ownKeys(object)) {
      const descriptor = getOwnPropertyDescriptor(object, key)
      if ('value' in descriptor) visit(descriptor.value)
      else { visit(descriptor.get); visit(descriptor.set) }
    }
  }
  const hidden = [getPrototypeOf(function* () {}), getPrototypeOf(async function () {}), getPrototypeOf(async function* () {}),
    ...[[][Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](), ''[Symbol.iterator](), 'a'.matchAll(/a/g),
      [].values().map((x) => x), Iterator.from({ next() {} })].map((object) => getPrototypeOf(object))]
  walk([globalThis, ...hidden], (object, visit) => { intrinsics.push(object); apply(nativeAdd, knownNative, [object]); properties(object, visit) })
  const isIntrinsic = (object) => apply(nativeHas, knownNative, [object])

  const refuse = (object) => {
    if (typeof object === 'function') return !isIntrinsic(object) && apply(nativeToString, object, []).endsWith('{ [native code] }') && 'an unknown native function'
    if (isError(object)) return 'an error, whose stack can change'
    if (isView(object)) return 'a typed array'
    if (isIntrinsic(object)) return false
    if (hasInstance(object, Promise.prototype)) return 'a promise'
    if (hasInstance(object, ArrayBuffer.prototype)) return 'an array buffer'
    if (hasInstance(object, exoticPrototypes[1]) && !isGeneratorPrototype(object)) return 'an asynchronous generator'
    if (hasInstance(object, Iterator.prototype) && !Object.hasOwn(object, 'constructor') && !isGeneratorPrototype(object)) return 'an iterator'
    return false
  }
  const isGeneratorPrototype = (object) => generatorPrototypes.includes(object)
  const generatorPrototypes = []

  return (...namespaces) => {
    if (reason !== undefined) return reason
    isImporting = false
    const objects = []
    walk([...intrinsics, ...kept, ...namespaces], (object, visit) => {
      if (reason !== undefined) return
      const parts = apply(mapGet, proxies, [object])
      if (parts !== undefined) { parts.forEach(visit); return }
      if (typeof object === 'function' && /^(async )?\s*(function\s*\*|\*)/.test(apply(nativeToString, object, [])) && object.prototype) generatorPrototypes.push(object.prototype)
      objects.push(object)
      properties(object, visit)
      try { apply(forEachMap, object, [(value, key) => { visit(key); visit(value) }]) } catch {}
      try { apply(forEachSet, object, [visit]) } catch {}
      for (const [prototype, key] of [[Intl.NumberFormat.prototype, 'format'], [Intl.DateTimeFormat.prototype, 'format'], [Intl.Collator.prototype, 'compare']]) {
        if (object !== prototype && hasInstance(object, prototype)) { const bound = object[key]; apply(nativeAdd, knownNative, [bound]); visit(bound) }
      }
    })
    for (const object of objects) {
      const text = refuse(object)
      if (text) return text
    }
    for (const object of objects) {
      if (object[Symbol.toStringTag] === 'Module' && getPrototypeOf(object) === null) continue
      apply(nativeAdd, frozen, [object])
      freeze(object)
    }
    return undefined
  }
})()`
