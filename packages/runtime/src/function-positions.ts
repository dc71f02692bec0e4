/**
 * Where functions stand in the developer's files (function-runtime.md §1.7). V8 tells nobody where a function begins, but
 * `Function.prototype.toString` gives its text as it stands in the script: so the text is looked for there, and the source
 * map leads to the file.
 */
/* oxlint-disable typescript/switch-exhaustiveness-check -- syntax trees have some seventy kinds of nodes; two are of interest */
import type { AnyNode, Program } from 'acorn'
import { originalPositionFor } from '@jridgewell/trace-mapping'
import type { ModuleSource } from './execution.ts'
import { findMap } from './source-frames.ts'
import { parseModule } from './stateless/syntax.ts'

/** Both numbers count from 1, as in stack frames. */
export type FunctionPosition = {
  /** Of the module. */
  readonly path: string
  readonly start_lineno: number
  readonly start_col: number
}

/**
 * `handlers`: by export, how the text of its handler begins. Null for handlers of other files, such as those that a
 * wrapper from a library makes, and where the text stands in several places and nothing tells which is meant.
 */
export function locateHandlers(
  module: ModuleSource,
  handlers: ReadonlyMap<string, string | null>,
): ReadonlyMap<string, FunctionPosition | null> {
  const { source } = module
  let initializers: ReadonlyMap<string, Range> | undefined
  const find = (name: string, text: string): number | undefined => {
    const first = source.indexOf(text)
    if (first < 0) return undefined
    if (source.lastIndexOf(text) === first) return first
    initializers ??= findInitializers(source)
    const range = initializers.get(name)
    const within = range === undefined ? -1 : source.indexOf(text, range.start)
    return range === undefined || within < 0 || within >= range.end ? undefined : within
  }
  return new Map(
    [...handlers].map(([name, text]) => {
      const offset = text === null ? undefined : find(name, text)
      return [name, offset === undefined ? null : toOriginal(module, offset)]
    }),
  )
}

function toOriginal(module: ModuleSource, offset: number): FunctionPosition | null {
  const map = findMap(module)
  if (map === undefined) return null
  const before = module.source.slice(0, offset).split('\n')
  const line = before.length
  const column = before.at(-1)?.length ?? 0
  const original = originalPositionFor(map, { line, column })
  if (original.source === null || !isFileOf(original.source, module.path)) return null
  return { path: module.path, start_lineno: original.line, start_col: original.column + 1 }
}

/** Bundles hold what only one of them imports: a source may be another file than the module's own. */
function isFileOf(source: string, modulePath: string): boolean {
  const withoutExtension = (path: string): string => path.replace(/\.[^./]+$/, '')
  const name = withoutExtension(modulePath)
  const file = withoutExtension(source)
  return file === name || file.endsWith(`/${name}`)
}

type Range = { readonly start: number; readonly end: number }

/** By exported name, where the value of a constant or of the default export is written. */
function findInitializers(source: string): ReadonlyMap<string, Range> {
  let program: Program
  try {
    program = parseModule(source)
  } catch {
    return new Map()
  }
  const ofLocal = new Map<string, Range>()
  const ofExport = new Map<string, Range>()
  for (const statement of program.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type === 'VariableDeclaration') {
      for (const { id, init } of declaration.declarations) {
        if (id.type !== 'Identifier' || init == null) continue
        ofLocal.set(id.name, init)
        if (declaration !== statement) ofExport.set(id.name, init)
      }
    }
    if (statement.type === 'ExportDefaultDeclaration') ofExport.set('default', statement.declaration)
  }
  for (const statement of program.body) {
    if (statement.type !== 'ExportNamedDeclaration' || statement.source != null) continue
    for (const { local, exported } of statement.specifiers) {
      const range = ofLocal.get(nameOf(local))
      if (range !== undefined) ofExport.set(nameOf(exported), range)
    }
  }
  return ofExport
}

function nameOf(node: AnyNode): string {
  if (node.type === 'Identifier') return node.name
  return node.type === 'Literal' ? String(node.value) : ''
}
