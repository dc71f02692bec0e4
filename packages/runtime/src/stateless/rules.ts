/**
 * Static rules about things that hide state from closures and reflection alike, or that no insertion can follow.
 */
/* oxlint-disable typescript/switch-exhaustiveness-check -- syntax trees have some seventy kinds of nodes; `default` treats those that need nothing special */
import type { AnyNode, Expression, SpreadElement } from 'acorn'
import type { Edits } from './edits.ts'
import type { Findings } from './findings.ts'
import { keepRange } from './rewrite.ts'
import { findBinding, type Access, type Analysis, type MemberWrite, type Reference } from './scope-model.ts'
import { withoutParentheses } from './syntax.ts'

/** Prefix of every name that the rewrite inserts. */
const reservedPrefix = '__concave'

/** What lowered modules call (../async-context/lower-module.ts). These keep nothing that was not made during import. */
const loweringNames: ReadonlySet<string> = new Set([
  '__concave_async',
  '__concave_asyncGenerator',
  '__concave_await',
  '__concave_forAwait',
  '__concave_yieldStar',
])

/** Objects whose content no freezing stops. The value names them in a reason. */
const mutableClasses: ReadonlySet<string> = new Set([
  'Map',
  'Set',
  'WeakMap',
  'WeakSet',
  'WeakRef',
  'FinalizationRegistry',
  'Date',
  'ArrayBuffer',
  'SharedArrayBuffer',
  'DataView',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'Promise',
  'Error',
  'TypeError',
  'RangeError',
  'Headers',
  'Request',
  'Response',
  'URL',
  'URLSearchParams',
  'FormData',
  'TextDecoder',
  'AbortController',
  'EventTarget',
  'Event',
  'ReadableStream',
  'WritableStream',
  'TransformStream',
])

const contextClasses: ReadonlySet<string> = new Set(['AsyncLocalStorage', 'AsyncResource'])

/** Those filled by their constructor are mostly constant; the isolate guards the others' methods too, but they are made to change. */
const collections: ReadonlySet<string> = new Set(['Map', 'Set'])

export function checkRules(analysis: Analysis, findings: Findings, edits: Edits): void {
  for (const { what, start } of analysis.refused) findings.fresh(start, `the module uses ${what}.`)
  for (const reference of analysis.globals) checkGlobal(reference, findings, edits)
  for (const { name, start } of analysis.bindings) checkReserved(name, start, findings)
  for (const access of analysis.accesses) checkAccess(access, findings, edits)
  for (const write of analysis.memberWrites) checkMemberWrite(write, analysis, findings)
  checkModuleInstances(analysis, findings)
}

/**
 * Freezing would stop this write, too; but found here it has a place, and no `catch` of the function can hide it.
 */
function checkMemberWrite({ node, scope }: MemberWrite, { moduleScope }: Analysis, findings: Findings): void {
  if (scope.unit.kind === 'module') return
  let root: AnyNode = node
  while (
    root.type === 'MemberExpression' ||
    root.type === 'ParenthesizedExpression' ||
    root.type === 'ChainExpression'
  ) {
    root = root.type === 'MemberExpression' ? root.object : root.expression
  }
  if (root.type !== 'Identifier' || findBinding(scope, root.name)?.scope !== moduleScope) return
  findings.fresh(node.start, `a function changes \`${root.name}\`, which belongs to the module.`)
}

/** A context may be held by promises and bound functions, which outlive the call that made it. */
function checkContextClass(name: string | undefined, start: number, findings: Findings): void {
  if (name === undefined || !contextClasses.has(name)) return
  findings.fresh(start, `the module uses \`${name}\`.`)
}

function checkReserved(name: string, start: number, findings: Findings): void {
  if (name.startsWith(reservedPrefix) && !loweringNames.has(name))
    findings.fresh(start, `the name \`${name}\` is reserved.`)
}

/**
 * Code from strings is not rewritten, a proxy's handler is not reachable from the proxy, and who holds a promise's
 * resolving functions can wake a suspended async function, whose variables nothing can reach.
 */
function checkGlobal(reference: Reference, findings: Findings, edits: Edits): void {
  const { node, parent, scope } = reference
  const { name, start } = node
  checkReserved(name, start, findings)
  checkContextClass(name, start, findings)
  if (name === 'eval' && parent?.type === 'CallExpression' && parent.callee === node) {
    findings.fresh(start, 'the module calls `eval`.')
  } else if (name === 'eval' || name === 'Function') {
    if (!isInspected(reference)) markImport(reference, 'makes code from a string during import.', findings, edits)
  } else if (name === 'Promise') {
    if (!isInspected(reference)) markImport(reference, 'makes a promise during import.', findings, edits)
  } else if (name === 'Proxy') {
    const isConstruction = parent?.type === 'NewExpression' && parent.callee === node
    if (isConstruction && keepArguments(parent.arguments, edits)) return
    if (isConstruction) findings.duringImport(scope.unit, start, 'what a proxy gets during import cannot be followed.')
    else if (!isInspected(reference)) markImport(reference, 'uses `Proxy` as a value during import.', findings, edits)
  }
}

