/** Turns a push request into code that could go live: merges modules, prepares and analyses them, evaluates the schema. */
import { createHash } from 'node:crypto'
import { bytesToHex, type Clock, PlatformError, systemRandom } from '@concave/base'
import type { Transaction } from '@concave/database'
import {
  type AnalyzedModule,
  type Analyze,
  type AnalyzeOutcome,
  type CodeBundle,
  type EnvBundle,
  lowerModules,
  type ModuleSource,
  type NodeAnalyzer,
  type NodeRequirements,
  prepareModule,
  shiftSourceMap,
} from '@concave/runtime'
import { canonicalModulePath } from '@concave/protocol'
import { type AuthProvider, parseAuthConfig } from '../auth/auth-provider.ts'
import {
  type ComponentDefinition,
  componentDefinitionSchema,
  emptyAppDefinition,
} from '../components/component-definition.ts'
import { buildComponentTree, checkComponentTree, type ComponentInstance } from '../components/component-tree.ts'
import { orderDefinitions } from '../components/definition-order.ts'
import { readDeclarations } from '../components/environment-bindings.ts'
import { type ModuleRow, modules } from '../records.ts'
import type { CronDefinition } from '../scheduler/cron-jobs.ts'
import { readCronDefinitions } from './cron-definitions.ts'
import {
  type PushedModule,
  pushErrorPrefix,
  type PushRequest,
  pushError,
  readNodeRequirements,
} from './push-request.ts'

/** One definition of a push, the app's or a component's: code and schema that could go live. */
export type EvaluatedDefinition = {
  readonly serverVersion: string
  readonly codeVersion: string
  readonly importSeed: string
  readonly importTimeMs: number
  readonly rows: readonly ModuleRow[]
  /** What its Node actions need. */
  readonly requirements: NodeRequirements
  readonly modules: ReadonlyMap<string, AnalyzedModule>
  readonly crons: readonly CronDefinition[]
  readonly definition: ComponentDefinition
  /** JSON text; undefined when there is no schema. */
  readonly schemaText: string | undefined
}

/** The app's own definition with everything else. */
export type EvaluatedPush = EvaluatedDefinition & {
  readonly env: EnvBundle
  readonly authProviders: readonly AuthProvider[]
  /** By path; the app's own is ''. */
  readonly definitions: ReadonlyMap<string, EvaluatedDefinition>
  readonly tree: ComponentInstance
}

const noAnalysis: AnalyzedModule = { functions: [], reuseContext: false, httpRoutes: undefined, cronsText: undefined }

export async function evaluatePush(
  request: PushRequest,
  deps: Evaluation & { readonly tx: Transaction },
): Promise<EvaluatedPush> {
  const { appDefinition } = request
  const pushed = await mergeModules(deps.tx, request)
  const { components, mountable } = await evaluateComponents(request, deps)
  const { evaluated: app, outcome } = await evaluateDefinition(
    '',
    { ...appDefinition, functions: pushed, requirements: readNodeRequirements(request) },
    { ...deps, mountable },
  )
  readDeclarations(app.definition.envVars ?? [])
  const definitions = new Map([['', app], ...components])
  const tree = buildComponentTree(definitions)
  // A component that code is generated for stands alone: nobody gives it what it needs, and nothing goes live.
  if (!request.forCodegen) checkComponentTree(tree, definitions)
  return { ...app, env: deps.env, authProviders: parseAuthConfig(outcome.authConfigText), definitions, tree }
}

/** The schemas alone, and where they belong. */
export async function evaluatePushedSchemas(
  request: PushRequest,
  deps: Evaluation,
): Promise<Pick<EvaluatedPush, 'definitions' | 'tree'>> {
  const { appDefinition } = request
  const componentDefinitions = request.componentDefinitions.map((pushed) => ({ ...pushed, functions: [] }))
  const { components, mountable } = await evaluateComponents({ ...request, componentDefinitions }, deps)
  const definition = components.size === 0 ? null : appDefinition.definition
  const { evaluated } = await evaluateDefinition(
    '',
    { ...appDefinition, definition, functions: [], requirements: noRequirements },
    { ...deps, mountable },
  )
  const definitions = new Map([['', evaluated], ...components])
  return { definitions, tree: buildComponentTree(definitions) }
}

