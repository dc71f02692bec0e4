/**
 * Deploys (cli-protocol.md §3.4–3.9): start evaluates everything and makes the schema pending, finish switches in one
 * transaction. Nothing is live in between, and a push that fails or is never finished changes nothing.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { BadRequest, type Clock, PlatformError } from '@concave/base'
import {
  type Database,
  evaluateSchema,
  finishSchemaPush,
  type IndexDiff,
  SchemaDryRun,
  type StartedSchemaPush,
  startSchemaPush,
  type Transaction,
  waitForSchema,
} from '@concave/database'
import { type Analyzer, type NodeAnalyzer, type NodeRequirements, packageSetId } from '@concave/runtime'
import { type AuthDiff, replaceAuthProviders } from '../auth/auth-configuration.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { httpModulePath } from '../functions/http-routes.ts'
import { deploymentLimits } from '../limits.ts'
import { auditLog, type ModuleRow, modules, udfConfig } from '../records.ts'
import { type CronDiff, replaceCronJobs } from '../scheduler/cron-jobs.ts'
import { definesCrons, showCronSpecs } from './cron-definitions.ts'
import { type EvaluatedPush, evaluatePush, evaluatePushedSchema } from './push-evaluation.ts'
import { pushErrorPrefix, type PushRequest, pushError, refuseUnsupported } from './push-request.ts'

type StartedPush = {
  readonly evaluated: EvaluatedPush
  readonly schemaId: string | null
  readonly isDryRun: boolean
  /** Stands in for the schema's row, which a dry run does not have. */
  readonly schemaDryRun: SchemaDryRun | undefined
}

export type SchemaChange = {
  readonly allocatedComponentIds: Readonly<Record<string, never>>
  readonly schemaIds: Readonly<Record<string, string | null>>
  readonly indexDiffs: Readonly<Record<string, IndexDiff>>
}

export class PushService {
  readonly #database: Database
  readonly #analyzer: Analyzer
  readonly #nodeAnalyzer: NodeAnalyzer
  readonly #registry: CodeRegistry
  readonly #clock: Clock
  readonly #onActions: () => void
  readonly #onLive: (requirements: NodeRequirements) => Promise<void>
  /** By the id that travels through the client. The oldest are forgotten. */
  readonly #started = new Map<string, StartedPush>()

  constructor(deps: {
    readonly database: Database
    readonly analyzer: Analyzer
    readonly nodeAnalyzer: NodeAnalyzer
    readonly registry: CodeRegistry
    readonly clock: Clock
    /** Called before a push that has actions goes live. */
    readonly onActions: () => void
    /** Called after a push went live. */
    readonly onLive: (requirements: NodeRequirements) => Promise<void>
  }) {
    this.#onLive = deps.onLive
    this.#database = deps.database
    this.#analyzer = deps.analyzer
    this.#nodeAnalyzer = deps.nodeAnalyzer
    this.#registry = deps.registry
    this.#clock = deps.clock
    this.#onActions = deps.onActions
  }

