import { BadRequest } from '@concave/base'

/** A function's address inside one component. `module` is canonical: it ends in `.js`. */
export type FunctionPath = { readonly module: string; readonly name: string }

const maxComponentLength = 64

/**
 * Reads `dir/module:export`, with or without `.js`; without `:` the export is `default`.
 * Throws `BadConvexFunctionIdentifier` (function-runtime.md §1.3).
 */
export function parseFunctionPath(text: string): FunctionPath {
  const colon = text.lastIndexOf(':')
  const modulePart = colon === -1 ? text : text.slice(0, colon)
  const name = colon === -1 ? 'default' : text.slice(colon + 1)
  const module = canonicalModulePath(modulePart)
  if (module === undefined || !/^[a-zA-Z_$][a-zA-Z0-9_$]*$/.test(name)) {
    throw new BadRequest(
      'BadConvexFunctionIdentifier',
      `"${text}" is not a valid path to a Convex function. Use the form "dir/module:functionName".`,
    )
  }
  return { module, name }
}

/** The module path with `.js`, or undefined when it is not legal. */
export function canonicalModulePath(text: string): string | undefined {
  const stem = text.endsWith('.js') ? text.slice(0, -3) : text
  const parts = stem.split('/')
  const isLegal = parts.every(
    (part) =>
      part.length <= maxComponentLength && /^[a-zA-Z0-9_.]+$/.test(part) && /[a-zA-Z0-9]/.test(part) && part !== '..',
  )
  return isLegal ? `${stem}.js` : undefined
}

/** `dir/module:export` without `.js`; `:default` is dropped. The form that people read. */
export function displayFunctionPath(path: FunctionPath): string {
  const stem = path.module.slice(0, -3)
  return path.name === 'default' ? stem : `${stem}:${path.name}`
}

/** `dir/module.js:export`: the form of error texts and system tables. */
export function canonicalFunctionPath(path: FunctionPath): string {
  return `${path.module}:${path.name}`
}