/** Of components, which have no Node actions. */
const noRequirements: NodeRequirements = { nodeVersion: undefined, packages: [] }

/** What a push is evaluated with. */
export type Evaluation = {
  readonly analyze: Analyze
  readonly nodeAnalyzer: NodeAnalyzer
  readonly env: EnvBundle
  readonly clock: Clock
}

/** What is mounted before who mounts it, which imports what it was evaluated to. */
async function evaluateComponents(
  request: PushRequest,
  deps: Evaluation,
): Promise<{
  readonly components: ReadonlyMap<string, EvaluatedDefinition>
  readonly mountable: ReadonlyMap<string, string>
}> {
  const components = new Map<string, EvaluatedDefinition>()
  const mountable = new Map<string, string>()
  for (const pushed of orderDefinitions(request.componentDefinitions)) {
    const { definitionPath } = pushed
    const functions = checkModules(pushed.functions)
    const { evaluated, outcome } = await inComponent(definitionPath, () =>
      evaluateDefinition(
        definitionPath,
        { ...pushed, functions, requirements: noRequirements },
        { ...deps, mountable },
      ),
    )
    components.set(definitionPath, evaluated)
    mountable.set(definitionPath, outcome.definitionText ?? '{}')
  }
  return { components, mountable }
}

async function evaluateDefinition(
  definitionPath: string,
  pushed: {
    readonly definition: PushedModule | null
    readonly schema: PushedModule | null
    readonly functions: readonly PushedModule[]
    readonly requirements: NodeRequirements
    readonly udfServerVersion: string
  },
  deps: Evaluation & { readonly mountable: ReadonlyMap<string, string> },
): Promise<{ readonly evaluated: EvaluatedDefinition; readonly outcome: AnalyzeOutcome }> {
  const { isolate = [], node = [] } = Object.groupBy(pushed.functions, ({ environment }) => environment)
  const lowered = [...(await lowerModules(isolate)), ...node]
  const prepared = [...isolate, ...node].map((module, i) => ({ ...prepare(lowered[i] as PushedModule), module }))
  const codeVersion = bytesToHex(systemRandom.bytes(16))
  const importSeed = bytesToHex(systemRandom.bytes(32))
  const importTimeMs = deps.clock.nowMs()
  const bundleOf = (environment: PushedModule['environment']): CodeBundle => ({
    version: codeVersion,
    modules: new Map(
      prepared.filter(({ module }) => module.environment === environment).map(({ source }) => [source.path, source]),
    ),
    importSeed,
    importTimeMs,
  })
  const outcome = await deps.analyze({
    code: bundleOf('isolate'),
    env: deps.env,
    schema: pushed.schema === null ? undefined : toModuleSource(pushed.schema),
    definition: pushed.definition === null ? undefined : toModuleSource(pushed.definition),
    mountable: deps.mountable,
    isComponent: definitionPath !== '',
  })
  const code = bundleOf('node')
  const inNode =
    code.modules.size === 0
      ? new Map<string, AnalyzedModule>()
      : await deps.nodeAnalyzer.analyze({ code, env: deps.env, requirements: pushed.requirements })
  const analyzed = new Map([...outcome.modules, ...inNode])
  const evaluated: EvaluatedDefinition = {
    serverVersion: pushed.udfServerVersion,
    codeVersion,
    importSeed,
    importTimeMs,
    rows: prepared.map(({ module, source, reason }) => ({
      definitionPath,
      path: module.path,
      environment: module.environment,
      source: module.source,
      ...(isText(module.sourceMap) ? { sourceMap: module.sourceMap } : {}),
      ...(source.sourceMap === undefined ? {} : { preparedSourceMap: source.sourceMap }),
      sha256: hashModule(module),
      preparedSource: source.source,
      reuse: source.reuse,
      ...(reason === undefined ? {} : { reuseReason: reason }),
      analyzeResult: JSON.stringify(analyzed.get(module.path) ?? noAnalysis),
      sourcePackageId: codeVersion,
    })),
    requirements: pushed.requirements,
    modules: analyzed,
    crons: readCronDefinitions(analyzed),
    definition: readDefinition(outcome.definitionText),
    schemaText: outcome.schemaText,
  }
  return { evaluated, outcome }
}

