/** Scope analysis: one walk declares names and collects references, then every reference finds its binding. */
/* oxlint-disable typescript/switch-exhaustiveness-check -- syntax trees have some seventy kinds of nodes; `default` treats those that need nothing special */
import type { AnyNode, Identifier, Program } from 'acorn'
import {
  declaresPrivate,
  findBinding,
  outermostClosure,
  startsBeforeBody,
  type Access,
  type Analysis,
  type Binding,
  type ClassInfo,
  type Declaration,
  type ForEachNode,
  type Home,
  type MemberWrite,
  type PrivateUse,
  type Reference,
  type Scope,
  type Unit,
  type UnitKind,
  type Write,
} from './scope-model.ts'
import { childNodes, patternNames, type ClassNode, type FunctionNode } from './syntax.ts'

export function analyze(program: Program): Analysis {
  return new Analyzer(program).run()
}

type Place = { readonly unit: Unit; readonly scope: Scope; readonly parent: AnyNode | undefined }

class Analyzer {
  readonly #program: Program
  readonly #units: Unit[] = []
  readonly #bindings: Binding[] = []
  readonly #references: Reference[] = []
  readonly #globals: Reference[] = []
  readonly #classes: ClassInfo[] = []
  readonly #homes: Home[] = []
  readonly #accesses: Access[] = []
  readonly #memberWrites: MemberWrite[] = []
  readonly #refused: { what: string; start: number }[] = []
  #openClasses: ClassInfo[] = []

  constructor(program: Program) {
    this.#program = program
  }

  run(): Analysis {
    const unit = this.#unit({ kind: 'module', node: this.#program, parent: undefined, home: undefined })
    const moduleScope = createScope('module', this.#program, undefined, unit)
    for (const statement of this.#program.body)
      this.#visit(statement, { unit, scope: moduleScope, parent: this.#program })
    for (const reference of this.#references) this.#resolve(reference)
    return {
      program: this.#program,
      moduleScope,
      units: this.#units,
      bindings: this.#bindings,
      globals: this.#globals,
      classes: this.#classes,
      homes: this.#homes,
      accesses: this.#accesses,
      memberWrites: this.#memberWrites,
      refused: this.#refused,
    }
  }

  #unit(options: {
    readonly kind: UnitKind
    readonly node: AnyNode
    readonly parent: Unit | undefined
    readonly home: Home | undefined
    readonly constructorOf?: ClassNode
  }): Unit {
    const unit: Unit = {
      kind: options.kind,
      node: options.node,
      parent: options.parent,
      home: options.home,
      isConstructor: options.constructorOf !== undefined,
      isDerivedConstructor: options.constructorOf?.superClass != null,
      superCalls: [],
      bindings: [],
      capturesThis: false,
      capturesArguments: false,
      capturesNewTarget: false,
      capturesInParameters: false,
    }
    this.#units.push(unit)
    return unit
  }

  #home(node: AnyNode): Home {
    const home = { node, isSuperUsed: false }
    this.#homes.push(home)
    return home
  }

