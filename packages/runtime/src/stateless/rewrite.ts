/**
 * Inserts `__concave_keep(value)` wherever a value gets into a place that only closures can see, and
 * `__concave_stateful(reason)` into code that must not run during import. prepare-module.ts argues why that suffices.
 */
import type { AnyNode, AssignmentExpression } from 'acorn'
import type { Edits } from './edits.ts'
import type { Findings } from './findings.ts'
import {
  capturingUnits,
  startsBeforeBody,
  type Analysis,
  type Binding,
  type Declaration,
  type DeclaratorNode,
  type ForEachNode,
  type Reference,
  type Scope,
  type Unit,
} from './scope-model.ts'
import { isAnonymousDefinition, type ClassNode } from './syntax.ts'

/** Statements and class elements to insert, collected per place so that each place is written once. */
export class Insertions {
  readonly atEntry = new Map<Unit, Set<string>>()
  readonly inClass = new Map<ClassNode, Set<string>>()
  readonly inBlock = new Map<AnyNode, Set<string>>()
  readonly inLoop = new Map<ForEachNode, Set<string>>()
  readonly afterDeclarator = new Map<DeclaratorNode, Set<string>>()

  add<Place>(to: Map<Place, Set<string>>, place: Place, text: string): void {
    const texts = to.get(place)
    if (texts === undefined) to.set(place, new Set([text]))
    else texts.add(text)
  }
}

export const keepClass = 'static{__concave_keep(this)}'

export const keep = (expression: string): string => `__concave_keep(${expression})`

/** Values wrapped where they stand. */
export function keepRange(edits: Edits, node: AnyNode): void {
  edits.enclose(node.start, node.end, '__concave_keep(', ')')
}

export function rewriteBindings(analysis: Analysis, findings: Findings, insertions: Insertions, edits: Edits): void {
  const context = { findings, insertions, edits }
  for (const binding of analysis.bindings) {
    if (binding.scope === analysis.moduleScope) checkModuleBinding(binding, findings)
    else if (capturingUnits(binding).length > 0) keepCaptured(binding, context)
  }
  keepModuleBindings(analysis, edits)
  for (const unit of analysis.units) keepReceiver(unit, context)
  for (const home of analysis.homes) {
    if (!home.isSuperUsed) continue
    if (home.node.type === 'ObjectExpression') keepRange(edits, home.node)
    else insertions.add(insertions.inClass, home.node as ClassNode, keepClass)
  }
}

type Context = { readonly findings: Findings; readonly insertions: Insertions; readonly edits: Edits }

/** A module's bindings live as long as the context: functions must not assign them. */
function checkModuleBinding(binding: Binding, findings: Findings): void {
  for (const { scope, write, node } of binding.references) {
    if (write === undefined || scope.unit === binding.unit) continue
    findings.fresh(node.start, `a function assigns \`${binding.name}\`, which is declared at module level.`)
  }
}

/** At the end of the module its bindings have the values they will keep. Imported ones are kept where they are declared. */
function keepModuleBindings({ program, moduleScope }: Analysis, edits: Edits): void {
  const last = program.body.at(-1)
  if (last === undefined) return
  const names = [...moduleScope.bindings.values()].filter(({ declarations }) =>
    declarations.every(({ form }) => form !== 'import'),
  )
  if (names.length === 0) return
  edits.enclose(0, last.end, '', `;${names.map(({ name }) => `${keep(name)};`).join('')}`)
}

function keepCaptured(binding: Binding, context: Context): void {
  for (const declaration of binding.declarations) keepDeclared(binding, declaration, context)
  for (const reference of binding.references) keepWritten(binding, reference, context)
  // A `var` or function named like a parameter starts with its value.
  const isShadowedParameter = binding.scope.kind === 'body' && binding.scope.parent?.bindings.has(binding.name) === true
  if (isShadowedParameter && binding.scope.parent?.kind === 'parameters')
    keepAtEntry(binding.unit, binding.name, context)
}

