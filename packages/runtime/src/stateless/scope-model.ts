/**
 * What scope analysis says about a module: which binding every identifier means, from which function it is used, and
 * what a closure may hold without anybody seeing it (bindings, `this`, `arguments`, `new.target`, the object behind
 * `super`).
 *
 * A `Unit` is code that runs as a whole: the module's top level, a function, a field initialiser, a static block.
 */
import type { AnyNode, AssignmentExpression, Identifier, Program } from 'acorn'
import { withoutParentheses, type ClassNode, type FunctionNode } from './syntax.ts'

export type UnitKind = 'module' | 'function' | 'arrow' | 'field' | 'staticBlock'

export type Unit = {
  readonly kind: UnitKind
  readonly node: AnyNode
  readonly parent: Unit | undefined
  /** Object literal or class whose home object `super` refers to. */
  readonly home: Home | undefined
  /** Constructor of a class with `extends`: `this` does not exist before `super()`. */
  readonly isDerivedConstructor: boolean
  readonly isConstructor: boolean
  readonly superCalls: AnyNode[]
  readonly bindings: Binding[]
  /** What arrow functions inside take along. */
  capturesThis: boolean
  capturesArguments: boolean
  capturesNewTarget: boolean
  /** One of these arrow functions stands among the parameters, so it exists before the body runs. */
  capturesInParameters: boolean
}

export type Home = { readonly node: AnyNode; isSuperUsed: boolean }

export type Scope = {
  readonly kind: 'module' | 'parameters' | 'body' | 'block' | 'loop' | 'switch' | 'catch' | 'class' | 'functionName'
  readonly node: AnyNode
  readonly parent: Scope | undefined
  readonly unit: Unit
  readonly bindings: Map<string, Binding>
}

export type Declaration =
  | { readonly form: 'import' | 'parameter' | 'functionName' | 'className' }
  | { readonly form: 'class'; readonly node: ClassNode }
  | { readonly form: 'function'; readonly node: FunctionNode; readonly scope: Scope }
  | { readonly form: 'catch'; readonly node: AnyNode; readonly pattern: AnyNode }
  | { readonly form: 'forEach'; readonly loop: ForEachNode; readonly pattern: AnyNode; readonly kind: string }
  | {
      readonly form: 'variable'
      readonly declarator: DeclaratorNode
      readonly kind: string
      readonly loop: AnyNode | undefined
      readonly scope: Scope
    }

export type ForEachNode = Extract<AnyNode, { type: 'ForOfStatement' | 'ForInStatement' }>
export type DeclaratorNode = Extract<AnyNode, { type: 'VariableDeclarator' }>

export type Binding = {
  readonly name: string
  readonly scope: Scope
  readonly unit: Unit
  readonly start: number
  readonly declarations: Declaration[]
  readonly references: Reference[]
}

export type Write =
  | { readonly form: 'assign'; readonly node: AssignmentExpression }
  | { readonly form: 'update' | 'pattern' | 'loopHead' }

export type Reference = {
  readonly node: Identifier
  readonly parent: AnyNode | undefined
  readonly scope: Scope
  readonly write: Write | undefined
}

/** A class with private names, and every place that names one of them. */
export type ClassInfo = {
  readonly node: ClassNode
  readonly unit: Unit
  readonly home: Home
  readonly privateUses: PrivateUse[]
}

export type PrivateUse = {
  readonly name: string
  readonly node: AnyNode
  readonly unit: Unit
  /** `receiver.#name`; undefined for `#name in object`. */
  readonly member: Extract<AnyNode, { type: 'MemberExpression' }> | undefined
  readonly parent: AnyNode | undefined
  readonly write: Write | undefined
}

export type Analysis = {
  readonly program: Program
  readonly moduleScope: Scope
  readonly units: readonly Unit[]
  readonly bindings: readonly Binding[]
  readonly globals: readonly Reference[]
  readonly classes: readonly ClassInfo[]
  readonly homes: readonly Home[]
  /** Calls, constructions and member accesses, for the rules that look at their shape. */
  readonly accesses: readonly Access[]
  readonly memberWrites: readonly MemberWrite[]
  /** `import()`, `import.meta`, top-level `await`: no context that ran them is used again. */
  readonly refused: readonly { readonly what: string; readonly start: number }[]
}

/** A property as the target of an assignment, an update, a pattern, a loop or `delete`. */
export type MemberWrite = { readonly node: Extract<AnyNode, { type: 'MemberExpression' }>; readonly scope: Scope }

export type Access = {
  readonly node: Extract<AnyNode, { type: 'MemberExpression' }>
  readonly parent: AnyNode | undefined
  readonly unit: Unit
}

export function declaresPrivate(node: ClassNode, name: string): boolean {
  return node.body.body.some(
    (element) =>
      element.type !== 'StaticBlock' && element.key.type === 'PrivateIdentifier' && element.key.name === name,
  )
}

/** What `name` means in `scope`; undefined for globals. Only after everything has been declared. */
export function findBinding(scope: Scope, name: string): Binding | undefined {
  for (let current: Scope | undefined = scope; current !== undefined; current = current.parent) {
    const binding = current.bindings.get(name)
    if (binding !== undefined) return binding
  }
  return undefined
}

/** The closures made in the binding's unit that use it. */
export function capturingUnits(binding: Binding): Unit[] {
  const closures: Unit[] = []
  for (const reference of binding.references) {
    const closure = outermostClosure(reference.scope.unit, binding.unit)
    if (closure !== undefined) closures.push(closure)
  }
  return closures
}

/** The closure made directly in `owner` that contains `unit`; undefined if `unit` is `owner` itself. */
export function outermostClosure(unit: Unit, owner: Unit): Unit | undefined {
  let closure: Unit | undefined
  for (let current: Unit | undefined = unit; current !== undefined && current !== owner; current = current.parent) {
    closure = current
  }
  return closure
}

/** Whether `closure`, made in `owner`, stands among the parameters of `owner`. */
export function startsBeforeBody(closure: Unit, owner: Unit): boolean {
  const { node } = owner
  return 'params' in node && node.body !== null && !Array.isArray(node.body) && closure.node.start < node.body.start
}

/** Direct code of a class body that may name its private elements: `this.#name`. */
export function isThis(node: AnyNode): boolean {
  return withoutParentheses(node).type === 'ThisExpression'
}
