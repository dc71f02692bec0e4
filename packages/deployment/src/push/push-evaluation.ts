/** Turns a push request into code that could go live: merges modules, prepares and analyses them, evaluates the schema. */
import { createHash } from 'node:crypto'
import { bytesToHex, type Clock, systemRandom } from '@concave/base'
import type { Transaction } from '@concave/database'
import {
  type AnalyzedModule,
  type Analyzer,
  type CodeBundle,
  type EnvBundle,
  type ModuleSource,
  type NodeAnalyzer,
  type NodeRequirements,
  prepareModule,
  shiftSourceMap,
} from '@concave/runtime'
import { canonicalModulePath } from '@concave/protocol'
import { type AuthProvider, parseAuthConfig } from '../auth/auth-provider.ts'
import { type ModuleRow, modules } from '../records.ts'
import type { CronDefinition } from '../scheduler/cron-jobs.ts'
import { readCronDefinitions } from './cron-definitions.ts'
import { type PushedModule, type PushRequest, pushError, readNodeRequirements } from './push-request.ts'

/** `default.export()` of `convex.config.js` (function-runtime.md §1.10), as far as it is looked at. */
export type AppDefinition = {
  readonly childComponents: readonly { readonly name: string; readonly path: string }[]
  readonly envVars?: readonly (readonly [string, { readonly optional?: boolean }])[]
  readonly [field: string]: unknown
}

export type EvaluatedPush = {
  readonly serverVersion: string
  readonly codeVersion: string
  readonly importSeed: string
  readonly importTimeMs: number
  readonly env: EnvBundle
  readonly rows: readonly ModuleRow[]
  /** What its Node actions need. */
  readonly requirements: NodeRequirements
  readonly modules: ReadonlyMap<string, AnalyzedModule>
  readonly crons: readonly CronDefinition[]
  readonly definition: AppDefinition
  /** JSON text; undefined when the app has no schema. */
  readonly schemaText: string | undefined
  readonly authProviders: readonly AuthProvider[]
}

const noAnalysis: AnalyzedModule = { functions: [], reuseContext: false, httpRoutes: undefined, cronsText: undefined }

export async function evaluatePush(
  request: PushRequest,
  deps: {
    readonly tx: Transaction
    readonly analyzer: Analyzer
    readonly nodeAnalyzer: NodeAnalyzer
    readonly env: EnvBundle
    readonly clock: Clock
  },
): Promise<EvaluatedPush> {
  const { appDefinition } = request
  const pushed = await mergeModules(deps.tx, request)
  const prepared = pushed.map(prepare)
  const codeVersion = bytesToHex(systemRandom.bytes(16))
  const importSeed = bytesToHex(systemRandom.bytes(32))
  const importTimeMs = deps.clock.nowMs()
  const bundleOf = (environment: PushedModule['environment']): CodeBundle => ({
    version: codeVersion,
    modules: new Map(
      prepared
        .filter(({ module }) => module.environment === environment)
        .map(({ source }) => [source.path, source]),
    ),
    importSeed,
    importTimeMs,
  })
  const outcome = await deps.analyzer.analyze({
    code: bundleOf('isolate'),
    env: deps.env,
    schema: appDefinition.schema === null ? undefined : toModuleSource(appDefinition.schema),
    definition: appDefinition.definition === null ? undefined : toModuleSource(appDefinition.definition),
  })
  const definition = readDefinition(outcome.definitionText)
  refuseComponents(definition)
  const requirements = readNodeRequirements(request)
  const code = bundleOf('node')
  const inNode =
    code.modules.size === 0
      ? new Map<string, AnalyzedModule>()
      : await deps.nodeAnalyzer.analyze({ code, env: deps.env, requirements })
  const analyzed = new Map([...outcome.modules, ...inNode])
  return {
    serverVersion: appDefinition.udfServerVersion,
    codeVersion,
    importSeed,
    importTimeMs,
    env: deps.env,
    rows: prepared.map(({ module, source, reason }) => ({
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
    requirements,
    modules: analyzed,
    crons: readCronDefinitions(analyzed),
    definition,
    schemaText: outcome.schemaText,
    authProviders: parseAuthConfig(outcome.authConfigText),
  }
}

/** The schema alone, as JSON text; null when the push has none. */
export async function evaluatePushedSchema(
  request: PushRequest,
  deps: { readonly analyzer: Analyzer; readonly env: EnvBundle; readonly clock: Clock },
): Promise<string | null> {
  const { schema } = request.appDefinition
  if (schema === null) return null
  const outcome = await deps.analyzer.analyze({
    code: {
      version: bytesToHex(systemRandom.bytes(16)),
      modules: new Map(),
      importSeed: bytesToHex(systemRandom.bytes(32)),
      importTimeMs: deps.clock.nowMs(),
    },
    env: deps.env,
    schema: toModuleSource(schema),
    definition: undefined,
  })
  return outcome.schemaText ?? null
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
  const byPath = new Map(live.map((row) => [row.path, row]))
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
  const merged = [...changedModules, ...unchanged]
  const seen = new Set<string>()
  for (const { path } of merged) {
    if (canonicalModulePath(path) !== path || path.startsWith('_system/')) {
      throw pushError('BadConvexModuleIdentifier', `"${path}" is not a valid path of a module.`)
    }
    if (seen.has(path)) throw pushError('InvalidModules', `The module ${path} was sent twice.`)
    seen.add(path)
  }
  return merged.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function prepare(module: PushedModule): { module: PushedModule; source: ModuleSource; reason: string | undefined } {
  // Node runs what was pushed, as it is.
  if (module.environment === 'node') return { module, source: toModuleSource(module), reason: undefined }
  const prepared = prepareModule(module.source, module.path)
  const { source, verdict, inserted, refused } = prepared
  if (refused !== undefined) throw pushError('InvalidModules', `Failed to analyze ${module.path}: ${refused}`)
  const sourceMap = isText(module.sourceMap) ? shiftMap(module.path, module.sourceMap, inserted) : undefined
  return {
    module,
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

function readDefinition(text: string | undefined): AppDefinition {
  if (text !== undefined) return JSON.parse(text) as AppDefinition
  return {
    definitionType: { type: 'app' },
    childComponents: [],
    httpMounts: {},
    exports: { type: 'branch', branch: [] },
  }
}

/** Refuses, by name, an app with components. */
function refuseComponents(definition: AppDefinition): void {
  const [component] = definition.childComponents
  if (component !== undefined) {
    throw pushError(
      'ComponentsNotSupported',
      `This app uses the component "${component.name}", and this version of Concave does not run components yet. ` +
        'Remove it from convex/convex.config.ts and push again.',
    )
  }
}
