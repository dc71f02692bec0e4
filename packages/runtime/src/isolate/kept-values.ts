/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * Values that live as long as the context but cannot be reached by walking properties: what closures capture (reported
 * by the push-time rewrite), what bound functions and proxies hide, what weak collections hold. Collected during the
 * import phase only, for `freeze` to walk.
 */
import { addBoundFunction, generatorPrototypes } from './built-ins.ts'
import { state } from './execution-state.ts'
import { constructsExotic, installKindGuards } from './exotic-kinds.ts'
import { assertMutable, isFrozenObject, noteFrozenWrite } from './frozen-state.ts'
import { noteDefinition } from './regexp-prototype.ts'
import {
  defineHidden,
  getOwnPropertyDescriptor,
  NativeProxy,
  NativeTypeError,
  NativeWeakMap,
  reflectApply,
  reflectDefineProperty,
  weakMapGet,
  weakMapSet,
} from './primordials.ts'

type Method = (this: unknown, ...args: unknown[]) => unknown
type ProxyParts = { readonly target: object; readonly handler: object }

let kept: unknown[] = []
const permanent: unknown[] = []
let statefulReason: string | undefined
// Created on first use: a V8 snapshot should not have to carry it.
let proxies: WeakMap<object, ProxyParts> | undefined

export function isCollecting(): boolean {
  return state.phase === 'import' || state.phase === 'idle'
}

/** `__concave_keep`: returns its argument, so that the rewrite can wrap expressions. */
export function keep<T>(value: T): T {
  if (state.phase === 'import') kept[kept.length] = value
  return value
}

/** `__concave_stateful`: the module graph did something that no freezing can undo. The first reason is reported. */
export function markStateful(reason: unknown): void {
  statefulReason ??= `${reason as string}`
}

/** For objects of the platform that are handed out by methods, not by properties. */
export function keepForever<T>(value: T): T {
  permanent[permanent.length] = value
  return value
}

export function takeKept(): unknown[] {
  const taken = kept
  kept = []
  return [...taken, ...permanent]
}

export function findStatefulReason(): string | undefined {
  return statefulReason
}

/** What a proxy made in this context stands for. Every proxy is known: ours is the only constructor. */
export function findProxyParts(value: object): ProxyParts | undefined {
  return proxies === undefined ? undefined : weakMapGet(proxies, value)
}

function isProxy(value: object): boolean {
  return findProxyParts(value) !== undefined
}

export function createProxy(target: object, handler: object): object {
  const proxy = new NativeProxy(target, handler)
  if (state.phase === 'import' && constructsExotic(target, isProxy)) markStateful('a proxy stands for a built-in class')
  proxies ??= new NativeWeakMap()
  weakMapSet(proxies, proxy, { target, handler })
  return proxy
}

function nativeMethod(prototype: object, name: string): Method {
  return getOwnPropertyDescriptor(prototype, name)?.value as Method
}

/** Replaces a built-in method by one of the same name and length. */
function replaceMethod(prototype: object, name: string, replacement: Method): void {
  const { length } = nativeMethod(prototype, name)
  reflectDefineProperty(replacement, 'name', { value: name, configurable: true })
  reflectDefineProperty(replacement, 'length', { value: length, configurable: true })
  defineHidden(prototype, name, replacement)
}

function guard(prototype: object, names: readonly string[]): void {
  for (const name of names) {
    const native = nativeMethod(prototype, name)
    const guarded = {
      [name](this: unknown, ...args: unknown[]): unknown {
        assertMutable(this)
        return reflectApply(native, this, args)
      },
    }
    replaceMethod(prototype, name, guarded[name] as Method)
  }
}

function installProxy(): void {
  function Proxy(this: unknown, target: object, handler: object): object {
    if (new.target === undefined) throw new NativeTypeError("Constructor Proxy requires 'new'")
    return createProxy(target, handler)
  }
  reflectDefineProperty(Proxy, 'name', { value: 'Proxy', configurable: true })
  reflectDefineProperty(Proxy, 'prototype', { value: undefined, writable: false })
  const methods = {
    revocable(target: object, handler: object): unknown {
      const revocable = NativeProxy.revocable(target, handler)
      proxies ??= new NativeWeakMap()
      weakMapSet(proxies, revocable.proxy, { target, handler })
      if (isCollecting()) markStateful('a revocable proxy was made while the module was imported')
      return revocable
    },
  }
  defineHidden(Proxy, 'revocable', methods.revocable)
  defineHidden(globalThis, 'Proxy', Proxy)
}