function keepAtEntry(unit: Unit, expression: string, { insertions }: Context): void {
  insertions.add(insertions.atEntry, unit, keep(expression))
}

function keepDeclared(binding: Binding, declaration: Declaration, context: Context): void {
  const { findings, insertions } = context
  const { name, unit, start } = binding
  switch (declaration.form) {
    case 'import':
      return
    case 'className':
      insertions.add(insertions.inClass, binding.scope.node as ClassNode, keepClass)
      return
    case 'class':
      insertions.add(insertions.inClass, declaration.node, keepClass)
      return
    case 'parameter':
    case 'functionName':
      if (capturingUnits(binding).some((closure) => startsBeforeBody(closure, unit))) {
        findings.fresh(start, `a function among the parameters keeps \`${name}\`.`)
      }
      keepAtEntry(unit, name, context)
      return
    case 'function':
      keepHoisted(binding, declaration.scope, context)
      return
    case 'catch':
      if (isExposedPattern(binding, declaration.pattern)) findings.duringImport(unit, start, exposed(name))
      if (declaration.node.type === 'CatchClause') insertions.add(insertions.inBlock, declaration.node.body, keep(name))
      return
    case 'forEach':
      if (
        isExposedPattern(binding, declaration.pattern) ||
        (declaration.kind === 'var' && !isName(declaration.pattern))
      ) {
        findings.duringImport(unit, start, exposed(name))
      }
      insertions.add(insertions.inLoop, declaration.loop, keep(name))
      return
    case 'variable':
      keepInitial(binding, declaration, context)
      return
  }
}

function keepHoisted(binding: Binding, scope: Scope, context: Context): void {
  const { findings, insertions } = context
  if (scope.kind === 'body') keepAtEntry(binding.unit, binding.name, context)
  else if (scope.kind === 'block') insertions.add(insertions.inBlock, scope.node, keep(binding.name))
  else findings.duringImport(binding.unit, binding.start, `the function \`${binding.name}\` is declared in a switch.`)
}

function keepInitial(
  binding: Binding,
  { declarator, kind }: Extract<Declaration, { form: 'variable' }>,
  { findings, insertions, edits }: Context,
): void {
  const { init, id } = declarator
  if (init == null) return
  const isUsing = kind === 'using' || kind === 'await using'
  if (isName(id) && (isUsing || !isAnonymousDefinition(init))) {
    keepRange(edits, init)
    return
  }
  const isHoisted = kind === 'var' || capturingUnits(binding).some(({ node }) => node.type === 'FunctionDeclaration')
  if (!isName(id) && (isHoisted || isExposedPattern(binding, declarator))) {
    findings.duringImport(binding.unit, binding.start, exposed(binding.name))
  }
  insertions.add(insertions.afterDeclarator, declarator, keep(binding.name))
}

const isName = (pattern: AnyNode): boolean => pattern.type === 'Identifier'

/**
 * A pattern runs foreign code (getters, iterators, defaults) between binding its names. A closure that exists already
 * then could be handed out with a value that never gets kept, if the pattern then throws.
 */
function isExposedPattern(binding: Binding, pattern: AnyNode): boolean {
  return !isName(pattern) && capturingUnits(binding).some(({ node }) => node.start < pattern.end)
}

const exposed = (name: string): string => `a closure sees \`${name}\` before its pattern is complete.`

function keepWritten(binding: Binding, { scope, write, node }: Reference, { findings, edits }: Context): void {
  if (write === undefined) return
  if (scope.unit !== binding.unit) {
    findings.duringImport(binding.unit, node.start, `an inner function changes \`${binding.name}\`.`)
  } else if (write.form === 'assign') {
    keepAssigned(write.node, edits)
  } else if (write.form !== 'update') {
    findings.duringImport(
      binding.unit,
      node.start,
      `a pattern or loop assigns \`${binding.name}\`, which a closure sees.`,
    )
  }
}

