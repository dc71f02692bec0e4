/**
 * Which objects belong to a frozen module graph, and whether anybody tried to change them. `Object.freeze` covers
 * properties; objects with internal state (collections, dates, our own classes) ask `assertMutable` before they change.
 */
import { state } from './execution-state.ts'
import { NativeTypeError, NativeWeakSet, weakSetAdd, weakSetHas } from './primordials.ts'

let frozenObjects: WeakSet<WeakKey> | undefined

export function isGraphFrozen(): boolean {
  return frozenObjects !== undefined
}

/** From now on everything added by `markFrozen` refuses to change its internal state. */
export function startFrozenGraph(): void {
  frozenObjects = new NativeWeakSet()
}

/** Nothing is frozen after all. */
export function stopFrozenGraph(): void {
  frozenObjects = undefined
}

export function markFrozen(object: WeakKey): void {
  if (frozenObjects !== undefined) weakSetAdd(frozenObjects, object)
}

export function isFrozenObject(object: unknown): boolean {
  return frozenObjects !== undefined && weakSetHas(frozenObjects, object as WeakKey)
}

export function noteFrozenWrite(): void {
  state.frozenWrite = true
}

/** Throws a TypeError, and notes it, if `object` belongs to the frozen graph. Call before changing internal state. */
export function assertMutable(object: unknown): void {
  if (frozenObjects !== undefined && weakSetHas(frozenObjects, object as WeakKey)) {
    state.frozenWrite = true
    throw new NativeTypeError('Cannot modify frozen module state')
  }
}
