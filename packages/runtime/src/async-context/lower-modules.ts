import { BadRequest } from '@concave/base'
import type { Program } from 'acorn'
import { resolveSpecifier } from '../runner/module-graph.ts'
import { listDynamicImports } from '../stateless/dynamic-imports.ts'
import { listImports } from '../stateless/prepare-module.ts'
import { findRefusedSyntax } from '../stateless/refused-syntax.ts'
import { parseModule } from '../stateless/syntax.ts'
import { lowerModule, type LoweredModule } from './lower-module.ts'

type Module = { readonly path: string; readonly source: string; readonly sourceMap?: string | null | undefined }

/** The bundler of the CLI turns imports of `node:async_hooks` into these globals. */
const contextClass = /\bAsync(?:LocalStorage|Resource)\b/

/**
 * The same modules, with those lowered that may share a context with `AsyncLocalStorage` (function-runtime.md §3.7). All
 * others stay as they are, and so does what cannot be parsed or loaded, which is refused later. Rejects with `BadRequest`
 * for syntax that esbuild does not take.
 */
export async function lowerModules<T extends Module>(modules: readonly T[]): Promise<readonly T[]> {
  if (!modules.some(({ source }) => contextClass.test(source))) return modules
  const graph = new Map(modules.map((module) => [module.path, parseImports(module)]))
  const affected = findAffected(modules, graph)
  return await Promise.all(
    modules.map(async (module) => {
      if (!affected.has(module.path)) return module
      const sourceMap = typeof module.sourceMap === 'string' && module.sourceMap !== '' ? module.sourceMap : undefined
      const lowered = await lowerOrRefuse({ path: module.path, source: module.source, sourceMap })
      return { ...module, source: lowered.source, ...(sourceMap === undefined ? {} : { sourceMap: lowered.sourceMap }) }
    }),
  )
}

async function lowerOrRefuse(module: Parameters<typeof lowerModule>[0]): Promise<LoweredModule> {
  try {
    return await lowerModule(module)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new BadRequest('InvalidModules', `Failed to analyze ${module.path}: ${text}`, { cause: error })
  }
}

/** Paths that a module imports, at once or later; undefined if it cannot be loaded. */
function parseImports({ source, path }: Module): readonly string[] | undefined {
  let program: Program
  try {
    program = parseModule(source)
  } catch {
    return undefined
  }
  if (findRefusedSyntax(program) !== undefined) return undefined
  return [...listImports(program), ...listDynamicImports(program)].flatMap((specifier) => {
    try {
      return [resolveSpecifier(specifier, path)]
    } catch {
      return []
    }
  })
}

/** Everything that one entry can reach is in one context. */
function findAffected(
  modules: readonly Module[],
  graph: ReadonlyMap<string, readonly string[] | undefined>,
): ReadonlySet<string> {
  const using = new Set(modules.filter(({ source }) => contextClass.test(source)).map(({ path }) => path))
  const affected = new Set<string>()
  for (const entry of graph.keys()) {
    const reached = new Set([entry])
    for (const path of reached) for (const imported of graph.get(path) ?? []) reached.add(imported)
    if (!reached.isDisjointFrom(using))
      for (const path of reached) if (graph.get(path) !== undefined) affected.add(path)
  }
  return affected
}
