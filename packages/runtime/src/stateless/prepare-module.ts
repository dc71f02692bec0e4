/**
 * Decides at push whether contexts of a module may serve one call after another (design.md §6), and rewrites the module
 * so that the isolate can enforce it. One user's data must never be visible to the next call.
 *
 * The claim: after import everything that a later call can reach is immutable. Then nothing made by a call can become
 * reachable from what persists, so it suffices to look at what exists when import ends. State can be in:
 *
 * 1. Properties of objects: the isolate freezes whatever reflection reaches from the namespaces of all modules, the
 *    global object and all intrinsics.
 * 2. Variables. Of a module: assigned by a function, the module is fresh (rewrite.ts). Of a function that runs during
 *    import, seen by a closure: if a closure assigns it, or nothing can follow how it gets its values, the function
 *    reports itself with `__concave_stateful`, which has an effect during import only. Handlers run later, so that their
 *    local counters cost nothing.
 * 3. Objects that only a variable, `this`, `arguments`, `new.target` or `super` of a closure holds: every such value
 *    passes through `__concave_keep` before a closure can be handed out, and freezing starts from these values, too.
 *    Where a value could be seen before (patterns that run foreign code, closures among parameters), rule 2 applies.
 * 4. Private elements (private-names.ts): values are kept; fields that change after construction count as in 2. A derived
 *    class could put private fields on frozen objects that its parent returns: fresh. A private method is a function
 *    that only calls may name.
 * 5. Bound functions and proxies: receiver, arguments, target and handler are kept (rules.ts).
 * 6. Suspended code. Generators are refused by the isolate when reachable. An async function still suspended when
 *    import ends can only be resumed by resolving functions: making a promise during import is reported; and see (d).
 * 7. Code from strings, which is not rewritten: direct `eval` is fresh, `Function` during import reported; and see (e).
 * 8. `import()`, `import.meta`, top-level await: fresh.
 * 9. Internal state of objects: known classes in module bindings are fresh, others are the isolate's business.
 *
 * What the isolate has to guarantee:
 * a. The two hooks cannot be replaced by user code. Microtasks are drained before import ends; no host promise is pending.
 * b. Intrinsics that no property leads to (iterator prototypes, function kinds, setters inside descriptors) are frozen too.
 * c. Objects with internal state refuse changes or make freezing fail, whatever their prototype is by then: collections,
 *    dates, buffers, iterators, generators, promises, `Intl` formats (their cached function), and the isolate's classes.
 *    Errors are refused: V8's `stack` setter writes to frozen ones. `RegExp.prototype.compile` changes frozen expressions.
 * d. Functions without source that are not intrinsic (resolving functions, bound functions it did not see) make it fail.
 * e. The constructors of all four function kinds, and `eval` by any name, are reported if they make code during import.
 * f. Built-ins that its own code calls on objects nobody else sees are the original ones.
 * g. Nothing of the host outlives a call: console counters, timers, random state, `RegExp` statics, regex `lastIndex`.
 * h. A context whose call was terminated is not used again.
 *
 * Semantics that differ: functions' source text, and the error of a write to something frozen, which would succeed in a
 * fresh context. The isolate sees it if nobody catches it, if a `try` statement or an executor throws it (caught-errors.ts),
 * if a handler of rejections gets it (`then` is ours) or if our own guards throw it. Hidden is what a thenable's `then`
 * throws after it has resolved. Code made from strings during a call is sloppy: there such a write is ignored in silence.
 */
/* oxlint-disable typescript/switch-exhaustiveness-check -- syntax trees have some seventy kinds of nodes; `default` treats those that need nothing special */
import type { AnyNode, Program } from 'acorn'
import { showCaughtErrors } from './caught-errors.ts'
import { rewriteDynamicImports } from './dynamic-imports.ts'
import { Edits } from './edits.ts'
import { Findings } from './findings.ts'
import { checkPrivateNames } from './private-names.ts'
import { findRefusedSyntax } from './refused-syntax.ts'
import { Insertions, placeInsertions, rewriteBindings } from './rewrite.ts'
import { checkRules } from './rules.ts'
import { analyze } from './scopes.ts'
import type { InsertedColumns } from './source-map.ts'
import { createLocator, parseModule } from './syntax.ts'

