/** `structuredClone` (HTML §2.7) without `transfer`: plain data, collections, buffers, dates, regular expressions, errors. */
import { generatorPrototypes } from '../built-ins.ts'
import { findProxyParts } from '../kept-values.ts'
import { Blob, File } from './blob.ts'
import { DOMException } from './dom-exception.ts'
import { defineFunction, isPlatformObject } from './interface.ts'

const errorConstructors: Readonly<Record<string, ErrorConstructor>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}
type Memory = Map<object, unknown>
type ViewConstructor = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => unknown

function refuse(value: unknown): never {
  let text = 'The object'
  try {
    text = typeof value === 'symbol' ? value.toString() : typeof value === 'function' ? String(value) : '#<Object>'
  } catch {
    // A proxy may refuse to be printed.
  }
  throw new DOMException(`${text} could not be cloned.`, 'DataCloneError')
}

function clone(value: unknown, memory: Memory): unknown {
  if (typeof value === 'symbol' || typeof value === 'function') return refuse(value)
  if (typeof value !== 'object' || value === null) return value
  if (memory.has(value)) return memory.get(value)
  // Asking a proxy anything runs its handler.
  if (findProxyParts(value) !== undefined) return refuse(value)
  const copy = cloneLeaf(value, memory)
  if (copy !== undefined) {
    memory.set(value, copy)
    return copy
  }
  if (value instanceof Map) return cloneMap(value, memory)
  if (value instanceof Set) return cloneSet(value, memory)
  if (value instanceof Error) return cloneError(value, memory)
  if (hasInternalState(value)) return refuse(value)
  return cloneProperties(value, Array.isArray(value) ? Object.assign([], { length: value.length }) : {}, memory)
}

/** Objects that hold no other objects but buffers. */
function cloneLeaf(value: object, memory: Memory): object | undefined {
  if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) {
    return Object(value.valueOf()) as object
  }
  if (value instanceof Date) return new Date(value.getTime())
  if (value instanceof RegExp) return new RegExp(value.source, value.flags)
  if (value instanceof ArrayBuffer) return cloneBuffer(value)
  if (ArrayBuffer.isView(value)) return cloneView(value, memory)
  // Blobs never change: the same bytes serve both.
  if (value instanceof File)
    return new File([value], value.name, { type: value.type, lastModified: value.lastModified })
  if (value instanceof Blob) return new Blob([value], { type: value.type })
  return undefined
}

function cloneBuffer(buffer: ArrayBuffer): ArrayBuffer {
  if (!buffer.resizable) return buffer.slice(0)
  const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength })
  new Uint8Array(copy).set(new Uint8Array(buffer))
  return copy
}

function cloneView(view: ArrayBufferView, memory: Memory): object {
  const buffer = clone(view.buffer, memory) as ArrayBuffer
  const name = Object.prototype.toString.call(view).slice(8, -1)
  const View = (globalThis as unknown as Record<string, ViewConstructor>)[name] ?? refuse(view)
  const length = view instanceof DataView ? view.byteLength : (view as unknown as { length: number }).length
  return new View(buffer, view.byteOffset, length) as object
}

function cloneMap(map: Map<unknown, unknown>, memory: Memory): Map<unknown, unknown> {
  const copy = new Map<unknown, unknown>()
  memory.set(map, copy)
  for (const [key, item] of Array.from(map)) copy.set(clone(key, memory), clone(item, memory))
  return copy
}

function cloneSet(set: Set<unknown>, memory: Memory): Set<unknown> {
  const copy = new Set<unknown>()
  memory.set(set, copy)
  for (const item of Array.from(set)) copy.add(clone(item, memory))
  return copy
}

function cloneError(error: Error, memory: Memory): Error {
  if (error instanceof DOMException) {
    const copy = new DOMException(error.message, error.name)
    memory.set(error, copy)
    return copy
  }
  const Constructor = errorConstructors[error.name] ?? Error
  const copy = new Constructor(error.message)
  memory.set(error, copy)
  Object.defineProperty(copy, 'stack', { value: error.stack, writable: true, configurable: true })
  if (Object.hasOwn(error, 'cause')) {
    Object.defineProperty(copy, 'cause', { value: clone(error.cause, memory), writable: true, configurable: true })
  }
  return copy
}

function cloneProperties(value: object, copy: object, memory: Memory): object {
  memory.set(value, copy)
  for (const key of Object.keys(value)) {
    const item = clone((value as Record<string, unknown>)[key], memory)
    Object.defineProperty(copy, key, { value: item, writable: true, enumerable: true, configurable: true })
  }
  return copy
}

function hasInternalState(value: object): boolean {
  if (value === globalThis || value instanceof Symbol) return true
  if (isPlatformObject(value) || generatorPrototypes.some((prototype) => prototype.isPrototypeOf(value))) return true
  return value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef
}

function structuredClone(value: unknown, options?: { readonly transfer?: readonly unknown[] }): unknown {
  if (arguments.length === 0) throw new TypeError("Failed to execute 'structuredClone': 1 argument required.")
  if (options?.transfer !== undefined && options.transfer.length > 0) {
    throw new DOMException('structuredClone does not support transfer here.', 'NotSupportedError')
  }
  return clone(value, new Map())
}

export function installStructuredClone(): void {
  defineFunction('structuredClone', structuredClone)
}
