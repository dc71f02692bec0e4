/** How our platform classes become globals. */
import { defineHidden, getPrototypeOf, reflectDefineProperty } from '../primordials.ts'

type Constructor = { readonly prototype: object; readonly name: string }

/** Defines `globalThis[name]` and the class's `Symbol.toStringTag`, as WebIDL interfaces have them. */
export function defineInterface(name: string, constructor: Constructor): void {
  reflectDefineProperty(constructor, 'name', { value: name, configurable: true })
  reflectDefineProperty(constructor.prototype, Symbol.toStringTag, { value: name, configurable: true })
  defineHidden(globalThis, name, constructor)
  prototypes[prototypes.length] = constructor.prototype
}

const prototypes: object[] = []

/** Whether `value` is an instance of one of our classes, or of a subclass. */
export function isPlatformObject(value: object): boolean {
  for (let link = getPrototypeOf(value); link !== null; link = getPrototypeOf(link))
    if (prototypes.includes(link)) return true
  return false
}

/** A global function that shows `name` as its own. */
export function defineFunction(name: string, implementation: (...args: never[]) => unknown): void {
  reflectDefineProperty(implementation, 'name', { value: name, configurable: true })
  defineHidden(globalThis, name, implementation)
}

/** The bytes behind a BufferSource, not copied; undefined for anything else. */
export function findBytes(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (typeof SharedArrayBuffer === 'function' && value instanceof SharedArrayBuffer) return new Uint8Array(value)
  return undefined
}

/** Copies the bytes of a BufferSource; TypeError for anything else. */
export function copyBytes(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  const bytes = findBytes(value)
  if (bytes === undefined) throw new TypeError(`${what} must be an ArrayBuffer or a view on one`)
  return new Uint8Array(bytes)
}

/** WebIDL `USVString`: a string without lone surrogates. */
export function toUsvString(value: unknown): string {
  return String(value).toWellFormed()
}
