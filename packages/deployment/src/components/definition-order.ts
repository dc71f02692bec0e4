/** In which order component definitions are evaluated: what is mounted before who mounts it. */
import { pushError } from '../push/push-request.ts'

type Definition = { readonly definitionPath: string; readonly dependencies: readonly string[] }

/** All of `definitions`, each after its dependencies. Throws the push's error for cycles, doubles and missing ones. */
export function orderDefinitions<T extends Definition>(definitions: readonly T[]): readonly T[] {
  const byPath = new Map(definitions.map((definition) => [definition.definitionPath, definition]))
  if (byPath.size < definitions.length || byPath.has('')) {
    throw pushError('InvalidConvexConfig', 'Two component definitions of this push have the same path.')
  }
  const ordered = new Set<T>()
  const open = new Set<T>()
  const visit = (definition: T): void => {
    if (ordered.has(definition)) return
    if (open.has(definition)) {
      const cycle = [...open, definition].map(({ definitionPath }) => definitionPath)
      throw pushError('InvalidConvexConfig', `Found cyclic definition dependency: ${cycle.join(' -> ')}`)
    }
    open.add(definition)
    for (const path of definition.dependencies) {
      const dependency = byPath.get(path)
      if (dependency === undefined) {
        throw pushError('InvalidConvexConfig', `The component definition "${path}" is not part of this push.`)
      }
      visit(dependency)
    }
    open.delete(definition)
    ordered.add(definition)
  }
  for (const definition of definitions) visit(definition)
  return [...ordered]
}
