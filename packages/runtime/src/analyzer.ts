import { BadRequest, createDeferred, Internal, systemClock, type Clock, type Log } from '@concave/base'
import { loadVersions, outOfMemoryMessage } from './call.ts'
import type { CodeBundle, EnvBundle, LogLine, ModuleSource } from './execution.ts'
import { type FunctionPosition, locateHandlers } from './function-positions.ts'
import type { DefinitionKind, Inspection } from './isolate-interface.ts'
import { runtimeLimits } from './limits.ts'
import { frameKinds, type AnalyzedHeader, type AnalyzeHeader } from './protocol.ts'
import type { RunnerPool } from './runner-pool.ts'
import type { RunnerProcess } from './runner-process.ts'
import { renderError } from './source-frames.ts'
import { systemTimers, type Timers } from './timers.ts'
import { UserTime } from './user-time.ts'

export type AnalyzedFunction = {
  readonly name: string
  /** Null where it cannot be told. */
  readonly pos: FunctionPosition | null
  readonly udfType: 'Query' | 'Mutation' | 'Action'
  readonly visibility: { readonly kind: 'public' | 'internal' }
  /** JSON text of the arguments validator: an object or `any`. */
  readonly args: string
  /** JSON text of the returns validator, or `null`. */
  readonly returns: string
}

export type AnalyzedModule = {
  readonly functions: readonly AnalyzedFunction[]
  /** The module exports `experimental_reuseContext = true`. */
  readonly reuseContext: boolean
  /** Of `http.js`: exact routes first, then prefixes (`/path/*`). */
  readonly httpRoutes: readonly { readonly path: string; readonly method: string }[] | undefined
  /** Of `crons.js`: JSON text `{[identifier]: {name, args, schedule}}`. */
  readonly cronsText: string | undefined
}

export type AnalyzeRequest = {
  /** Isolate modules of one component: entries, `_deps/` chunks, `auth.config.js`. */
  readonly code: CodeBundle
  readonly env: EnvBundle
  /** `schema.js` and `convex.config.js` are bundled on their own. */
  readonly schema: ModuleSource | undefined
  readonly definition: ModuleSource | undefined
  /**
   * What the definition may mount: evaluated definitions (`definitionText`) by definition path. A definition imports
   * them as `./_componentDeps/<base64url of the path>`.
   */
  readonly mountable?: ReadonlyMap<string, string>
  /** The code is a component's: it has no environment yet, and its definition may not ask for one. */
  readonly isComponent?: boolean
}

export type AnalyzeOutcome = {
  /** By module path; without `_deps/` and `auth.config.js`. */
  readonly modules: ReadonlyMap<string, AnalyzedModule>
  /** JSON text `{tables, schemaValidation}`. */
  readonly schemaText: string | undefined
  /** JSON text of what `defineApp` or `defineComponent` exported. */
  readonly definitionText: string | undefined
  /** JSON text `{providers}`. */
  readonly authConfigText: string | undefined
}

export type Analyze = (request: AnalyzeRequest) => Promise<AnalyzeOutcome>

const authConfigPath = 'auth.config.js'
const checkIntervalMs = 200
const maxFailureLogLines = 100

/**
 * Evaluates what was pushed, each module in a context of its own, in a runner that is thrown away afterwards
 * (function-runtime.md §1.7–1.10). Rejects with `BadRequest` and the text for the developer.
 */
export class Analyzer {
  readonly #pool: RunnerPool
  readonly #log: Log
  readonly #clock: Clock
  readonly #timers: Timers

  constructor(options: {
    readonly pool: RunnerPool
    readonly log: Log
    readonly clock?: Clock
    readonly timers?: Timers
  }) {
    this.#pool = options.pool
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
  }

  async analyze(request: AnalyzeRequest): Promise<AnalyzeOutcome> {
    return await this.session((analyze) => analyze(request))
  }

