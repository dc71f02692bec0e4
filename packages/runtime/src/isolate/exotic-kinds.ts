/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * Objects with internal state that `freeze` must find are known by their prototypes. So during import no such object may
 * get or take another one. Constructors of such objects are those whose `prototype` inherits from a kind's; each way
 * to make one of them build something else is watched here, `bind` and `Proxy` in kept-values.ts.
 */
import { generatorPrototypes, positionedIterators } from './built-ins.ts'
import { state } from './execution-state.ts'
import {
  defineHidden,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  reflectApply,
  reflectConstruct,
  reflectDefineProperty,
} from './primordials.ts'

type Hooks = {
  readonly isProxy: (value: object) => boolean
  readonly markStateful: (reason: string) => void
}

const prototypeChanged = 'an object with internal state got a foreign prototype while the module was imported'

const stateful = [Map, Set, Promise, ArrayBuffer, Intl.NumberFormat, Intl.DateTimeFormat, Intl.Collator]
const kinds: readonly object[] = stateful.map((constructor) => constructor.prototype as object)

/** Objects with state that nothing covers. Looked up late: V8 adds some globals only after the snapshot. */
export function listUnfreezableKinds(): object[] {
  const prototypes: object[] = []
  const scope = globalThis as unknown as Record<string, Record<string, unknown> | undefined>
  const add = (holder: Record<string, unknown> | undefined, name: string): void => {
    const prototype = (holder?.[name] as { prototype?: object } | undefined)?.prototype
    if (prototype !== undefined) prototypes[prototypes.length] = prototype
  }
  for (const name of ['SharedArrayBuffer', 'DisposableStack', 'AsyncDisposableStack']) add(scope, name)
  for (const name of ['Instance', 'Memory', 'Table', 'Global']) add(scope['WebAssembly'], name)
  return prototypes
}

let watched: readonly object[] = []

/** Call before user code runs. */
export function startWatchingKinds(): void {
  watched = [...kinds, ...positionedIterators, ...generatorPrototypes, ...listUnfreezableKinds()]
}

/** `true` for kinds' prototypes, too. */
function isExotic(object: unknown, isProxy: Hooks['isProxy']): boolean {
  if ((typeof object !== 'object' || object === null) && typeof object !== 'function') return false
  for (let link: object | null = object; link !== null; link = getPrototypeOf(link)) {
    if (isProxy(link)) return false
    for (let i = 0; i < watched.length; i++) if (watched[i] === link) return true
  }
  return false
}

/** Whether `new callable` makes objects with internal state. */
export function constructsExotic(callable: unknown, isProxy: Hooks['isProxy']): boolean {
  if (typeof callable !== 'function' || isProxy(callable)) return false
  return isExotic(getOwnPropertyDescriptor(callable, 'prototype')?.value, isProxy)
}

export function installKindGuards({ isProxy, markStateful }: Hooks): void {
  const beforeChange = (target: unknown, prototype: unknown): void => {
    if (state.phase !== 'import') return
    if (isExotic(target, isProxy)) markStateful(prototypeChanged)
    else if (
      typeof target === 'function' &&
      constructsExotic(prototype, isProxy) &&
      !constructsExotic(target, isProxy)
    ) {
      markStateful(prototypeChanged)
    }
  }
  for (const holder of [Object, Reflect]) {
    const native = holder.setPrototypeOf as (target: unknown, prototype: unknown) => unknown
    const methods = {
      setPrototypeOf(target: unknown, prototype: unknown): unknown {
        beforeChange(target, prototype)
        return native(target, prototype)
      },
    }
    defineHidden(holder, 'setPrototypeOf', methods.setPrototypeOf)
  }
  guardProtoSetter(beforeChange)
  const methods = {
    construct(target: unknown, args: unknown, newTarget: unknown = target): unknown {
      const made: unknown = reflectConstruct(target as never, args as never, newTarget as never)
      const isWatched = state.phase === 'import' && newTarget !== target
      if (isWatched && constructsExotic(target, isProxy) && !isExotic(made, isProxy)) markStateful(prototypeChanged)
      return made
    },
  }
  reflectDefineProperty(methods.construct, 'length', { value: 2, configurable: true })
  defineHidden(Reflect, 'construct', methods.construct)
}

function guardProtoSetter(beforeChange: (target: unknown, prototype: unknown) => void): void {
  const native = getOwnPropertyDescriptor(Object.prototype, '__proto__')?.set as (prototype: unknown) => void
  const holder = {
    set __proto(prototype: unknown) {
      beforeChange(this, prototype)
      reflectApply(native, this, [prototype])
    },
  }
  const set = getOwnPropertyDescriptor(holder, '__proto')?.set as (prototype: unknown) => void
  reflectDefineProperty(set, 'name', { value: 'set __proto__', configurable: true })
  reflectDefineProperty(Object.prototype, '__proto__', { set })
}
