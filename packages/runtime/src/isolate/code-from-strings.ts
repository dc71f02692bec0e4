/* oxlint-disable typescript/unbound-method -- methods are taken from their prototypes on purpose and called with a receiver */
/** Code made from strings has not been rewritten at push: what its closures hold is not kept, so import must not make any. */
import { functionPrototypes } from './built-ins.ts'
import { state } from './execution-state.ts'
import { markStateful } from './kept-values.ts'
import { defineHidden, reflectConstruct, reflectDefineProperty } from './primordials.ts'

function noteCode(): void {
  if (state.phase === 'import') markStateful('code was made from a string while the module was imported')
}

function guardConstructor(prototype: object): void {
  const native = (prototype as { constructor: FunctionConstructor }).constructor
  const isPlain = prototype === Function.prototype
  function Function(this: unknown, ...args: unknown[]): unknown {
    noteCode()
    return reflectConstruct(native, args, new.target ?? Function)
  }
  reflectDefineProperty(Function, 'name', { value: native.name, configurable: true })
  reflectDefineProperty(Function, 'length', { value: 1, configurable: true })
  reflectDefineProperty(Function, 'prototype', { value: prototype, writable: false })
  if (isPlain) defineHidden(globalThis, 'Function', Function)
  else Reflect.setPrototypeOf(Function, functionPrototypes[0]?.constructor ?? null)
  // The other kinds' constructors are not writable.
  reflectDefineProperty(prototype, 'constructor', { value: Function, writable: isPlain, configurable: true })
}

/** A call of `eval` by that name stays direct only if the name gives the original function. */
function guardEval(): void {
  // oxlint-disable-next-line no-eval -- guarded, not called
  const native = globalThis.eval
  reflectDefineProperty(globalThis, 'eval', {
    enumerable: false,
    configurable: true,
    get() {
      noteCode()
      return native
    },
    set(value: unknown) {
      defineHidden(globalThis, 'eval', value)
    },
  })
}

export function installCodeGuards(): void {
  for (const prototype of functionPrototypes) guardConstructor(prototype)
  guardEval()
}