function installBind(): void {
  const native = nativeMethod(Function.prototype, 'bind')
  replaceMethod(
    Function.prototype,
    'bind',
    {
      bind(this: unknown, ...args: unknown[]): unknown {
        const bound = reflectApply(native, this, args)
        if (state.phase === 'import') {
          keep(this)
          for (let i = 0; i < args.length; i++) keep(args[i])
          addBoundFunction(bound as object)
          if (constructsExotic(this, isProxy)) markStateful('a built-in class was bound while the module was imported')
        }
        return bound
      },
    }.bind,
  )
}

function installCollections(): void {
  guard(Map.prototype, ['clear', 'delete', 'set'])
  guard(Set.prototype, ['add', 'clear', 'delete'])
  guard(WeakMap.prototype, ['delete'])
  // `compile` gives an existing regular expression another pattern.
  guard(RegExp.prototype, ['compile'])
  guard(WeakSet.prototype, ['add', 'delete'])
  // Even an empty buffer can be detached.
  guard(ArrayBuffer.prototype, ['resize', 'transfer', 'transferToFixedLength'])
  // A generator's prototype is what its function says, so that freezing may not know it for one.
  for (const prototype of generatorPrototypes) guard(prototype, ['next', 'return', 'throw'])
  const native = nativeMethod(WeakMap.prototype, 'set')
  replaceMethod(
    WeakMap.prototype,
    'set',
    {
      set(this: unknown, key: unknown, value: unknown): unknown {
        assertMutable(this)
        // A weak map cannot be enumerated, so freezing learns of its values here.
        if (state.phase === 'import') keep(value)
        return reflectApply(native, this, [key, value])
      },
    }.set,
  )
}

/** `stack` is an accessor whose state is not in a property; V8 gives it to any object. */
function installCaptureStackTrace(): void {
  const native = nativeMethod(Error, 'captureStackTrace')
  const methods = {
    captureStackTrace(target: unknown, below: unknown): unknown {
      if (state.phase === 'import') markStateful('a stack was captured while the module was imported')
      return reflectApply(native, Error, [target, below === undefined ? methods.captureStackTrace : below])
    },
  }
  defineHidden(Error, 'captureStackTrace', methods.captureStackTrace)
}

/** `Reflect` reports a refused write by `false`, which code may ignore: then the write is noted here. */
function installReflect(): void {
  for (const name of ['set', 'defineProperty', 'deleteProperty', 'setPrototypeOf']) {
    const native = nativeMethod(Reflect, name)
    const noting = {
      [name](...args: unknown[]): unknown {
        if (name === 'defineProperty') noteDefinition(args[0])
        const isDone = reflectApply(native, undefined, args)
        if (isDone === false && isFrozenObject(args[0])) noteFrozenWrite()
        return isDone
      },
    }
    replaceMethod(Reflect, name, noting[name] as Method)
  }
}

/** Ways to define a property other than `Reflect.defineProperty`; the last two take the object as their receiver. */
function installDefinitions(): void {
  for (const name of ['defineProperty', 'defineProperties']) {
    const native = nativeMethod(Object, name)
    const noting = {
      [name](...args: unknown[]): unknown {
        noteDefinition(args[0])
        return reflectApply(native, undefined, args)
      },
    }
    replaceMethod(Object, name, noting[name] as Method)
  }
  for (const name of ['__defineGetter__', '__defineSetter__']) {
    const native = nativeMethod(Object.prototype, name)
    const noting = {
      [name](this: unknown, ...args: unknown[]): unknown {
        noteDefinition(this)
        return reflectApply(native, this, args)
      },
    }
    replaceMethod(Object.prototype, name, noting[name] as Method)
  }
}

/** Patches what would otherwise hide values from `freeze` or let frozen collections change. */
export function installTracking(): void {
  installProxy()
  installBind()
  installCollections()
  installCaptureStackTrace()
  installKindGuards({ isProxy, markStateful })
  installReflect()
  installDefinitions()
  // Fixed, so that no module can take them away from the others.
  reflectDefineProperty(globalThis, '__concave_keep', { value: keep })
  reflectDefineProperty(globalThis, '__concave_stateful', { value: markStateful })
}
