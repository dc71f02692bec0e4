/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/** Built-ins whose behaviour depends on garbage collection, threads or background compilation. */
import { keep } from '../kept-values.ts'
import { defineHidden, NativeTypeError } from '../primordials.ts'
import { defineInterface } from './interface.ts'

/** Holds its target for good, so that garbage collection cannot be observed. */
class WeakRef {
  readonly #target: object | symbol
  constructor(target: object | symbol) {
    const isHoldable =
      (typeof target === 'object' && target !== null) || typeof target === 'function' || typeof target === 'symbol'
    if (!isHoldable) throw new NativeTypeError('WeakRef: target must be an object')
    this.#target = keep(target)
  }
  deref(): object | symbol {
    return this.#target
  }
}

/** Never calls back. */
class FinalizationRegistry {
  constructor(callback: unknown) {
    if (typeof callback !== 'function') throw new NativeTypeError('FinalizationRegistry: cleanup must be callable')
  }
  register(_target: unknown, _held?: unknown, _token?: unknown): void {}
  unregister(_token: unknown): boolean {
    return false
  }
}

function refuseWaiting(): void {
  for (const name of ['wait', 'waitAsync']) {
    const refuse = (): never => {
      throw new NativeTypeError(`Atomics.${name} cannot be called in this context`)
    }
    Reflect.defineProperty(refuse, 'name', { value: name, configurable: true })
    defineHidden(Atomics, name, refuse)
  }
}

export function installDeterminism(): void {
  defineInterface('WeakRef', WeakRef)
  defineInterface('FinalizationRegistry', FinalizationRegistry)
  refuseWaiting()
}

type WebAssemblyNamespace = {
  Module: new (bytes: unknown) => object
  Instance: new (module: unknown, imports?: unknown) => object
} & Record<string, unknown>

/**
 * Makes WebAssembly compile at once instead of in the background. V8 adds the namespace to a context only after the
 * snapshot, so this runs when a context begins its import phase.
 */
export function makeWebAssemblySynchronous(): void {
  const namespace = (globalThis as { WebAssembly?: WebAssemblyNamespace }).WebAssembly
  if (namespace === undefined) return
  const { Module, Instance } = namespace
  const methods = {
    async compile(bytes: unknown): Promise<object> {
      return new Module(bytes)
    },
    async instantiate(source: unknown, imports?: unknown): Promise<object> {
      if (source instanceof Module) return new Instance(source, imports)
      const module = new Module(source)
      return { module, instance: new Instance(module, imports) }
    },
  }
  defineHidden(namespace, 'compile', methods.compile)
  defineHidden(namespace, 'instantiate', methods.instantiate)
  Reflect.deleteProperty(namespace, 'compileStreaming')
  Reflect.deleteProperty(namespace, 'instantiateStreaming')
}
