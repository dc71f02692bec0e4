/** What a component offers to who mounts it: its public functions, as directories, modules and exports. */
import type { AnalyzedModule } from '@concave/runtime'

export type ExportTree = ReadonlyMap<string, ExportTree | ExportedFunction>
export type ExportedFunction = {
  /** `dir/module:export`, without `.js`. */
  readonly path: string
}

/** By file path. Where a directory and a module share a name, so do their members. */
export function exportPublicFunctions(modules: ReadonlyMap<string, AnalyzedModule>): ExportTree {
  const root = new Map<string, ExportTree | ExportedFunction>()
  for (const [modulePath, { functions }] of modules) {
    const stem = modulePath.slice(0, -'.js'.length)
    for (const { name, visibility } of functions) {
      if (visibility.kind !== 'public') continue
      const parent = openBranch(root, stem.split('/'))
      if (parent !== undefined && !parent.has(name)) parent.set(name, { path: `${stem}:${name}` })
    }
  }
  return root
}

/** As the evaluated definition shows it. */
export function showDefinitionExports(tree: ExportTree): unknown {
  const branch = [...tree].map(([name, member]) => [
    name,
    isFunction(member) ? { type: 'leaf', leaf: `_reference/function/${member.path}` } : showDefinitionExports(member),
  ])
  return { type: 'branch', branch }
}

/** As an instance shows it: its functions by where they stand. */
export function showInstanceExports(tree: ExportTree, componentPath: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...tree].map(([name, member]) => [
      name,
      isFunction(member)
        ? {
            type: 'leaf',
            resource: { type: 'function', path: { component: componentPath, udfPath: canonicalPath(member) } },
          }
        : { type: 'branch', children: showInstanceExports(member, componentPath) },
    ]),
  )
}

function canonicalPath({ path }: ExportedFunction): string {
  const colon = path.lastIndexOf(':')
  return `${path.slice(0, colon)}.js${path.slice(colon)}`
}

type Branch = Map<string, ExportTree | ExportedFunction>

function openBranch(root: Branch, names: readonly string[]): Branch | undefined {
  let branch = root
  for (const name of names) {
    const existing = branch.get(name)
    if (existing !== undefined && isFunction(existing)) return undefined
    const next = (existing as Branch | undefined) ?? new Map<string, ExportTree | ExportedFunction>()
    branch.set(name, next)
    branch = next
  }
  return branch
}

function isFunction(member: ExportTree | ExportedFunction): member is ExportedFunction {
  return 'path' in member
}
