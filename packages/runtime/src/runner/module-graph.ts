import type ivm from 'isolated-vm'
import type { LoadedCode } from './code-store.ts'

/** The loader refused: `message` is the exact text for the developer (function-runtime.md §1.4). */
export class LoaderError extends Error {
  override readonly name: string
  constructor(message: string, name = 'Error') {
    super(message)
    this.name = name
  }
}

/** Path of `specifier` as imported by the module at `referrerPath`. Only relative imports exist in pushed code. */
export function resolveSpecifier(specifier: string, referrerPath: string): string {
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(specifier)?.[1]
  if (scheme !== undefined) throw new LoaderError(`Unsupported scheme (${scheme}) in ${specifier}`)
  if (!/^\.{0,2}\//.test(specifier)) {
    throw new LoaderError(`Relative import path "${specifier}" not prefixed with / or ./ or ../`)
  }
  const parts = specifier.startsWith('/') ? [] : referrerPath.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  const path = parts.join('/')
  return path.endsWith('.js') ? path : `${path}.js`
}

/** A graph evaluated in one context. The first of `modules` is the entry. */
export type ModuleGraph = {
  readonly modules: readonly ivm.Module[]
  readonly paths: readonly string[]
  readonly namespace: ivm.Reference
}

/**
 * Compiles (with the code cache of an earlier compilation), links and evaluates what `entryPath` imports.
 * Throws `LoaderError`, or a copy of what the module threw.
 */
export function evaluateGraph(options: {
  readonly isolate: ivm.Isolate
  readonly context: ivm.Context
  readonly code: LoadedCode
  readonly entryPath: string
  /** Modules of this context that were evaluated before, by path. What is new is added. */
  readonly known?: Map<string, ivm.Module>
  /** Of the evaluation; undefined where somebody else watches it. */
  readonly timeoutMs?: number
}): ModuleGraph {
  const { isolate, context, code } = options
  const byPath = options.known ?? new Map<string, ivm.Module>()
  const paths = new Map([...byPath].map(([path, module]) => [module, path]))
  const compile = (path: string): ivm.Module => {
    const known = byPath.get(path)
    if (known !== undefined) return known
    const loaded = code.modules.get(path)
    if (loaded === undefined) {
      throw new LoaderError(`Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`)
    }
    const module =
      loaded.cachedData === undefined
        ? isolate.compileModuleSync(loaded.source, { filename: path, produceCachedData: true })
        : isolate.compileModuleSync(loaded.source, { filename: path, cachedData: loaded.cachedData })
    if (loaded.cachedData === undefined) {
      loaded.cachedData = (module as ivm.Module & { cachedData?: ivm.ExternalCopy<ArrayBuffer> }).cachedData
    }
    byPath.set(path, module)
    paths.set(module, path)
    return module
  }
  const entry = compile(options.entryPath)
  let refused: unknown
  const link = (specifier: string, referrer: ivm.Module): ivm.Module => {
    try {
      return compile(resolveSpecifier(specifier, paths.get(referrer) ?? options.entryPath))
    } catch (error) {
      refused = error
      throw error
    }
  }
  try {
    entry.instantiateSync(context, link)
  } catch (error) {
    throw refused ?? error
  }
  entry.evaluateSync(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs })
  // V8 has evaluated the dependencies with their entry, but isolated-vm gives out a module's namespace only after both
  // steps were asked of it. Nothing runs again.
  for (const dependency of byPath.values()) {
    if (dependency === entry) continue
    dependency.instantiateSync(context, link)
    dependency.evaluateSync()
  }
  return { modules: [...byPath.values()], paths: [...byPath.keys()], namespace: entry.namespace }
}
