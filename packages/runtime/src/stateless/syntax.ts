/**
 * Parsing and the few questions about syntax that the analysis and the rewrite both ask. Parentheses are nodes of their
 * own (`preserveParens`), so that a node's range is exactly what an insertion may enclose.
 */
/* oxlint-disable typescript/switch-exhaustiveness-check -- syntax trees have some seventy kinds of nodes; `default` treats those that need nothing special */
import { parse, type AnyNode, type Node, type Program } from 'acorn'

export type FunctionNode = Extract<
  AnyNode,
  { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }
>
export type ClassNode = Extract<AnyNode, { type: 'ClassDeclaration' | 'ClassExpression' }>

/** Throws acorn's SyntaxError. */
export function parseModule(source: string): Program {
  return parse(source, { ecmaVersion: 'latest', sourceType: 'module', preserveParens: true })
}

/** Child nodes in source order of their keys. Knows nothing of meaning. */
export function childNodes(node: Node): AnyNode[] {
  const children: AnyNode[] = []
  for (const key in node) {
    const value: unknown = node[key as keyof Node]
    if (typeof value !== 'object' || value === null) continue
    if (!Array.isArray(value)) {
      if (isNode(value)) children.push(value)
      continue
    }
    for (const item of value as unknown[]) if (isNode(item)) children.push(item)
  }
  return children
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

export function withoutParentheses(node: AnyNode): AnyNode {
  let inner = node
  while (inner.type === 'ParenthesizedExpression') inner = inner.expression
  return inner
}

/** Whether evaluation gives the value the name of what it is assigned to (ECMA-262 IsAnonymousFunctionDefinition). */
export function isAnonymousDefinition(expression: AnyNode): boolean {
  const inner = withoutParentheses(expression)
  switch (inner.type) {
    case 'ArrowFunctionExpression':
      return true
    case 'FunctionExpression':
    case 'ClassExpression':
      return inner.id === null || inner.id === undefined
    default:
      return false
  }
}

/** Every identifier that a binding pattern declares, with defaults and computed keys left out. */
export function patternNames(pattern: AnyNode): Extract<AnyNode, { type: 'Identifier' }>[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern]
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) =>
        patternNames(property.type === 'RestElement' ? property.argument : property.value),
      )
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element === null ? [] : patternNames(element)))
    case 'RestElement':
      return patternNames(pattern.argument)
    case 'AssignmentPattern':
      return patternNames(pattern.left)
    default:
      return []
  }
}

export type Locate = (offset: number) => string

/** Describes offsets of `source` as `line:column`, both 1-based. */
export function createLocator(source: string): Locate {
  const lineStarts = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) lineStarts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = lineStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((lineStarts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return `${low + 1}:${offset - (lineStarts[low] ?? 0) + 1}`
  }
}