  /** Several analyses, one after another, in one runner. The first that fails is the last. */
  async session<T>(run: (analyze: Analyze) => Promise<T>): Promise<T> {
    const runner = await this.#pool.take()
    try {
      return await run((request) => this.#analyze(runner, request))
    } finally {
      await runner.close()
    }
  }

  async #analyze(runner: RunnerProcess, request: AnalyzeRequest): Promise<AnalyzeOutcome> {
    const definitionText = await this.#evaluateDefinition(runner, request)
    const schemaText = await this.#evaluateSchema(runner, request)
    const authConfigText = request.isComponent === true ? undefined : await this.#evaluateAuthConfig(runner, request)
    const modules = new Map<string, AnalyzedModule>()
    const env = request.isComponent === true ? noEnv : request.env
    for (const path of request.code.modules.keys()) {
      if (path.startsWith('_deps/') || path === authConfigPath) continue
      modules.set(path, await this.#analyzeModule(runner, { ...request, env }, path))
    }
    return { modules, schemaText, definitionText, authConfigText }
  }

  /** The JSON text of `auth.config` alone, for code that was analyzed before. Undefined when it has none. */
  async evaluateAuthConfig(request: Pick<AnalyzeRequest, 'code' | 'env'>): Promise<string | undefined> {
    if (!request.code.modules.has(authConfigPath)) return undefined
    const runner = await this.#pool.take()
    try {
      return await this.#evaluateAuthConfig(runner, request)
    } finally {
      await runner.close()
    }
  }

  async #analyzeModule(runner: RunnerProcess, { code, env }: AnalyzeRequest, path: string): Promise<AnalyzedModule> {
    const special = path === 'http.js' ? 'routes' : path === 'crons.js' ? 'crons' : undefined
    const inspections: readonly Inspection[] = special === undefined ? ['analyze'] : ['analyze', special]
    const answer = await this.#inspect(runner, code, env, path, inspections)
    if (answer.kind === 'failed')
      throw new BadRequest('InvalidModules', `Failed to analyze ${path}: ${failureText(answer, code)}`)
    const [analyzedText = '', specialText] = answer.texts
    const analyzed = JSON.parse(analyzedText) as InspectedModule
    for (const { name, args } of analyzed.functions) checkArgs(path, name, args)
    return {
      functions: locate(code.modules.get(path), analyzed.functions),
      reuseContext: analyzed.reuseContext,
      httpRoutes:
        special === 'routes' ? (JSON.parse(specialText ?? '[]') as { path: string; method: string }[]) : undefined,
      cronsText: special === 'crons' ? specialText : undefined,
    }
  }

  async #evaluateSchema(runner: RunnerProcess, request: AnalyzeRequest): Promise<string | undefined> {
    if (request.schema === undefined) return undefined
    const code = aloneBundle(request, request.schema, 'schema')
    const answer = await this.#inspect(runner, code, noEnv, request.schema.path, ['schema'])
    if (answer.envRead.length > 0) {
      throw new BadRequest('InvalidSchema', 'Environment variables unsupported when evaluating schema')
    }
    if (answer.kind === 'failed') throw new BadRequest('InvalidSchema', failureText(answer, code))
    return answer.texts[0]
  }

  async #evaluateDefinition(runner: RunnerProcess, request: AnalyzeRequest): Promise<string | undefined> {
    if (request.definition === undefined) return undefined
    const { definition, mountable, isComponent } = request
    const bundle = aloneBundle(request, definition, 'definition')
    const code = { ...bundle, modules: new Map([...bundle.modules, ...mountableModules(mountable ?? new Map())]) }
    const [env, kind] =
      isComponent === true ? ([noEnv, 'componentDefinition'] as const) : ([request.env, 'appDefinition'] as const)
    const answer = await this.#inspect(runner, code, env, definition.path, ['definition'], kind)
    if (answer.kind === 'failed') throw new BadRequest('InvalidConvexConfig', failureText(answer, code))
    return answer.texts[0]
  }

  async #evaluateAuthConfig(
    runner: RunnerProcess,
    { code, env }: Pick<AnalyzeRequest, 'code' | 'env'>,
  ): Promise<string | undefined> {
    if (!code.modules.has(authConfigPath)) return undefined
    const answer = await this.#inspect(runner, code, env, authConfigPath, ['authConfig'])
    const missing = answer.envRead.find((name) => !Object.hasOwn(env.variables, name))
    if (missing !== undefined) {
      throw new BadRequest(
        'AuthConfigMissingEnvironmentVariable',
        `Environment variable ${missing} is used in auth config file but its value was not set`,
      )
    }
    if (answer.kind === 'failed') throw new BadRequest('InvalidConfig', failureText(answer, code))
    return answer.texts[0]
  }

  /** One module in one context, within the time limit of analysis. */
  async #inspect(
    runner: RunnerProcess,
    code: CodeBundle,
    env: EnvBundle,
    modulePath: string,
    inspections: readonly Inspection[],
    importKind?: DefinitionKind,
  ): Promise<AnalyzedHeader> {
    loadVersions(runner, { code, env })
    const header: AnalyzeHeader = {
      codeVersion: code.version,
      envVersion: env.version,
      modulePath,
      inspections,
      ...(importKind === undefined ? {} : { importKind }),
    }
    const time = new UserTime({
      clock: this.#clock,
      readCpuTime: () => runner.readCpuTime(),
      limitMs: runtimeLimits.analysisTimeMs,
    })
    const deferred = createDeferred<AnalyzedHeader>()
    let isTimedOut = false
    runner.onFrame = (frame) => {
      if (frame.kind === frameKinds.analyzed) deferred.resolve(JSON.parse(frame.texts[0] as string) as AnalyzedHeader)
    }
    runner.onExit = (exit) => {
      if (isTimedOut)
        deferred.resolve(
          ownFailure(`Function execution timed out (maximum duration: ${runtimeLimits.analysisTimeMs / 1000}s)`),
        )
      else if (exit.crashed) deferred.resolve(ownFailure(outOfMemoryMessage))
      else deferred.reject(new Internal(exit.description))
    }
    let stopCheck: () => void
    const watch = (): void => {
      stopCheck = this.#timers.after(checkIntervalMs, () => {
        if (time.isUsedUp()) {
          isTimedOut = true
          runner.kill()
        } else watch()
      })
    }
    time.resume()
    watch()
    runner.send(frameKinds.analyze, [JSON.stringify(header)])
    try {
      const answer = await deferred.promise
      if (answer.kind === 'failed')
        this.#log.debug({ modulePath, inspections }, 'A pushed module could not be analyzed.')
      return answer
    } finally {
      stopCheck!()
    }
  }
}

