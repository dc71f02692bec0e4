/**
 * Test support: a context in which prepared modules are evaluated, frozen and called one after the other. Its freezer
 * is the simplest one that gives the guarantees listed in prepare-module.ts.
 */
import ivm from 'isolated-vm'
import { prepareModule } from './prepare-module.ts'
import { testFreezer } from './test-freezer.ts'

export type CallResult =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly message: string }

export class TestRealm {
  readonly #isolate: ivm.Isolate
  readonly #namespace: ivm.Reference
  /** Why the graph could not be frozen; undefined if it is frozen. */
  readonly refusal: string | undefined

  private constructor(isolate: ivm.Isolate, namespace: ivm.Reference, refusal: string | undefined) {
    this.#isolate = isolate
    this.#namespace = namespace
    this.refusal = refusal
  }

  /** Evaluates `entry` and what it imports. Without `isFrozen` the graph stays as a fresh context has it. */
  static async create(options: {
    readonly modules: Readonly<Record<string, string>>
    readonly entry: string
    readonly isRewritten: boolean
    readonly isFrozen: boolean
  }): Promise<TestRealm> {
    const isolate = new ivm.Isolate({ memoryLimit: 64 })
    const context = await isolate.createContext()
    const freeze = context.evalSync(testFreezer, { reference: true }) as ivm.Reference
    const compiled = new Map<string, ivm.Module>()
    const compile = (path: string): ivm.Module => {
      const known = compiled.get(path)
      if (known !== undefined) return known
      const source = options.modules[path]
      if (source === undefined) throw new Error(`no module ${path}`)
      const text = options.isRewritten ? prepareModule(source, path).source : source
      const module = isolate.compileModuleSync(text, { filename: path })
      compiled.set(path, module)
      return module
    }
    const entry = compile(options.entry)
    entry.instantiateSync(context, (specifier) => compile(specifier.replace(/^\.\//, '')))
    await entry.evaluate()
    const namespaces = [...compiled.values()].map(({ namespace }) => namespace.derefInto())
    const refusal = options.isFrozen ? (freeze.applySync(undefined, namespaces) as string | undefined) : undefined
    return new TestRealm(isolate, entry.namespace, refusal)
  }

  async call(exportName: string, ...args: readonly unknown[]): Promise<CallResult> {
    try {
      const target = this.#namespace.getSync(exportName, { reference: true }) as ivm.Reference
      const value: unknown = await target.apply(undefined, [...args], {
        arguments: { copy: true },
        result: { copy: true, promise: true },
      })
      return { kind: 'returned', value }
    } catch (error) {
      return { kind: 'threw', message: String(error) }
    }
  }

  dispose(): void {
    this.#isolate.dispose()
  }
}
