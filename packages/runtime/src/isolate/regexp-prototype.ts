/**
 * V8 runs regular expressions some ten times slower once `RegExp.prototype` has been frozen or otherwise reshaped. So
 * in a frozen graph it stays as it is: defining a property on it is noted at once, and what assignment, deletion and
 * `setPrototypeOf` can do is checked at the end of every call.
 */
import { isGraphFrozen, noteFrozenWrite } from './frozen-state.ts'
import { getOwnPropertyDescriptor, getPrototypeOf, isExtensible, ownKeys } from './primordials.ts'

type Expected = { readonly key: PropertyKey; readonly value: unknown }

export const regExpPrototype: object = RegExp.prototype

let methods: Expected[] = []
let knownKeys: readonly PropertyKey[] = []
let prototype: object | null = null

/** Remembers the prototype as it is when the graph is frozen. False: it cannot be watched. */
export function startWatchingRegExp(): boolean {
  methods = []
  prototype = getPrototypeOf(regExpPrototype)
  const keys = ownKeys(regExpPrototype)
  knownKeys = keys
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as PropertyKey
    const descriptor = getOwnPropertyDescriptor(regExpPrototype, key)
    // A setter could keep something.
    if (descriptor === undefined || descriptor.set !== undefined) return false
    if (descriptor.get === undefined) methods[methods.length] = { key, value: descriptor.value }
  }
  return isExtensible(regExpPrototype)
}

/** To be called by everything that defines properties, before it does. */
export function noteDefinition(target: unknown): void {
  if (target === regExpPrototype && isGraphFrozen()) noteFrozenWrite()
}

/** Notes a frozen write if the prototype is not what it was. */
export function checkRegExp(): void {
  const keys = ownKeys(regExpPrototype)
  if (keys.length !== knownKeys.length || getPrototypeOf(regExpPrototype) !== prototype) noteFrozenWrite()
  for (let i = 0; i < knownKeys.length; i++) if (keys[i] !== knownKeys[i]) noteFrozenWrite()
  for (let i = 0; i < methods.length; i++) {
    const { key, value } = methods[i] as Expected
    if ((regExpPrototype as Record<PropertyKey, unknown>)[key] !== value) noteFrozenWrite()
  }
}
