/**
 * Deploys (cli-protocol.md §3.4–3.9): start evaluates everything and makes the schema pending, finish switches in one
 * transaction. Nothing is live in between, and a push that fails or is never finished changes nothing.
 */
import { randomUUID } from 'node:crypto'
import { BadRequest, type Clock, PlatformError } from '@concave/base'
import type { Database, Transaction } from '@concave/database'
import type { Analyze, Analyzer, EnvBundle, NodeAnalyzer, NodeRequirements } from '@concave/runtime'
import { replaceAuthProviders } from '../auth/auth-configuration.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { deploymentLimits } from '../limits.ts'
import { auditLog, modules, udfConfig } from '../records.ts'
import { switchComponents } from './component-switch.ts'
import { replaceDefinitions, replaceModules } from './live-code.ts'
import { type LiveChange, showFinishedPush, showStartedPush } from './push-answers.ts'
import { type EvaluatedPush, type Evaluation, evaluatePush, evaluatePushedSchemas } from './push-evaluation.ts'
import { pushErrorPrefix, type PushRequest, pushError, refuseUnsupported } from './push-request.ts'
import {
  foretellSchemas,
  type SchemaChange,
  type StartedSchemas,
  startSchemas,
  trySchemas,
  waitForPush,
} from './schema-change.ts'

type StartedPush = {
  readonly evaluated: EvaluatedPush
  readonly schemas: StartedSchemas
  readonly isDryRun: boolean
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
      moduleHashes: value.rows
        .filter(({ definitionPath = '' }) => definitionPath === '')
        .map(({ path, sha256, environment }) => ({ path, hash: sha256, environment })),
      udfServerVersion: value.config?.serverVersion ?? null,
      nodeVersion: value.config?.nodeVersion ?? null,
    }
  }

  /** Evaluates and says what would change; nothing is kept. */
  async evaluate(request: PushRequest): Promise<{ readonly schemaChange: SchemaChange }> {
    return await prefixed(async () => {
      const evaluated = await this.#evaluate(request)
      return { schemaChange: (await trySchemas(this.#schemaDependencies, evaluated)).change }
    })
  }

  /** Foretells what the schemas would change, for the CLI's warnings; nothing is kept. */
  async evaluateSchema(request: PushRequest): Promise<unknown> {
    return await prefixed(async () => {
      refuseUnsupported(request)
      const env = await this.#registry.environment(this.#database.begin('query'))
      const schemas = await this.#analyzer.session((analyze) =>
        evaluatePushedSchemas(request, this.#evaluation(env, analyze)),
      )
      return await foretellSchemas(this.#database, schemas)
    })
  }

  async start(request: PushRequest): Promise<unknown> {
    return await prefixed(async () => {
      const isDryRun = request.dryRun || request.forCodegen
      const evaluated = await this.#evaluate(request)
      const schemas = await (isDryRun ? trySchemas : startSchemas)(this.#schemaDependencies, evaluated)
      const pushId = this.#remember({ evaluated, schemas, isDryRun })
      if (!isDryRun && hasActions(evaluated)) this.#onActions()
      return showStartedPush(pushId, evaluated, schemas.change)
    })
  }

  /** Long poll: answers as soon as the schemas' fate is known, at the latest after `timeoutMs`. */
  async waitForSchema(schemaIds: SchemaChange['schemaIds'], timeoutMs: number): Promise<unknown> {
    const dryRun = [...this.#started.values()].find(({ schemas }) =>
      Object.values(schemaIds).some((id) => id !== null && schemas.dryRuns.has(id)),
    )
    return await waitForPush(this.#schemaDependencies, schemaIds, dryRun?.schemas.dryRuns, timeoutMs)
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
      if (options.isDryRun || started.isDryRun) return showFinishedPush(undefined)
      const { value } = await this.#database.mutate('system:finish_push', (tx) => this.#goLive(tx, started, options))
      this.#started.delete(pushId)
      await this.#onLive(started.evaluated.requirements)
      return showFinishedPush(value)
    })
  }

  async #evaluate(request: PushRequest): Promise<EvaluatedPush> {
    refuseUnsupported(request)
    const tx = this.#database.begin('query')
    const env = await this.#registry.environment(tx)
    const evaluated = await this.#analyzer.session((analyze) =>
      evaluatePush(request, { ...this.#evaluation(env, analyze), tx }),
    )
    checkRequiredVariables(evaluated)
    return evaluated
  }

  #evaluation(env: EnvBundle, analyze: Analyze): Evaluation {
    return { analyze, nodeAnalyzer: this.#nodeAnalyzer, env, clock: this.#clock }
  }

  get #schemaDependencies(): { readonly database: Database; readonly clock: Clock } {
    return { database: this.#database, clock: this.#clock }
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
    { evaluated, schemas }: StartedPush,
    options: { readonly message: string | null },
  ): Promise<LiveChange> {
    const env = await this.#registry.environment(tx)
    this.#registry.dependOnEnvironment(tx)
    if (env.version !== evaluated.env.version) {
      throw pushError('RaceDetected', 'Environment variables have changed during push')
    }
    const components = await switchComponents(
      tx,
      evaluated,
      { ids: schemas.ids, schemaIds: schemas.change.schemaIds },
      this.#clock.nowMs(),
    )
    const [config] = await udfConfig.list(tx, { limit: 1 })
    const moduleDiffs = await replaceModules(
      tx,
      [...evaluated.definitions.values()].flatMap(({ rows }) => rows),
    )
    await replaceDefinitions(tx, evaluated.definitions)
    const authDiff = await replaceAuthProviders(tx, evaluated.authProviders, evaluated.env.version)
    const { nodeVersion, packages } = evaluated.requirements
    const next = {
      serverVersion: evaluated.serverVersion,
      codeVersion: evaluated.codeVersion,
      importPhaseRngSeed: evaluated.importSeed,
      importPhaseUnixTimestampMs: evaluated.importTimeMs,
      definition: JSON.stringify(evaluated.definition),
      ...(nodeVersion === undefined ? {} : { nodeVersion }),
      ...(packages.length === 0 ? {} : { nodePackages: packages }),
    }
    if (config === undefined) await udfConfig.insert(tx, next)
    else await udfConfig.replace(tx, config._id, next)
    const change: LiveChange = {
      previousVersion: config?.serverVersion,
      nextVersion: next.serverVersion,
      authDiff,
      moduleDiffs,
      components,
    }
    const diffs = showFinishedPush(change) as object
    await auditLog.insert(tx, {
      action: 'push_config',
      member_id: null,
      metadata: JSON.stringify({ message: options.message, ...diffs }),
    })
    return change
  }
}

function hasActions({ definitions }: EvaluatedPush): boolean {
  return [...definitions.values()]
    .flatMap(({ modules: analyzed }) => [...analyzed.values()])
    .some(
      ({ functions, httpRoutes }) => httpRoutes !== undefined || functions.some(({ udfType }) => udfType === 'Action'),
    )
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
