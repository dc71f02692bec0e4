import type { AnyNode, Program } from 'acorn'
import type { Edits } from './edits.ts'
import { childNodes, withoutParentheses } from './syntax.ts'

/**
 * Makes `import(x)` a call of the isolate's own `__concave_import`, which isolates need because theirs does nothing. Only
 * insertions are at hand, so the keyword ends up in a comment: `__concave_import("a.js",` + comment + `x)`.
 */
export function rewriteDynamicImports(program: Program, source: string, path: string, edits: Edits): void {
  const pending: AnyNode[] = [program]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    pending.push(...childNodes(node))
    if (node.type !== 'ImportExpression') continue
    const open = source.indexOf('(', node.start) + 1
    // A comment between the keyword and its parenthesis would end ours: such a call stays as it is, and fails.
    if (open > node.source.start || source.slice(node.start, open).includes('*/')) continue
    edits.enclose(node.start, open, `__concave_import(${JSON.stringify(path)},/*`, '*/')
  }
}

/** Specifiers of `import()`, as far as they are constants. */
export function listDynamicImports(program: Program): string[] {
  const specifiers: string[] = []
  const pending: AnyNode[] = [program]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    pending.push(...childNodes(node))
    if (node.type !== 'ImportExpression') continue
    const source = withoutParentheses(node.source)
    if (source.type === 'Literal' && typeof source.value === 'string') specifiers.push(source.value)
  }
  return specifiers
}