export type PreparedModule = {
  /** Source to evaluate. Its lines are those of the input; columns shift where something was inserted. */
  readonly source: string
  readonly verdict: ReuseVerdict
  /** What was inserted where: give it to `shiftSourceMap`. */
  readonly inserted: readonly InsertedColumns[]
  /** Specifiers of static imports and re-exports, as written, without repetitions. */
  readonly imports: readonly string[]
  /** What a push of the module is refused with: syntax that the loader does not take. */
  readonly refused: string | undefined
}

/** `reason` is for the developer and names a place in the bundle as `path:line:column`. */
export type ReuseVerdict =
  | { readonly tier: 'stateless' }
  | { readonly tier: 'fresh'; readonly reason: string }
  | { readonly tier: 'optIn' }

/** Checks one pushed module and rewrites it if its contexts may be used again. Never throws: code that cannot be parsed is `fresh`. */
export function prepareModule(source: string, path: string): PreparedModule {
  let program: Program
  try {
    program = parseModule(source)
  } catch (error) {
    const reason = `${path}: cannot be parsed: ${error instanceof Error ? error.message : String(error)}`
    return { source, verdict: { tier: 'fresh', reason }, inserted: [], imports: [], refused: undefined }
  }
  const imports = listImports(program)
  const refused = findRefusedSyntax(program)
  // Code with `import()` is fresh or opted in: the other rewriting never meets this one.
  const importEdits = new Edits()
  rewriteDynamicImports(program, source, path, importEdits)
  const plain = importEdits.apply(source)
  const asItIs = { source: plain.text, inserted: plain.inserted, imports, refused }
  if (optsIn(program)) return { ...asItIs, verdict: { tier: 'optIn' } }
  const analysis = analyze(program)
  const findings = new Findings(path, createLocator(source))
  const insertions = new Insertions()
  const edits = new Edits()
  checkRules(analysis, findings, edits)
  for (const info of analysis.classes) checkPrivateNames(info, findings, insertions, edits)
  rewriteBindings(analysis, findings, insertions, edits)
  const reason = findings.freshReason()
  if (reason !== undefined) return { ...asItIs, verdict: { tier: 'fresh', reason } }
  placeInsertions(analysis, findings, insertions, edits)
  showCaughtErrors(analysis, edits)
  const { text, inserted } = edits.apply(source)
  return { source: text, verdict: { tier: 'stateless' }, inserted, imports, refused }
}

/** Specifiers of static imports and re-exports. */
export function listImports({ body }: Program): string[] {
  const specifiers = body.flatMap((statement) => {
    switch (statement.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        return [statement.source.value]
      case 'ExportNamedDeclaration':
        return statement.source == null ? [] : [statement.source.value]
      default:
        return []
    }
  })
  return [...new Set(specifiers.filter((specifier) => typeof specifier === 'string'))]
}

/** Whether the module exports a constant `experimental_reuseContext` that is `true` (minified: `!0`). */
function optsIn({ body }: Program): boolean {
  const truths = new Set<string>()
  let exported: string | undefined
  for (const statement of body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type === 'VariableDeclaration') {
      for (const { id, init } of declaration.declarations) {
        if (id.type === 'Identifier' && isTrue(init)) truths.add(id.name)
        if (statement !== declaration && id.type === 'Identifier' && id.name === optInName) exported = id.name
      }
    }
    if (statement.type !== 'ExportNamedDeclaration' || statement.source != null) continue
    for (const { local, exported: name } of statement.specifiers) {
      if (name.type === 'Identifier' && name.name === optInName && local.type === 'Identifier') exported = local.name
    }
  }
  return exported !== undefined && truths.has(exported)
}

const optInName = 'experimental_reuseContext'

function isTrue(expression: AnyNode | null | undefined): boolean {
  if (expression?.type === 'Literal') return expression.value === true
  if (expression?.type !== 'UnaryExpression' || expression.operator !== '!') return false
  return expression.argument.type === 'Literal' && expression.argument.value === 0
}