type InspectedModule = {
  readonly functions: readonly (Omit<AnalyzedFunction, 'pos'> & { readonly handler: string | null })[]
  readonly reuseContext: boolean
}

/** The functions with their positions, in the order of these. */
function locate(
  module: ModuleSource | undefined,
  functions: InspectedModule['functions'],
): readonly AnalyzedFunction[] {
  const handlers = new Map(functions.map(({ name, handler }) => [name, handler]))
  const positions = module === undefined ? undefined : locateHandlers(module, handlers)
  return functions
    .map(({ name, handler: _handler, ...rest }) => ({ name, pos: positions?.get(name) ?? null, ...rest }))
    .toSorted((a, b) => rankOf(a) - rankOf(b) || (a.pos?.start_col ?? 0) - (b.pos?.start_col ?? 0))
}

function rankOf({ pos }: AnalyzedFunction): number {
  return pos?.start_lineno ?? Number.MAX_SAFE_INTEGER
}

const noEnv: EnvBundle = { version: 'analysis:none', variables: {} }

/** Stands in for the definition that a component was evaluated to, where another definition mounts it. */
function mountableModules(definitions: ReadonlyMap<string, string>): readonly (readonly [string, ModuleSource])[] {
  return [...definitions].map(([definitionPath, text]) => {
    const path = `_componentDeps/${Buffer.from(definitionPath).toString('base64url')}.js`
    const { name } = JSON.parse(text) as { readonly name?: string }
    const source = `const definition = JSON.parse(${JSON.stringify(text)})
export default {
  export: () => definition,
  componentDefinitionPath: ${JSON.stringify(definitionPath)},
  defaultName: ${JSON.stringify(name)},
}
`
    return [path, { path, source, sourceMap: undefined, reuse: 'fresh' }] as const
  })
}

/** A module that is evaluated alone: nothing can be imported. */
function aloneBundle({ code }: AnalyzeRequest, module: ModuleSource, name: string): CodeBundle {
  return {
    version: `${code.version}:${name}`,
    modules: new Map([[module.path, module]]),
    importSeed: code.importSeed,
    importTimeMs: code.importTimeMs,
  }
}

function ownFailure(message: string): AnalyzedHeader {
  return { kind: 'failed', error: { message, frames: [], frozenWrite: false }, logLines: [], envRead: [] }
}

/** The error and what the module logged before it. */
function failureText(answer: Extract<AnalyzedHeader, { kind: 'failed' }>, code: CodeBundle): string {
  return [renderError(answer.error, code), ...answer.logLines.slice(0, maxFailureLogLines).map(renderLogLine)].join(
    '\n',
  )
}

function renderLogLine(line: LogLine): string {
  return `[${line.level}] ${line.messages.join(' ')}`
}

function checkArgs(path: string, name: string, args: string): void {
  const validator: unknown = JSON.parse(args)
  const type = typeof validator === 'object' && validator !== null && 'type' in validator ? validator.type : undefined
  if (type === 'object' || type === 'any') return
  throw new BadRequest(
    'InvalidModules',
    `Failed to analyze ${path}: The arguments validator of ${name} must be an object validator or v.any().`,
  )
}