/** Says in which component a developer's mistake is. */
async function inComponent<T>(definitionPath: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof PlatformError) || error.status !== 400) throw error
    const message = error.message.startsWith(pushErrorPrefix)
      ? error.message.slice(pushErrorPrefix.length)
      : error.message
    throw pushError(error.code, `In the component "${definitionPath}": ${message}`, { cause: error })
  }
}

/** What the CLI compares with its own modules: over the source followed by the source map. */
export function hashModule(module: PushedModule): string {
  return createHash('sha256')
    .update(module.source)
    .update(module.sourceMap ?? '')
    .digest('hex')
}

/** Changed modules as sent, unchanged ones from the push that is live. */
async function mergeModules(tx: Transaction, request: PushRequest): Promise<readonly PushedModule[]> {
  const { changedModules, unchangedModuleHashes } = request.appDefinition
  const live = unchangedModuleHashes.length === 0 ? [] : await modules.list(tx)
  const byPath = new Map(live.filter(({ definitionPath = '' }) => definitionPath === '').map((row) => [row.path, row]))
  const unchanged = unchangedModuleHashes.map(({ path, sha256, environment }): PushedModule => {
    const row = byPath.get(path)
    if (row === undefined || row.sha256 !== sha256 || row.environment !== environment) {
      throw pushError(
        'RaceDetected',
        `The module ${path} is not known with this content any more: another push was finished meanwhile. Push again.`,
      )
    }
    return { path, source: row.source, sourceMap: row.sourceMap, environment }
  })
  return checkModules([...changedModules, ...unchanged])
}

/** In the order of their paths. Throws the push's error for a path that cannot be or comes twice. */
function checkModules(pushed: readonly PushedModule[]): readonly PushedModule[] {
  const seen = new Set<string>()
  for (const { path } of pushed) {
    if (canonicalModulePath(path) !== path || path.startsWith('_system/')) {
      throw pushError('BadConvexModuleIdentifier', `"${path}" is not a valid path of a module.`)
    }
    if (seen.has(path)) throw pushError('InvalidModules', `The module ${path} was sent twice.`)
    seen.add(path)
  }
  return pushed.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function prepare(module: PushedModule): { readonly source: ModuleSource; readonly reason: string | undefined } {
  // Node runs what was pushed, as it is.
  if (module.environment === 'node') return { source: toModuleSource(module), reason: undefined }
  const prepared = prepareModule(module.source, module.path)
  const { source, verdict, inserted, refused } = prepared
  if (refused !== undefined) throw pushError('InvalidModules', `Failed to analyze ${module.path}: ${refused}`)
  const sourceMap = isText(module.sourceMap) ? shiftMap(module.path, module.sourceMap, inserted) : undefined
  return {
    source: { path: module.path, source, sourceMap, reuse: verdict.tier },
    reason: verdict.tier === 'fresh' ? verdict.reason : undefined,
  }
}

function shiftMap(path: string, sourceMap: string, inserted: Parameters<typeof shiftSourceMap>[1]): string {
  try {
    return shiftSourceMap(sourceMap, inserted)
  } catch (error) {
    throw pushError('InvalidModules', `The source map of ${path} is not JSON.`, { cause: error })
  }
}

function isText(text: string | null | undefined): text is string {
  return typeof text === 'string' && text !== ''
}

function toModuleSource(module: PushedModule): ModuleSource {
  return { path: module.path, source: module.source, sourceMap: module.sourceMap ?? undefined, reuse: 'fresh' }
}

function readDefinition(text: string | undefined): ComponentDefinition {
  if (text === undefined) return emptyAppDefinition
  const parsed = componentDefinitionSchema.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw pushError(
    'InvalidConvexConfig',
    `convex.config does not export what this server knows: ${issue?.message ?? 'invalid'} at "${issue?.path.join('.') ?? ''}".`,
  )
}