/** Comparisons and `x.constructor.name`; what is a value or gets called may be a constructor of functions. */
function isHarmless(node: Access['node'], parent: AnyNode | undefined): boolean {
  if (parent?.type === 'BinaryExpression') return true
  return parent?.type === 'MemberExpression' && parent.object === node && propertyName(parent) === 'name'
}

/** `typeof X`, `value instanceof X`, `X.member`. */
function isInspected({ node, parent }: Reference): boolean {
  if (parent?.type === 'UnaryExpression') return parent.operator === 'typeof'
  if (parent?.type === 'BinaryExpression') return true
  return parent?.type === 'MemberExpression' && parent.object === node
}

/** Reports the evaluation of a global's name during import. */
function markImport({ node, parent, scope, write }: Reference, text: string, findings: Findings, edits: Edits): void {
  const isShorthand = parent?.type === 'Property' && parent.shorthand
  if (write !== undefined || isShorthand) {
    findings.duringImport(scope.unit, node.start, `the module ${text}`)
    return
  }
  const reason = findings.describe(node.start, `the module ${text}`)
  edits.enclose(node.start, node.end, `(__concave_stateful(${JSON.stringify(reason)}),`, ')')
}

function keepArguments(args: readonly (Expression | SpreadElement)[], edits: Edits): boolean {
  if (args.some(({ type }) => type === 'SpreadElement')) return false
  for (const argument of args) keepRange(edits, argument)
  return true
}

/** A bound function hides its target, its `this` and its arguments. */
function checkAccess({ node, parent, unit }: Access, findings: Findings, edits: Edits): void {
  const name = propertyName(node)
  checkContextClass(name, node.start, findings)
  if (name === 'Proxy' || name === 'eval') {
    findings.duringImport(unit, node.start, `\`${name}\` is reached as a property during import.`)
    return
  }
  if (name === 'withResolvers') {
    findings.duringImport(unit, node.start, 'a promise is made during import.')
    return
  }
  if (name === 'constructor') {
    if (!isHarmless(node, parent)) findings.duringImport(unit, node.start, '`constructor` is taken during import.')
    return
  }
  if (name !== 'bind') return
  const isCall = parent?.type === 'CallExpression' && parent.callee === node
  if (!isCall || isInOptionalChain(node.object) || !keepArguments(parent.arguments, edits)) {
    findings.duringImport(unit, node.start, 'what `bind` binds during import cannot be followed.')
    return
  }
  if (node.object.type !== 'Super') keepRange(edits, node.object)
}

function propertyName({ property, computed }: Access['node']): string | undefined {
  if (!computed) return property.type === 'Identifier' ? property.name : undefined
  const inner = withoutParentheses(property)
  return inner.type === 'Literal' && typeof inner.value === 'string' ? inner.value : undefined
}

/** Whether a `?.` further left would skip a call around `node`. */
function isInOptionalChain(node: AnyNode): boolean {
  for (let link = node; ;) {
    if (link.type === 'MemberExpression') {
      if (link.optional) return true
      link = link.object
    } else if (link.type === 'CallExpression') {
      if (link.optional) return true
      link = link.callee
    } else {
      return false
    }
  }
}

/** Known mutable objects in a module's bindings: the freezer would find them too, but here the reason has a place. */
function checkModuleInstances({ program, globals }: Analysis, findings: Findings): void {
  const globalNodes = new Set<AnyNode>(globals.map(({ node }) => node))
  const check = (value: AnyNode | null | undefined): void => {
    if (value == null) return
    const node = withoutParentheses(value)
    switch (node.type) {
      case 'NewExpression': {
        const callee = withoutParentheses(node.callee)
        if (callee.type !== 'Identifier' || !mutableClasses.has(callee.name) || !globalNodes.has(callee)) return
        if (collections.has(callee.name) && node.arguments.length > 0) return
        findings.fresh(node.start, `\`new ${callee.name}\` at module level would keep what functions put into it.`)
        return
      }
      case 'ArrayExpression':
        for (const element of node.elements) check(element)
        return
      case 'ObjectExpression':
        for (const property of node.properties) if (property.type === 'Property') check(property.value)
        return
      default:
    }
  }
  for (const statement of program.body) {
    if (statement.type === 'ExportDefaultDeclaration') check(statement.declaration)
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'VariableDeclaration') continue
    for (const { init } of declaration.declarations) check(init)
  }
}