/** Keeps what an assignment stores. Arithmetic results are primitive. */
export function keepAssigned(node: AssignmentExpression, edits: Edits): void {
  if (!['=', '??=', '||=', '&&='].includes(node.operator)) return
  keepRange(edits, isAnonymousDefinition(node.right) ? node : node.right)
}

/** `this`, `arguments` and `new.target` as arrow functions take them along. */
function keepReceiver(unit: Unit, context: Context): void {
  const { findings, insertions, edits } = context
  if (unit.kind === 'module' || unit.kind === 'arrow') return
  if (unit.capturesInParameters) findings.fresh(unit.node.start, 'an arrow function among the parameters keeps `this`.')
  if (unit.capturesArguments) keepAtEntry(unit, 'arguments', context)
  if (unit.capturesNewTarget && unit.kind === 'function') keepAtEntry(unit, 'new.target', context)
  if (!unit.capturesThis) return
  if (unit.isDerivedConstructor) {
    for (const call of unit.superCalls) keepRange(edits, call)
  } else if (unit.kind === 'field' && unit.home !== undefined) {
    const isStatic = unit.node.type === 'PropertyDefinition' && unit.node.static
    insertions.add(
      insertions.inClass,
      unit.home.node as ClassNode,
      isStatic ? keepClass : '#__concave_this=__concave_keep(this);',
    )
  } else {
    keepAtEntry(unit, 'this', context)
  }
}

/** Writes the collected insertions. Call last: import-time findings of every rule become checks here. */
export function placeInsertions(analysis: Analysis, findings: Findings, insertions: Insertions, edits: Edits): void {
  for (const unit of analysis.units) {
    const reason = findings.importReason(unit)
    const calls = [...(insertions.atEntry.get(unit) ?? [])]
    if (reason !== undefined) calls.unshift(`__concave_stateful(${JSON.stringify(reason)})`)
    if (calls.length > 0) insertAtEntry(unit, calls, edits)
  }
  for (const [block, calls] of insertions.inBlock) insertInBlock(block, calls, edits)
  for (const [loop, calls] of insertions.inLoop) {
    if (loop.body.type === 'BlockStatement') insertInBlock(loop.body, calls, edits)
    else edits.enclose(loop.body.start, loop.body.end, `{${statements(calls)}`, '}')
  }
  for (const [declarator, calls] of insertions.afterDeclarator) {
    // An empty pattern binds nothing and only asks that the value is not null.
    edits.enclose(declarator.start, declarator.end, '', `,{}=(${[...calls].join()},0)`)
  }
  for (const [node, elements] of insertions.inClass) {
    edits.enclose(node.body.start + 1, node.body.end - 1, [...elements].join(''), '')
  }
}

const statements = (calls: Iterable<string>): string => [...calls].map((call) => `${call};`).join('')

function insertInBlock(block: AnyNode, calls: Iterable<string>, edits: Edits): void {
  edits.enclose(block.start + 1, block.end - 1, statements(calls), '')
}

function insertAtEntry({ node }: Unit, calls: readonly string[], edits: Edits): void {
  if (node.type === 'StaticBlock') {
    const [first, last] = [node.body[0], node.body.at(-1)]
    if (first !== undefined && last !== undefined) edits.enclose(first.start, last.end, statements(calls), '')
    return
  }
  if (!('params' in node)) return
  const { body } = node
  if (body.type !== 'BlockStatement') {
    edits.enclose(body.start, body.end, `(${calls.join()},`, ')')
    return
  }
  const lastDirective = body.body.findLast(
    (statement) => statement.type === 'ExpressionStatement' && statement.directive !== undefined,
  )
  if (lastDirective === undefined) insertInBlock(body, calls, edits)
  else edits.enclose(lastDirective.end, body.end - 1, `;${statements(calls)}`, '')
}
