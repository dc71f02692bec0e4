/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/**
 * An object that inherits from a frozen prototype cannot be given an own property of the same name by assignment
 * ("override mistake"). Where ordinary code does this (`error.name = …`, `object.toString = …`), the frozen property
 * becomes an accessor whose setter defines the own property.
 */
import { isFrozenObject, noteFrozenWrite } from './frozen-state.ts'
import {
  getOwnPropertyDescriptor,
  hasOwn,
  NativeTypeError,
  objectFreeze,
  ownKeys,
  reflectDefineProperty,
} from './primordials.ts'

type OnCreated = (created: object) => void

const errorPrototypes = [
  Error.prototype,
  AggregateError.prototype,
  EvalError.prototype,
  RangeError.prototype,
  ReferenceError.prototype,
  SyntaxError.prototype,
  TypeError.prototype,
  URIError.prototype,
] as object[]

function allowOverride(prototype: object, key: PropertyKey, onCreated: OnCreated): void {
  const descriptor = getOwnPropertyDescriptor(prototype, key)
  if (descriptor === undefined || !('value' in descriptor) || descriptor.configurable !== true) return
  const value: unknown = descriptor.value
  const accessors = {
    get: () => value,
    set(this: unknown, replacement: unknown) {
      if ((typeof this !== 'object' && typeof this !== 'function') || this === null) return
      if (this === prototype || isFrozenObject(this)) {
        noteFrozenWrite()
        throw new NativeTypeError(`Cannot assign to read only property '${String(key)}' of object`)
      }
      if (hasOwn(this, key)) (this as Record<PropertyKey, unknown>)[key] = replacement
      else
        reflectDefineProperty(this, key, { value: replacement, writable: true, enumerable: true, configurable: true })
    },
  }
  reflectDefineProperty(prototype, key, {
    ...accessors,
    enumerable: descriptor.enumerable === true,
    configurable: false,
  })
  onCreated(objectFreeze(accessors.get))
  onCreated(objectFreeze(accessors.set))
}

function allowAll(prototype: object, except: readonly PropertyKey[], onCreated: OnCreated): void {
  for (const key of ownKeys(prototype)) {
    if (typeof key === 'string' && !except.includes(key)) allowOverride(prototype, key, onCreated)
  }
}

/** Call before the prototypes are frozen. `onCreated` gets the new, frozen accessor functions. */
export function allowOverrides(onCreated: OnCreated): void {
  allowAll(Object.prototype, [], onCreated)
  for (const prototype of errorPrototypes) allowAll(prototype, [], onCreated)
  for (const key of ['toString', 'call', 'apply', 'bind', 'constructor'])
    allowOverride(Function.prototype, key, onCreated)
  // V8's fast paths of array and promise built-ins depend on plain `constructor` and `then` properties.
  allowAll(Array.prototype, ['constructor', 'length'], onCreated)
  allowAll(Promise.prototype, ['constructor', 'then'], onCreated)
  allowAll(Iterator.prototype, [], onCreated)
}