  async configHashes(): Promise<unknown> {
    const { value } = await this.#database.read(async (tx) => ({
      rows: await modules.list(tx),
      config: (await udfConfig.list(tx, { limit: 1 }))[0],
    }))
    return {
      config: { functions: 'convex/' },
      moduleHashes: value.rows.map(({ path, sha256, environment }) => ({ path, hash: sha256, environment })),
      udfServerVersion: value.config?.serverVersion ?? null,
      nodeVersion: value.config?.nodeVersion ?? null,
    }
  }

  /** Evaluates and says what would change; nothing is kept. */
  async evaluate(request: PushRequest): Promise<{ readonly schemaChange: SchemaChange }> {
    return await prefixed(async () => {
      const evaluated = await this.#evaluate(request)
      return { schemaChange: toSchemaChange(await this.#startSchema(evaluated, true)) }
    })
  }

  /** Foretells what the schema would change, for the CLI's warnings; nothing is kept. */
  async evaluateSchema(request: PushRequest): Promise<unknown> {
    return await prefixed(async () => {
      refuseUnsupported(request)
      const tx = this.#database.begin('query')
      const env = await this.#registry.environment(tx)
      const schema = await evaluatePushedSchema(request, { analyzer: this.#analyzer, env, clock: this.#clock })
      const evaluation = await evaluateSchema(tx, schema)
      return {
        componentSchemaEvaluations: { '': { definitionPath: '', ...evaluation } },
        newComponentDefinitions: [],
      }
    })
  }

  async start(request: PushRequest): Promise<unknown> {
    return await prefixed(async () => {
      const isDryRun = request.dryRun || request.forCodegen
      const evaluated = await this.#evaluate(request)
      const { indexDiff, schemaId: startedId } = await this.#startSchema(evaluated, isDryRun)
      const schemaDryRun = isDryRun ? this.#startDryRun(evaluated) : undefined
      const schemaId = schemaDryRun === undefined ? startedId : `dry-run:${randomUUID()}`
      const pushId = this.#remember({ evaluated, schemaId, isDryRun, schemaDryRun })
      if (!isDryRun && hasActions(evaluated)) this.#onActions()
      return {
        concavePushId: pushId,
        environmentVariables: userVariables(evaluated),
        externalDepsId: packageSetId(evaluated.requirements.packages) ?? null,
        componentDefinitionPackages: { '': {} },
        appAuth: evaluated.authProviders,
        analysis: { '': toAnalysis(evaluated) },
        app: {
          definitionPath: '',
          componentPath: '',
          args: {},
          childComponents: {},
          httpRoutes: { httpModuleRoutes: evaluated.modules.get(httpModulePath)?.httpRoutes ?? null, mounts: [] },
          exports: {},
        },
        schemaChange: toSchemaChange({ schemaId, indexDiff }),
      }
    })
  }

  /** Long poll: answers as soon as the schema's fate is known, at the latest after `timeoutMs`. */
  async waitForSchema(schemaId: string | null, timeoutMs: number): Promise<unknown> {
    if (schemaId === null) return { type: 'complete' }
    const dryRun = [...this.#started.values()].find((push) => push.schemaId === schemaId)?.schemaDryRun
    const status = await (dryRun?.advance(timeoutMs) ?? waitForSchema(this.#database, schemaId, timeoutMs))
    switch (status.type) {
      case 'inProgress': {
        const { schemaValidationComplete, indexesComplete, indexesTotal } = status
        return { type: 'inProgress', components: { '': { schemaValidationComplete, indexesComplete, indexesTotal } } }
      }
      case 'failed':
        return { type: 'failed', error: status.error, componentPath: '', tableName: status.tableName }
      case 'raceDetected':
      case 'complete':
        return { type: status.type }
    }
  }

  async finish(
    pushId: string,
    options: {
      readonly isDryRun: boolean
      readonly message: string | null
    },
  ): Promise<unknown> {
    return await prefixed(async () => {
      const started = this.#started.get(pushId)
      if (started === undefined) {
        throw pushError(
          'RaceDetected',
          'This push was started too long ago, or before a restart of the server. Push again.',
        )
      }
      if (options.isDryRun || started.isDryRun) return toDiff(undefined)
      const { value } = await this.#database.mutate('system:finish_push', (tx) => this.#goLive(tx, started, options))
      this.#started.delete(pushId)
      await this.#onLive(started.evaluated.requirements)
      return toDiff(value)
    })
  }

  async #evaluate(request: PushRequest): Promise<EvaluatedPush> {
    refuseUnsupported(request)
    const tx = this.#database.begin('query')
    const env = await this.#registry.environment(tx)
    const evaluated = await evaluatePush(request, {
      tx,
      analyzer: this.#analyzer,
      nodeAnalyzer: this.#nodeAnalyzer,
      env,
      clock: this.#clock,
    })
    checkRequiredVariables(evaluated)
    return evaluated
  }

  async #startSchema(evaluated: EvaluatedPush, dryRun: boolean): Promise<StartedSchemaPush> {
    const options = { schema: evaluated.schemaText ?? null, nowMs: this.#clock.nowMs(), dryRun }
    if (dryRun) return await startSchemaPush(this.#database.begin('query'), options)
    const { value } = await this.#database.mutate('system:start_push', (tx) => startSchemaPush(tx, options))
    return value
  }

  /** Existing documents are checked while the client waits for the schema. */
  #startDryRun({ schemaText }: EvaluatedPush): SchemaDryRun | undefined {
    if (schemaText === undefined) return undefined
    return new SchemaDryRun({ database: this.#database, clock: this.#clock }, schemaText)
  }

  #remember(push: StartedPush): string {
    const pushId = randomUUID()
    this.#started.set(pushId, push)
    const oldest = this.#started.keys().next().value
    if (this.#started.size > deploymentLimits.maxStartedPushes && oldest !== undefined) this.#started.delete(oldest)
    return pushId
  }

  async #goLive(
    tx: Transaction,
    { evaluated, schemaId }: StartedPush,
    options: { readonly message: string | null },
  ): Promise<LiveChange> {
    const env = await this.#registry.environment(tx)
    this.#registry.dependOnEnvironment(tx)
    if (env.version !== evaluated.env.version) {
      throw pushError('RaceDetected', 'Environment variables have changed during push')
    }
    const { indexDiff, schemaDiff } = await finishSchemaPush(tx, schemaId)
    const [config] = await udfConfig.list(tx, { limit: 1 })
    const moduleDiff = await replaceModules(tx, evaluated.rows)
    const authDiff = await replaceAuthProviders(tx, evaluated.authProviders, evaluated.env.version)
    const nowMs = this.#clock.nowMs()
    const cronDiff = await replaceCronJobs(tx, evaluated.crons, { nowMs, newSplaySeconds: () => randomInt(3600) })
    const { nodeVersion, packages } = evaluated.requirements
    const next = {
      serverVersion: evaluated.serverVersion,
      codeVersion: evaluated.codeVersion,
      importPhaseRngSeed: evaluated.importSeed,
      importPhaseUnixTimestampMs: evaluated.importTimeMs,
      ...(nodeVersion === undefined ? {} : { nodeVersion }),
      ...(packages.length === 0 ? {} : { nodePackages: packages }),
    }
    if (config === undefined) await udfConfig.insert(tx, next)
    else await udfConfig.replace(tx, config._id, next)
    await auditLog.insert(tx, {
      action: 'push_config',
      member_id: null,
      metadata: JSON.stringify({ message: options.message, authDiff, moduleDiff, cronDiff, indexDiff }),
    })
    return {
      previousVersion: config?.serverVersion,
      nextVersion: next.serverVersion,
      authDiff,
      moduleDiff,
      cronDiff,
      indexDiff,
      schemaDiff,
    }
  }
}

type ModuleDiff = { readonly added: readonly string[]; readonly removed: readonly string[] }

type LiveChange = {
  readonly previousVersion: string | undefined
  readonly nextVersion: string
  readonly authDiff: AuthDiff
  readonly moduleDiff: ModuleDiff
  readonly cronDiff: CronDiff
  readonly indexDiff: IndexDiff
  readonly schemaDiff: { readonly previous_schema: string | null; readonly next_schema: string | null } | null
}

async function replaceModules(tx: Transaction, rows: readonly ModuleRow[]): Promise<ModuleDiff> {
  const live = new Map((await modules.list(tx)).map((row) => [row.path, row]))
  const added: string[] = []
  for (const row of rows) {
    const existing = live.get(row.path)
    live.delete(row.path)
    if (existing === undefined) {
      await modules.insert(tx, row)
      added.push(row.path)
      continue
    }
    if (existing.sha256 !== row.sha256) added.push(row.path)
    await modules.replace(tx, existing._id, row)
  }
  for (const row of live.values()) await modules.delete(tx, row._id)
  return { added: added.filter(isShown), removed: [...live.keys()].filter(isShown) }
}

function isShown(path: string): boolean {
  return !path.startsWith('_deps/')
}

function toSchemaChange({ schemaId, indexDiff }: StartedSchemaPush): SchemaChange {
  return { allocatedComponentIds: {}, schemaIds: { '': schemaId }, indexDiffs: { '': indexDiff } }
}

function hasActions({ modules: analyzed }: EvaluatedPush): boolean {
  return [...analyzed.values()].some(
    ({ functions, httpRoutes }) => httpRoutes !== undefined || functions.some(({ udfType }) => udfType === 'Action'),
  )
}

function toAnalysis(evaluated: EvaluatedPush): unknown {
  return {
    definition: { ...evaluated.definition, path: '' },
    schema: evaluated.schemaText === undefined ? null : (JSON.parse(evaluated.schemaText) as unknown),
    functions: Object.fromEntries(
      [...evaluated.modules].map(([path, { functions }]) => [
        path,
        {
          functions,
          sourceMapped: null,
          ...(definesCrons(path) ? { cronSpecs: showCronSpecs(evaluated.crons) } : {}),
        },
      ]),
    ),
    udfConfig: { serverVersion: evaluated.serverVersion },
  }
}

function toDiff(change: LiveChange | undefined): unknown {
  if (change === undefined) return { authDiff: { added: [], removed: [] }, definitionDiffs: {}, componentDiffs: {} }
  const { authDiff, previousVersion, nextVersion } = change
  const isSameVersion = previousVersion === undefined || previousVersion === nextVersion
  return {
    authDiff,
    definitionDiffs: {},
    componentDiffs: {
      '': {
        diffType: { type: 'modify' },
        moduleDiff: change.moduleDiff,
        udfConfigDiff: isSameVersion ? null : { previous_version: previousVersion, next_version: nextVersion },
        cronDiff: change.cronDiff,
        indexDiff: change.indexDiff,
        schemaDiff: change.schemaDiff,
      },
    },
  }
}

/** Built-in variables are nobody's to change, so they cannot race. */
function userVariables(evaluated: EvaluatedPush): Readonly<Record<string, string>> {
  const { CONVEX_CLOUD_URL: _cloud, CONVEX_SITE_URL: _site, ...variables } = evaluated.env.variables
  return variables
}

function checkRequiredVariables({ definition, env }: EvaluatedPush): void {
  const missing = (definition.envVars ?? [])
    .filter(([name, { optional }]) => optional !== true && !Object.hasOwn(env.variables, name))
    .map(([name]) => name)
  if (missing.length === 0) return
  throw pushError(
    'MissingEnvironmentVariables',
    `Environment variables declared in convex.config.ts are not set: ${missing.join(', ')}.`,
  )
}

/** What a person did wrong is told with the prefix that the official server has; everything else passes. */
async function prefixed<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof PlatformError) || error.status !== 400 || error.message.startsWith(pushErrorPrefix))
      throw error
    throw new BadRequest(error.code, `${pushErrorPrefix}${error.message}`, { cause: error })
  }
}
