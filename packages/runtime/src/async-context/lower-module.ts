/**
 * Lowers `await` so that asynchronous contexts survive it: isolated-vm has no hooks for it, and V8's own goes on without
 * asking `then`. esbuild turns async functions and async generators into generators; this makes them run on the
 * isolate's functions (../isolate/lowered-async.ts) and gives the generators the names that stack frames show.
 *
 * Semantics that differ: such functions are ordinary ones by their class and their text, and they can be constructed.
 */
import type { AnyNode, Program } from 'acorn'
import { transform } from 'esbuild'
import { Edits } from '../stateless/edits.ts'
import { shiftSourceMap } from '../stateless/source-map.ts'
import { childNodes, type FunctionNode, isAnonymousDefinition, parseModule } from '../stateless/syntax.ts'

export type LoweredModule = { readonly source: string; readonly sourceMap: string | undefined }

/** `source` must be a module that can be parsed and has no top-level await. The map leads back to the original sources. */
export async function lowerModule(module: {
  readonly path: string
  readonly source: string
  readonly sourceMap: string | undefined
}): Promise<LoweredModule> {
  const { path, sourceMap } = module
  const source = module.source.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, '\n')
  const result = await transform(sourceMap === undefined ? source : source + inlineMap(sourceMap), {
    format: 'esm',
    target: 'esnext',
    supported: { 'async-await': false, 'async-generator': false, 'for-await': false },
    sourcemap: sourceMap === undefined ? false : 'external',
    sourcesContent: false,
    sourcefile: path,
    charset: 'utf8',
    logLevel: 'silent',
  })
  const edits = new Edits()
  const program = parseModule(result.code)
  useOwnHelpers(program, edits)
  nameGenerators(program, edits)
  const { text, inserted } = edits.apply(result.code)
  return { source: text, sourceMap: sourceMap === undefined ? undefined : shiftSourceMap(result.map, inserted) }
}

function inlineMap(sourceMap: string): string {
  return `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(sourceMap).toString('base64')}\n`
}

/** Our function for one of esbuild's helpers, which it knows by its parameters: their names survive when its own is taken. */
function findOwnHelper(name: string, parameters: string): string | undefined {
  if (parameters === '__this,__arguments,generator')
    return name.startsWith('__asyncGenerator') ? '__concave_asyncGenerator' : '__concave_async'
  if (parameters === 'promise,isYieldStar') return '__concave_await'
  if (parameters === 'obj,it,method') return '__concave_forAwait'
  return parameters === 'value' && name.startsWith('__yieldStar') ? '__concave_yieldStar' : undefined
}

function useOwnHelpers({ body }: Program, edits: Edits): void {
  for (const statement of body) {
    if (statement.type !== 'VariableDeclaration') continue
    for (const { id, init } of statement.declarations) {
      if (id.type !== 'Identifier' || init == null || !id.name.startsWith('__') || !isFunction(init)) continue
      const parameters = init.params.map((parameter) => (parameter.type === 'Identifier' ? parameter.name : ''))
      const own = findOwnHelper(id.name, parameters.join())
      if (own !== undefined) edits.enclose(init.start, init.end, `${own}||(`, ')')
    }
  }
}

/** `function f() { return __async(this, null, function* () {…}) }`: the generator is called `f`, too. */
function nameGenerators(program: Program, edits: Edits): void {
  const pending: { readonly node: AnyNode; readonly name: string | undefined }[] = [{ node: program, name: undefined }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, name } = next
    const names = new Map<AnyNode, string>(listNames(node))
    const generator = findGenerator(node)
    if (generator !== undefined && name !== undefined) {
      const key = JSON.stringify(name)
      edits.enclose(generator.start, generator.end, `{${key}:`, `}[${key}]`)
    }
    for (const child of childNodes(node)) {
      pending.push({ node: child, name: names.get(child) ?? (passesName(node) ? name : undefined) })
    }
  }
}

/** The generator that a call of a helper is given. */
function findGenerator(node: AnyNode): AnyNode | undefined {
  if (node.type !== 'CallExpression' || node.arguments.length !== 3) return undefined
  if (node.callee.type !== 'Identifier' || !/^__async(?:Generator)?\d*$/.test(node.callee.name)) return undefined
  const generator = node.arguments[2]
  return generator?.type === 'FunctionExpression' && generator.generator && generator.id == null ? generator : undefined
}

/** Between a function and the helper's call in it. */
function passesName({ type }: AnyNode): boolean {
  return (
    type === 'FunctionDeclaration' ||
    type === 'FunctionExpression' ||
    type === 'ArrowFunctionExpression' ||
    type === 'BlockStatement' ||
    type === 'ReturnStatement' ||
    type === 'ParenthesizedExpression'
  )
}

/** Names that `node` gives to functions right below it. */
function* listNames(node: AnyNode): Iterable<readonly [AnyNode, string]> {
  if (node.type === 'Program' || node.type === 'BlockStatement') yield* listDeclared(node.body)
  else if (
    node.type === 'VariableDeclarator' ||
    node.type === 'AssignmentExpression' ||
    node.type === 'AssignmentPattern'
  ) {
    const [target, value] = node.type === 'VariableDeclarator' ? [node.id, node.init] : [node.left, node.right]
    if (target.type === 'Identifier' && value != null) yield* nameOf(value, target.name)
  } else if (node.type === 'Property' || node.type === 'MethodDefinition' || node.type === 'PropertyDefinition') {
    const { key, value, computed } = node
    if (computed || value == null) return
    if (key.type === 'Identifier' || key.type === 'PrivateIdentifier') yield* nameOf(value, key.name)
    else if (key.type === 'Literal') yield* nameOf(value, String(key.value))
  } else if (node.type === 'CallExpression') {
    const named = findNamed(node)
    if (named !== undefined) yield* nameOf(...named)
  }
}

function* listDeclared(statements: readonly AnyNode[]): Iterable<readonly [AnyNode, string]> {
  const given = new Map<string, string>()
  for (const statement of statements) {
    if (statement.type !== 'ExpressionStatement') continue
    const [target, name] = findNamed(statement.expression) ?? []
    if (target?.type === 'Identifier' && name !== undefined) given.set(target.name, name)
  }
  for (const statement of statements) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'FunctionDeclaration' || declaration.id == null) continue
    yield [declaration, given.get(declaration.id.name) ?? declaration.id.name]
  }
}

/** `name(f, "handler")`, as bundlers keep names; the function they call has any name itself. */
function findNamed(node: AnyNode): readonly [AnyNode, string] | undefined {
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier' || node.arguments.length !== 2)
    return undefined
  const [target, name] = node.arguments
  if (target === undefined || name?.type !== 'Literal' || typeof name.value !== 'string') return undefined
  return [target, name.value]
}

function* nameOf(value: AnyNode, name: string): Iterable<readonly [AnyNode, string]> {
  if (value.type === 'FunctionExpression' && value.id != null) yield [value, value.id.name]
  else if (name !== '__proto__' && isFunction(value) && isAnonymousDefinition(value)) yield [value, name]
}

function isFunction(node: AnyNode): node is FunctionNode {
  return node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression'
}
