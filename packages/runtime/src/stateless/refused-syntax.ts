import type { AnyNode, Program } from 'acorn'
import { childNodes } from './syntax.ts'

/**
 * Why the loader does not take a module, in the words for its developer (function-runtime.md §1.4), or undefined. Isolates
 * would evaluate both without a word: a top-level await of something pending never comes back.
 */
export function findRefusedSyntax(program: Program): string | undefined {
  const pending: { readonly node: AnyNode; readonly isTopLevel: boolean }[] = [{ node: program, isTopLevel: true }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, isTopLevel } = next
    if (node.type === 'MetaProperty' && node.meta.name === 'import')
      return 'Uncaught TypeError: import.meta unsupported'
    const awaits = node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)
    if (isTopLevel && awaits) return 'Top-level awaits in source files are unsupported'
    const isFunction =
      node.type === 'FunctionDeclaration' ||
      node.type === 'FunctionExpression' ||
      node.type === 'ArrowFunctionExpression'
    for (const child of childNodes(node)) pending.push({ node: child, isTopLevel: isTopLevel && !isFunction })
  }
  return undefined
}