  #declare(scope: Scope, name: Identifier, declaration: Declaration): void {
    let binding = scope.bindings.get(name.name)
    if (binding === undefined) {
      binding = { name: name.name, scope, unit: scope.unit, start: name.start, declarations: [], references: [] }
      scope.bindings.set(name.name, binding)
      scope.unit.bindings.push(binding)
      this.#bindings.push(binding)
    }
    binding.declarations.push(declaration)
  }

  #resolve(reference: Reference): void {
    const binding = findBinding(reference.scope, reference.node.name)
    if (binding !== undefined) {
      binding.references.push(reference)
      return
    }
    if (reference.node.name === 'arguments') {
      const owner = this.#capturingOwner(reference.scope.unit)
      if (owner !== undefined) owner.capturesArguments = true
      return
    }
    this.#globals.push(reference)
  }

  /** The unit whose `this`, `arguments` and `new.target` code in `unit` sees. */
  #ownerOfThis(unit: Unit): Unit {
    let owner = unit
    while (owner.kind === 'arrow' && owner.parent !== undefined) owner = owner.parent
    return owner
  }

  /** The unit whose `this` an arrow function takes along by using it; undefined if `unit` is no arrow function. */
  #capturingOwner(unit: Unit): Unit | undefined {
    const owner = this.#ownerOfThis(unit)
    const closure = outermostClosure(unit, owner)
    if (closure === undefined) return undefined
    if (startsBeforeBody(closure, owner)) owner.capturesInParameters = true
    return owner
  }

  #visitAll(nodes: readonly (AnyNode | null | undefined)[], place: Place): void {
    for (const node of nodes) if (node != null) this.#visit(node, place)
  }

  #visitChildren(node: AnyNode, place: Place): void {
    const inside = { ...place, parent: node }
    for (const child of childNodes(node)) this.#visit(child, inside)
  }

  #visit(node: AnyNode, place: Place): void {
    const { unit, scope } = place
    const inside: Place = { unit, scope, parent: node }
    switch (node.type) {
      case 'Identifier':
        this.#references.push({ node, parent: place.parent, scope, write: undefined })
        return
      case 'ImportDeclaration':
        for (const specifier of node.specifiers) this.#declare(scope, specifier.local, { form: 'import' })
        return
      case 'ExportAllDeclaration':
        return
      case 'ExportNamedDeclaration':
        if (node.declaration != null) this.#visit(node.declaration, inside)
        else if (node.source == null)
          this.#visitAll(
            node.specifiers.map((specifier) => specifier.local),
            inside,
          )
        return
      case 'VariableDeclaration':
        this.#visitVariables(node, inside, undefined)
        return
      case 'FunctionDeclaration':
        if (node.id != null) this.#declare(scope, node.id, { form: 'function', node, scope })
        this.#visitFunction(node, place, undefined, undefined)
        return
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        this.#visitFunction(node, place, undefined, undefined)
        return
      case 'ClassDeclaration':
      case 'ClassExpression':
        this.#visitClass(node, place)
        return
      case 'BlockStatement': {
        const block = createScope('block', node, scope, unit)
        this.#visitAll(node.body, { ...inside, scope: block })
        return
      }
      case 'ForStatement': {
        const loop = createScope('loop', node, scope, unit)
        const head = { ...inside, scope: loop }
        if (node.init?.type === 'VariableDeclaration') this.#visitVariables(node.init, head, node)
        else this.#visitAll([node.init], head)
        this.#visitAll([node.test, node.update, node.body], head)
        return
      }
      case 'ForOfStatement':
      case 'ForInStatement':
        this.#visitForEach(node, inside)
        return
      case 'SwitchStatement': {
        this.#visit(node.discriminant, inside)
        const block = createScope('switch', node, scope, unit)
        for (const { test, consequent } of node.cases)
          this.#visitAll([test, ...consequent], { ...inside, scope: block })
        return
      }
      case 'CatchClause': {
        const caught = createScope('catch', node, scope, unit)
        const clause = { ...inside, scope: caught }
        if (node.param != null)
          this.#declarePattern(node.param, caught, { form: 'catch', node, pattern: node.param }, clause)
        this.#visit(node.body, clause)
        return
      }
      case 'LabeledStatement':
        this.#visit(node.body, inside)
        return
      case 'BreakStatement':
      case 'ContinueStatement':
        return
      case 'AssignmentExpression':
        this.#visitTarget(node.left, { form: 'assign', node }, inside)
        this.#visit(node.right, inside)
        return
      case 'UpdateExpression':
        this.#visitTarget(node.argument, { form: 'update' }, inside)
        return
      case 'MemberExpression':
        this.#visitMember(node, place, undefined)
        return
      case 'Property':
        this.#visitProperty(node, place)
        return
      case 'ObjectExpression': {
        const home = this.#home(node)
        for (const property of node.properties) {
          if (property.type === 'Property') this.#visitProperty(property, inside, home)
          else this.#visit(property, inside)
        }
        return
      }
      case 'ThisExpression': {
        const owner = this.#capturingOwner(unit)
        if (owner !== undefined) owner.capturesThis = true
        return
      }
      case 'Super': {
        const owner = this.#ownerOfThis(unit)
        if (owner.home !== undefined) owner.home.isSuperUsed = true
        // `super.method()` passes `this` on.
        if (this.#capturingOwner(unit) !== undefined) owner.capturesThis = true
        return
      }
      case 'CallExpression':
        if (node.callee.type === 'Super') {
          const owner = this.#ownerOfThis(unit)
          owner.superCalls.push(node)
          this.#visitAll(node.arguments, inside)
          return
        }
        this.#visitChildren(node, place)
        return
      case 'MetaProperty': {
        if (node.meta.name === 'import') {
          this.#refused.push({ what: 'import.meta', start: node.start })
          return
        }
        const owner = this.#capturingOwner(unit)
        if (owner !== undefined) owner.capturesNewTarget = true
        return
      }
      case 'ImportExpression':
        this.#refused.push({ what: 'import()', start: node.start })
        this.#visitChildren(node, place)
        return
      case 'AwaitExpression':
        if (unit.kind === 'module') this.#refused.push({ what: 'top-level await', start: node.start })
        this.#visitChildren(node, place)
        return
      case 'PrivateIdentifier':
        this.#usePrivate({ name: node.name, node, unit, member: undefined, parent: place.parent, write: undefined })
        return
      default:
        this.#visitChildren(node, place)
    }
  }

  #visitMember(node: Extract<AnyNode, { type: 'MemberExpression' }>, place: Place, write: Write | undefined): void {
    const inside: Place = { ...place, parent: node }
    this.#accesses.push({ node, parent: place.parent, unit: place.unit })
    const isDeleted = place.parent?.type === 'UnaryExpression' && place.parent.operator === 'delete'
    if (write !== undefined || isDeleted) this.#memberWrites.push({ node, scope: place.scope })
    this.#visit(node.object, inside)
    if (node.property.type === 'PrivateIdentifier') {
      const { name } = node.property
      this.#usePrivate({ name, node: node.property, unit: place.unit, member: node, parent: place.parent, write })
    } else if (node.computed) {
      this.#visit(node.property, inside)
    }
  }

  #usePrivate(use: PrivateUse): void {
    const owner = this.#openClasses.findLast(({ node }) => declaresPrivate(node, use.name))
    owner?.privateUses.push(use)
  }

  #visitProperty(node: Extract<AnyNode, { type: 'Property' }>, place: Place, home?: Home): void {
    const inside: Place = { ...place, parent: node }
    if (node.computed) this.#visit(node.key, inside)
    const isMethod = 'method' in node && (node.method || node.kind !== 'init')
    if (isMethod && node.value.type === 'FunctionExpression') this.#visitFunction(node.value, inside, home, undefined)
    else this.#visit(node.value, inside)
  }

  #visitVariables(
    node: Extract<AnyNode, { type: 'VariableDeclaration' }>,
    place: Place,
    loop: AnyNode | undefined,
  ): void {
    const target = node.kind === 'var' ? variableScope(place.scope) : place.scope
    if (node.kind === 'await using' && place.unit.kind === 'module') {
      this.#refused.push({ what: 'top-level await', start: node.start })
    }
    for (const declarator of node.declarations) {
      const declaration = { form: 'variable', declarator, kind: node.kind, loop, scope: place.scope } as const
      this.#declarePattern(declarator.id, target, declaration, place)
      if (declarator.init != null) this.#visit(declarator.init, { ...place, parent: declarator })
    }
  }

  #visitForEach(node: ForEachNode, place: Place): void {
    const { unit, scope } = place
    const loop = createScope('loop', node, scope, unit)
    const inside = { ...place, scope: loop }
    if (node.type === 'ForOfStatement' && node.await && unit.kind === 'module') {
      this.#refused.push({ what: 'top-level await', start: node.start })
    }
    if (node.left.type === 'VariableDeclaration') {
      const { kind } = node.left
      const pattern = node.left.declarations[0]?.id
      const target = kind === 'var' ? variableScope(loop) : loop
      if (pattern !== undefined)
        this.#declarePattern(pattern, target, { form: 'forEach', loop: node, pattern, kind }, inside)
    } else {
      this.#visitTarget(node.left, { form: 'loopHead' }, inside)
    }
    this.#visit(node.right, inside)
    this.#visit(node.body, inside)
  }

  /** Declares the names of a pattern and visits its defaults and computed keys. */
  #declarePattern(pattern: AnyNode, scope: Scope, declaration: Declaration, place: Place): void {
    for (const name of patternNames(pattern)) this.#declare(scope, name, declaration)
    this.#visitPatternExpressions(pattern, place)
  }

  #visitPatternExpressions(pattern: AnyNode, place: Place): void {
    const inside: Place = { ...place, parent: pattern }
    switch (pattern.type) {
      case 'ObjectPattern':
        for (const property of pattern.properties) {
          if (property.type === 'RestElement') continue
          if (property.computed) this.#visit(property.key, inside)
          this.#visitPatternExpressions(property.value, inside)
        }
        return
      case 'ArrayPattern':
        for (const element of pattern.elements) if (element !== null) this.#visitPatternExpressions(element, inside)
        return
      case 'RestElement':
        this.#visitPatternExpressions(pattern.argument, inside)
        return
      case 'AssignmentPattern':
        this.#visitPatternExpressions(pattern.left, inside)
        this.#visit(pattern.right, inside)
        return
      default:
    }
  }

  /** The left side of an assignment: identifiers in it are written, everything else is evaluated. */
  #visitTarget(target: AnyNode, write: Write, place: Place): void {
    const inside: Place = { ...place, parent: target }
    switch (target.type) {
      case 'Identifier':
        this.#references.push({ node: target, parent: place.parent, scope: place.scope, write })
        return
      case 'ParenthesizedExpression':
        this.#visitTarget(target.expression, write, inside)
        return
      case 'MemberExpression':
        this.#visitMember(target, place, write)
        return
      case 'ObjectPattern':
        for (const property of target.properties) {
          if (property.type === 'RestElement') {
            this.#visitTarget(property.argument, patternWrite, inside)
            continue
          }
          if (property.computed) this.#visit(property.key, inside)
          this.#visitTarget(property.value, patternWrite, inside)
        }
        return
      case 'ArrayPattern':
        for (const element of target.elements) if (element !== null) this.#visitTarget(element, patternWrite, inside)
        return
      case 'RestElement':
        this.#visitTarget(target.argument, patternWrite, inside)
        return
      case 'AssignmentPattern':
        this.#visitTarget(target.left, patternWrite, inside)
        this.#visit(target.right, inside)
        return
      default:
        this.#visit(target, place)
    }
  }

  #visitFunction(node: FunctionNode, place: Place, home: Home | undefined, constructorOf: ClassNode | undefined): void {
    const unit = this.#unit({
      kind: node.type === 'ArrowFunctionExpression' ? 'arrow' : 'function',
      node,
      parent: place.unit,
      home,
      ...(constructorOf === undefined ? {} : { constructorOf }),
    })
    let outer: Scope | undefined = place.scope
    if (node.type === 'FunctionExpression' && node.id != null) {
      outer = createScope('functionName', node, outer, unit)
      this.#declare(outer, node.id, { form: 'functionName' })
    }
    const parameters = createScope('parameters', node, outer, unit)
    const inside: Place = { unit, scope: parameters, parent: node }
    for (const parameter of node.params) this.#declarePattern(parameter, parameters, { form: 'parameter' }, inside)
    if (node.body.type !== 'BlockStatement') {
      this.#visit(node.body, inside)
      return
    }
    const body = createScope('body', node.body, parameters, unit)
    this.#visitAll(node.body.body, { unit, scope: body, parent: node.body })
  }

  #visitClass(node: ClassNode, place: Place): void {
    const { unit } = place
    if (node.type === 'ClassDeclaration' && node.id != null)
      this.#declare(place.scope, node.id, { form: 'class', node })
    const scope = createScope('class', node, place.scope, unit)
    if (node.id != null) this.#declare(scope, node.id, { form: 'className' })
    const home = this.#home(node)
    const info: ClassInfo = { node, unit, home, privateUses: [] }
    this.#classes.push(info)
    const inside: Place = { unit, scope, parent: node }
    if (node.superClass != null) this.#visit(node.superClass, inside)
    this.#openClasses.push(info)
    for (const element of node.body.body) {
      if (element.type === 'StaticBlock') {
        const block = this.#unit({ kind: 'staticBlock', node: element, parent: unit, home })
        const body = createScope('body', element, scope, block)
        this.#visitAll(element.body, { unit: block, scope: body, parent: element })
        continue
      }
      if (element.computed) this.#visit(element.key, inside)
      if (element.type === 'MethodDefinition') {
        const isConstructor = element.kind === 'constructor'
        this.#visitFunction(element.value, { ...inside, parent: element }, home, isConstructor ? node : undefined)
      } else if (element.value != null) {
        const field = this.#unit({ kind: 'field', node: element, parent: unit, home })
        this.#visit(element.value, { unit: field, scope: createScope('body', element, scope, field), parent: element })
      }
    }
    this.#openClasses.pop()
  }
}

const patternWrite: Write = { form: 'pattern' }

function createScope(kind: Scope['kind'], node: AnyNode, parent: Scope | undefined, unit: Unit): Scope {
  return { kind, node, parent, unit, bindings: new Map() }
}

/** The scope that a `var` belongs to. */
function variableScope(scope: Scope): Scope {
  let target = scope
  while (target.kind !== 'module' && target.kind !== 'body' && target.parent !== undefined) target = target.parent
  return target
}
