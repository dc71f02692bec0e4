/** The code that is live as of one push, as the function service uses it. */
import type { FunctionPath } from '@concave/protocol'
import { canonicalFunctionPath } from '@concave/protocol'
import type { AnalyzedModule, CodeBundle, NodeRequirements, UdfType } from '@concave/runtime'
import { parseValidator, type Validator } from '@concave/values'

/** Actions have no transaction of their own. */
export type FunctionKind = UdfType | 'action'

export type LoadedFunction = {
  readonly udfType: FunctionKind
  readonly isPublic: boolean
  readonly args: Validator
  /** Undefined when the function declares no `returns`. */
  readonly returns: Validator | undefined
}

/** A query or a mutation. */
export type TransactionalFunction = LoadedFunction & { readonly udfType: UdfType }

const kinds = { Query: 'query', Mutation: 'mutation', Action: 'action' } as const

/** Modules that say "use node", apart from all others. */
export type NodeCode = { readonly bundle: CodeBundle; readonly requirements: NodeRequirements }

export class LoadedCode {
  readonly bundle: CodeBundle
  readonly node: NodeCode
  /** npm version of the push; null before the first one. */
  readonly serverVersion: string | null
  readonly modules: ReadonlyMap<string, AnalyzedModule>
  readonly #functions = new Map<string, LoadedFunction>()

  constructor(options: {
    readonly bundle: CodeBundle
    /** Absent for code that has no such modules. */
    readonly node?: NodeCode
    readonly serverVersion: string | null
    readonly modules: ReadonlyMap<string, AnalyzedModule>
  }) {
    this.bundle = options.bundle
    this.node = options.node ?? {
      bundle: { ...options.bundle, modules: new Map() },
      requirements: { nodeVersion: undefined, packages: [] },
    }
    this.serverVersion = options.serverVersion
    this.modules = options.modules
  }

  runsInNode(path: FunctionPath): boolean {
    return this.node.bundle.modules.has(path.module)
  }

  find(path: FunctionPath): LoadedFunction | undefined {
    const key = canonicalFunctionPath(path)
    const known = this.#functions.get(key)
    if (known !== undefined) return known
    const analyzed = this.modules.get(path.module)?.functions.find((candidate) => candidate.name === path.name)
    if (analyzed === undefined) return undefined
    const loaded: LoadedFunction = {
      udfType: kinds[analyzed.udfType],
      isPublic: analyzed.visibility?.kind === 'public',
      args: parseValidator(JSON.parse(analyzed.args ?? '{"type":"any"}')),
      returns: parseReturns(analyzed.returns),
    }
    this.#functions.set(key, loaded)
    return loaded
  }
}

function parseReturns(text: string | null): Validator | undefined {
  const json: unknown = JSON.parse(text ?? 'null')
  return json === null ? undefined : parseValidator(json)
}
