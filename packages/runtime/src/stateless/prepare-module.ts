import type { Program } from 'acorn'
import { Edits } from './edits.ts'
import { Findings } from './findings.ts'
import { checkPrivateNames } from './private-names.ts'
import { Insertions, placeInsertions, rewriteBindings } from './rewrite.ts'
import { checkRules } from './rules.ts'
import { analyze } from './scopes.ts'
import { createLocator, parseModule } from './syntax.ts'

export type PreparedModule = {
  /** Source to evaluate. Its lines are those of the input; columns shift where something was inserted. */
  readonly source: string
  readonly verdict: ReuseVerdict
  /** Specifiers of static imports and re-exports, as written, without repetitions. */
  readonly imports: readonly string[]
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
    return { source, verdict: { tier: 'fresh', reason }, imports: [] }
  }
  const imports = listImports(program)
  if (optsIn(program)) return { source, verdict: { tier: 'optIn' }, imports }
  const analysis = analyze(program)
  const findings = new Findings(path, createLocator(source))
  const insertions = new Insertions()
  const edits = new Edits()
  checkRules(analysis, findings, edits)
  for (const info of analysis.classes) checkPrivateNames(info, findings, insertions, edits)
  rewriteBindings(analysis, findings, insertions, edits)
  const reason = findings.freshReason()
  if (reason !== undefined) return { source, verdict: { tier: 'fresh', reason }, imports }
  placeInsertions(analysis, findings, insertions, edits)
  return { source: edits.apply(source), verdict: { tier: 'stateless' }, imports }
}

function listImports({ body }: Program): string[] {
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

function isTrue(expression: Program['body'][number] | object | null | undefined): boolean {
  const node = expression as { type?: string; value?: unknown; operator?: string; argument?: { value?: unknown } } | null
  if (node?.type === 'Literal') return node.value === true
  return node?.type === 'UnaryExpression' && node.operator === '!' && node.argument?.value === 0
}
