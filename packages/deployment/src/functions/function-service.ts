/**
 * Runs functions for every door of the deployment: HTTP, the sync protocol, the CLI. Decides who may call what, checks
 * arguments and results, retries mutations after conflicts, shares and caches queries, records logs.
 */
import {
  BadRequest,
  bytesToHex,
  type Clock,
  Overloaded,
  PlatformError,
  systemRandom,
  WriteConflict,
} from '@concave/base'
import { type Database, OutOfRetention, type ReadSet, type Transaction } from '@concave/database'
import { displayFunctionPath, type Identity, identityKey, noClient, parseFunctionPath } from '@concave/protocol'
import {
  type ActionExecutor,
  type NodeActionExecutor,
  bundleOneOffQuery,
  CatchableError,
  type CodeBundle,
  oneOffQueryPath,
  type Executor,
  type LogLine,
  type Observed,
  type UdfType,
  type EnvBundle,
  type ExecuteRequest,
  type SentCall,
} from '@concave/runtime'
import type { AuthToken, CallOutcome, FunctionCall, MutationOutcome, SessionRequest, SyncBackend } from '@concave/sync'
import { stringifyValue, type TableNumbers, type Value } from '@concave/values'
import type { Access } from '../access.ts'
import type { SigningKeys } from '../auth/signing-keys.ts'
import type { LoadedApp, LoadedComponent } from '../components/loaded-app.ts'
import type { FileStore } from '../files/file-store.ts'
import { deploymentLimits } from '../limits.ts'
import { type Caller, type FunctionLog, formatLogLine, identityTypeOf } from '../logs/function-log.ts'
import type { SystemFunctions } from '../system/system-functions.ts'
import { ActionService } from './action-service.ts'
import { type Call, callerOf } from './call-origin.ts'
import { checkOuterArguments, checkResult, hasCommitTs, resolveCommitTs } from './call-values.ts'
import type { CodeRegistry } from './code-registry.ts'
import { EarlyCall } from './early-call.ts'
import { FairLane } from './fair-lane.ts'
import { describeForCaller, FunctionError, systemFailureText } from './function-error.ts'
import { FunctionHost, wrongKindMessage } from './function-host.ts'
import type { FunctionKind, TransactionalFunction } from './loaded-code.ts'
import { audienceOf, isAdmin, isWithinReach, readOnlyMessage, unreachableMessage } from './reach.ts'
import type { Run } from './run.ts'
import type { RunRecord, ScheduledCall, ScheduledOutcome } from './scheduled-run.ts'
import { findSessionRequest, recordSessionRequest } from './session-requests.ts'
import { QueryCache, SharedResult } from './query-cache.ts'

/** A function that a call may run, with what it needs to run. */
type Resolved = {
  readonly app: LoadedApp
  readonly component: LoadedComponent
  readonly found: TransactionalFunction
  /** The app's variables. */
  readonly env: EnvBundle
  /** Other code than the component's own. */
  readonly code?: CodeBundle
}

type QueryRun = Run & {
  readonly reads: ReadSet
  readonly journal: string | null
  readonly observedIdentity: boolean
  readonly observedTime: boolean
}

export type FunctionServiceDependencies = {
  readonly deploymentName: string
  /** Callers without an admin key learn no error texts and no log lines. */
  readonly isRedacted: boolean
  readonly database: Database
  readonly files: FileStore
  readonly executor: Executor
  readonly registry: CodeRegistry
  readonly system: SystemFunctions
  readonly access: Access
  readonly signingKeys: SigningKeys
  readonly functionLog: FunctionLog
  readonly clock: Clock
  readonly actionExecutor: ActionExecutor
  readonly nodeExecutor: NodeActionExecutor
}

export class FunctionService implements SyncBackend {
  readonly #deps: FunctionServiceDependencies
  readonly #cache: QueryCache
  readonly #actions: ActionService
  readonly #running = new Map<string, Promise<SharedResult>>()
  readonly #mutations: FairLane

  constructor(deps: FunctionServiceDependencies) {
    this.#deps = deps
    this.#mutations = new FairLane({
      clock: deps.clock,
      patienceMs: deploymentLimits.lanePatienceMs,
      maxParallel: deploymentLimits.maxParallelMutations,
      maxWaiting: deploymentLimits.maxWaitingMutations,
      maxUpcoming: deploymentLimits.maxUpcomingMutations,
    })
    this.#actions = new ActionService({ ...deps, functions: this })
    this.#cache = new QueryCache({
      clock: deps.clock,
      maxBytes: deploymentLimits.queryCacheBytes,
      timeDependentMs: deploymentLimits.timeDependentResultMs,
    })
  }

  latestTs(): bigint {
    return this.#deps.database.latestTs()
  }

  authenticate(token: AuthToken): Promise<Identity> {
    return this.#deps.access.authenticate(token)
  }

  close(): void {
    this.#cache.clear()
  }

  // Queries

  async query(call: FunctionCall, at: bigint): Promise<CallOutcome> {
    return (await this.#sharedQuery(call, null, at, call.isInternal === true ? 'Action' : 'HttpApi')).outcome
  }

  async runQuery(call: FunctionCall, journal: string | null, at: bigint): Promise<SharedResult> {
    return await this.#sharedQuery(call, journal, at, 'SyncWorker')
  }

  /** Equal queries of many callers run once: those that run now are shared, those that ran are taken from the cache. */
  async #sharedQuery(call: FunctionCall, journal: string | null, at: bigint, caller: Caller): Promise<SharedResult> {
    const common = JSON.stringify([
      call.path.module,
      call.path.name,
      call.componentPath,
      call.args,
      journal,
      audienceOf(call),
    ])
    const personal = `${common}\n${identityKey(call.identity)}`
    const cached = this.#cache.find(common, at) ?? this.#cache.find(personal, at)
    if (cached !== undefined) {
      this.#record(call, 'query', { caller, startedAtMs: this.#deps.clock.nowMs(), isCached: true })
      return cached
    }
    const key = `${personal}\n${at}`
    const running = this.#running.get(key)
    if (running !== undefined) return await running
    const started = this.#runQuery(call, journal, at, caller, { common, personal })
    this.#running.set(key, started)
    try {
      return await started
    } finally {
      this.#running.delete(key)
    }
  }

  async #runQuery(
    call: FunctionCall,
    journal: string | null,
    at: bigint,
    caller: Caller,
    keys: { readonly common: string; readonly personal: string },
  ): Promise<SharedResult> {
    const { clock, database } = this.#deps
    const startedAtMs = clock.nowMs()
    const run = await this.#recordingFailures(call, 'query', caller, () => this.#attemptQuery(call, journal, at, 1))
    const result = new SharedResult({
      outcome: this.#toOutcome(call, run),
      journal: run.journal,
      ts: at,
      reads: run.reads,
      finishedAtMs: clock.monotonicMs(),
      dependsOnTime: run.observedTime,
      openSubscription: (reads, ts, onInvalidated) => database.subscribe(reads, ts, onInvalidated),
    })
    if (run.kind === 'success') this.#cache.put(run.observedIdentity ? keys.personal : keys.common, result)
    this.#record(call, 'query', { caller, startedAtMs, run })
    return result
  }

  async #attemptQuery(call: FunctionCall, journal: string | null, at: bigint, attempt: number): Promise<QueryRun> {
    const { database, system } = this.#deps
    if (system.isSystemPath(call.path)) return await this.#runSystem(call, at)
    const tx = database.begin('query', { at })
    try {
      const resolved = await this.#resolve(tx, call, 'query')
      const host = this.#openHost(tx, resolved, call, journal)
      const { run, observed } = await this.#execute(tx, resolved, call, host)
      if (run.kind === 'success' && hasCommitTs(run.value)) {
        throw new FunctionError(
          `Function ${displayFunctionPath(call.path)} return value invalid: queries cannot return an unresolved commit timestamp`,
        )
      }
      return {
        ...run,
        reads: tx.reads,
        // A page that fails once keeps its end.
        journal: run.kind === 'error' ? (host.journal ?? journal) : host.journal,
        observedIdentity: host.observedIdentity,
        observedTime: observed.time || host.observedTime,
      }
    } catch (error) {
      // The runtime asks for a run from the start: the module turned out to keep state.
      const mustRunAgain = error instanceof WriteConflict && attempt < deploymentLimits.maxQueryAttempts
      if (mustRunAgain) return await this.#attemptQuery(call, journal, at, attempt + 1)
      if (!(error instanceof FunctionError)) throw error
      return {
        kind: 'error',
        error,
        logLines: [],
        reads: tx.reads,
        journal,
        observedIdentity: true,
        observedTime: false,
      }
    }
  }

  async #runSystem(call: FunctionCall, at: bigint): Promise<QueryRun> {
    const tx = this.#deps.database.begin('query', { at })
    const rest = { journal: null, observedIdentity: true, observedTime: false, logLines: [] }
    try {
      const value = await this.#callSystem(tx, call)
      return { kind: 'success', value, text: stringifyValue(value), reads: tx.reads, ...rest }
    } catch (error) {
      const known = toFunctionError(error)
      if (known === undefined) throw error
      return { kind: 'error', error: known, reads: tx.reads, ...rest }
    }
  }

  // Mutations

  async mutation(call: FunctionCall): Promise<CallOutcome> {
    return await this.runMutation(call, undefined, () => {})
  }

  async runMutation(
    call: FunctionCall,
    session: SessionRequest | undefined,
    onApplied: (ts: bigint) => void,
  ): Promise<MutationOutcome> {
    const client = session?.sessionId ?? call.requestId
    const caller = call.isInternal === true ? 'Action' : session === undefined ? 'HttpApi' : 'SyncWorker'
    return await this.#recordingFailures(call, 'mutation', caller, () =>
      this.#inLane(client, call, (early) => this.#attemptMutation(call, session, onApplied, caller, early)),
    )
  }

  /** Runs `attempt` when it is `client`'s turn, and again after conflicts. */
  async #inLane<T>(
    client: string,
    call: Call,
    attemptOnce: (early: EarlyCall) => Promise<{ readonly outcome: () => Promise<T> }>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const isExclusive = attempt > deploymentLimits.conflictsBeforeExclusive
      const early = new EarlyCall(() => this.#sendAhead(call))
      try {
        const attempted = await this.#mutations.run(
          client,
          isExclusive,
          () => attemptOnce(early),
          () => early.prepare(),
        )
        // Outside the lane: the next mutation runs while this one becomes durable.
        return await attempted.outcome()
      } catch (error) {
        const isRetryable = error instanceof WriteConflict || error instanceof OutOfRetention
        if (!isRetryable || attempt >= deploymentLimits.maxMutationAttempts) throw error
      } finally {
        early.drop()
      }
    }
  }

  /** Sends a mutation to its runner before its turn, as it will most likely be called then. */
  #sendAhead(call: FunctionCall): SentCall | undefined {
    const { database, executor, registry } = this.#deps
    const { app, env } = registry.latest ?? {}
    const component = app?.find(call.componentPath)
    const found = component?.code.find(call.path)
    if (component === undefined || env === undefined || found?.udfType !== 'mutation') return undefined
    if (!isWithinReach(call, found)) return undefined
    const { module: modulePath, name: exportName } = call.path
    try {
      return executor.sendAhead({ modulePath, exportName }, () => {
        const tables = database.begin('mutation').tableNumbers(component.id)
        return this.#requestFor(call, { component, found: found as TransactionalFunction, env }, tables)
      })
    } catch (error) {
      // Its turn will tell.
      if (error instanceof FunctionError) return undefined
      throw error
    }
  }

  /** Runs a mutation that no client waits for, with `record` in its transaction. Rejects only for system failures. */
  async runScheduled(call: ScheduledCall, record: RunRecord): Promise<ScheduledOutcome> {
    return await this.#recordingFailures(call, 'mutation', callerOf(call.origin), () =>
      this.#inLane('scheduler', call, (early) => this.#attemptScheduled(call, record, early)),
    )
  }

  async #attemptScheduled(
    call: ScheduledCall,
    record: RunRecord,
    early: EarlyCall,
  ): Promise<{ readonly outcome: () => Promise<ScheduledOutcome> }> {
    const { database, clock } = this.#deps
    const startedAtMs = clock.nowMs()
    const tx = database.begin('mutation')
    if (!(await record.begin(tx))) return { outcome: async () => ({ kind: 'skipped' }) }
    const run = await this.#runMutationOnce(tx, call, early)
    const logLines = run.logLines.map(formatLogLine)
    const durationMs = clock.nowMs() - startedAtMs
    if (run.kind === 'success') await record.finish(tx, { resultText: run.text, logLines, durationMs })
    const durable =
      run.kind === 'success'
        ? database.commit(tx, displayFunctionPath(call.path)).durable
        : database.committer.whenDurable(tx.beginTs)
    return {
      outcome: async () => {
        await durable
        this.#record(call, 'mutation', { caller: callerOf(call.origin), startedAtMs, run, tx })
        if (run.kind === 'success') return { kind: 'success' }
        return { kind: 'error', message: run.error.message, logLines, durationMs }
      },
    }
  }

  async #attemptMutation(
    call: FunctionCall,
    session: SessionRequest | undefined,
    onApplied: (ts: bigint) => void,
    caller: Caller,
    early: EarlyCall,
  ): Promise<{ readonly outcome: () => Promise<MutationOutcome> }> {
    const { database, clock } = this.#deps
    const startedAtMs = clock.nowMs()
    const tx = database.begin('mutation')
    const repeated = session === undefined ? undefined : await findSessionRequest(tx, session)
    if (repeated !== undefined) {
      return {
        outcome: async () => {
          await database.committer.whenDurable(tx.beginTs)
          return repeated
        },
      }
    }

    const run = await this.#runMutationOnce(tx, call, early)
    if (run.kind === 'error') {
      return {
        outcome: async () => {
          // What the failure was based on must be durable before anybody hears of it.
          await database.committer.whenDurable(tx.beginTs)
          this.#record(call, 'mutation', { caller, startedAtMs, run, tx })
          return { ...this.#toOutcome(call, run), ts: undefined }
        },
      }
    }
    if (session !== undefined) {
      await recordSessionRequest(tx, session, run.value, this.#logLinesFor(call, run.logLines))
    }
    const { ts, durable } = database.commit(tx, displayFunctionPath(call.path))
    onApplied(ts)
    const value = hasCommitTs(run.value) ? resolveCommitTs(run.value, ts) : run.value
    const resolved: Run = value === run.value ? run : { ...run, value, text: stringifyValue(value) }
    return {
      outcome: async () => {
        await durable
        this.#record(call, 'mutation', { caller, startedAtMs, run: resolved, tx })
        return { ...this.#toOutcome(call, resolved), ts }
      },
    }
  }

  async #runMutationOnce(tx: Transaction, call: Call, early: EarlyCall): Promise<Run> {
    try {
      if (call.identity.kind === 'admin' && call.identity.isReadOnly) throw new FunctionError(readOnlyMessage)
      if (this.#deps.system.isSystemPath(call.path)) return await this.#runSystemMutation(tx, call)
      const resolved = await this.#resolve(tx, call, 'mutation')
      const host = this.#openHost(tx, resolved, call, null)
      const { run } = await this.#execute(tx, resolved, call, host, early)
      if (run.kind === 'success') await this.#deps.files.persist(tx)
      return run
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error
      return { kind: 'error', error, logLines: [] }
    }
  }

  async #runSystemMutation(tx: Transaction, call: FunctionCall): Promise<Run> {
    try {
      const value = await this.#callSystem(tx, call)
      return { kind: 'success', value, text: stringifyValue(value), logLines: [] }
    } catch (error) {
      const known = toFunctionError(error)
      if (known === undefined) throw error
      return { kind: 'error', error: known, logLines: [] }
    }
  }

  /** For admins themselves: code that runs for one, a component's too, is not told what the admin may see. */
  async #callSystem(tx: Transaction, call: FunctionCall): Promise<Value> {
    if (audienceOf(call) !== 'admin') throw new FunctionError(unreachableMessage(call))
    return await this.#deps.system.run(tx, call.path, call.args, call.componentPath)
  }

  // Other doors

  /** The path of a mounted component, by its id; '' for the app (null or undefined). Throws `ComponentNotFound`. */
  async componentPathOf(id: string | null | undefined): Promise<string> {
    const { database, registry } = this.#deps
    const component = (await registry.load(database.begin('query'))).findById(id ?? '')
    if (component !== undefined) return component.path
    throw new BadRequest('ComponentNotFound', `There is no component ${id} in this deployment.`)
  }

  /** What `path` is, as far as `call`'s identity may know. */
  async kindOf(call: FunctionCall): Promise<FunctionKind | undefined> {
    const { database, registry, system } = this.#deps
    if (system.isSystemPath(call.path)) return system.kindOf(call.path)
    const tx = database.begin('query')
    return (await registry.load(tx)).find(call.componentPath)?.code.find(call.path)?.udfType
  }

  /** Runs a function of any kind: `/api/function` and `/api/run/…`. */
  async any(call: FunctionCall): Promise<CallOutcome> {
    const kind = await this.kindOf(call)
    if (kind === 'mutation') return await this.mutation(call)
    if (kind === 'action') return await this.runAction(call, 'HttpApi')
    return await this.query(call, this.latestTs())
  }

  /** Runs a query that was sent as source, for one time (sync-and-http.md §5.4). `call.path` is not looked at. */
  async oneOffQuery(source: string, call: Omit<FunctionCall, 'path'>): Promise<CallOutcome> {
    const { database, registry, clock } = this.#deps
    const named: FunctionCall = { ...call, path: parseFunctionPath(oneOffQueryPath) }
    const startedAtMs = clock.nowMs()
    const tx = database.begin('query')
    const run = await this.#runOneOff(tx, await registry.load(tx), source, named)
    this.#record(named, 'query', { caller: 'Tester', startedAtMs, run })
    return this.#toOutcome(named, run)
  }

  async #runOneOff(tx: Transaction, app: LoadedApp, source: string, call: FunctionCall): Promise<Run> {
    const live = app.find(call.componentPath)
    if (live === undefined) return { kind: 'error', error: new FunctionError(unreachableMessage(call)), logLines: [] }
    const bundle = await bundleOneOffQuery(live.code.bundle, source)
    if ('refused' in bundle) return { kind: 'error', error: new FunctionError(bundle.refused), logLines: [] }
    const found: TransactionalFunction = { udfType: 'query', isPublic: true, args: { type: 'any' }, returns: undefined }
    const resolved = { app, component: live, found, env: await this.#deps.registry.environment(tx), code: bundle }
    try {
      return (await this.#execute(tx, resolved, call, this.#openHost(tx, resolved, call, null))).run
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error
      return { kind: 'error', error, logLines: [] }
    }
  }

  /** Runs an action at most once. Rejects for failures of the system only. */
  async runAction(call: Call, caller: Caller = 'SyncWorker'): Promise<CallOutcome> {
    return this.#toOutcome(
      call,
      await this.#actions.run(call, call.origin === undefined ? caller : callerOf(call.origin)),
    )
  }

  // The way of one call

  async #resolve(tx: Transaction, call: Call, asked: UdfType): Promise<Resolved> {
    const { registry } = this.#deps
    const app = await registry.load(tx)
    const component = app.find(call.componentPath)
    const found = component?.code.find(call.path)
    if (component === undefined || found === undefined || !isWithinReach(call, found)) {
      throw new FunctionError(unreachableMessage(call))
    }
    if (found.udfType !== asked) throw new FunctionError(wrongKindMessage(call.path, asked, found.udfType))
    return { app, component, found: found as TransactionalFunction, env: await registry.environment(tx) }
  }

  #openHost(tx: Transaction, resolved: Resolved, call: Call, journal: string | null): FunctionHost {
    const { database, files, deploymentName, signingKeys, clock } = this.#deps
    const { identity, requestId, origin, client = noClient } = call
    const { app, component, env, found } = resolved
    const address = { component, path: call.path }
    const from = { identity, requestId, client, deploymentName, journal, signingKeys, clock, origin }
    return new FunctionHost({ database, files, tx, app, env, address, function: found, ...from })
  }

  /** Runs the function on the tables of its component; the transaction has its own again afterwards. */
  async #execute(
    tx: Transaction,
    resolved: Resolved,
    call: FunctionCall,
    host: FunctionHost,
    early?: EarlyCall,
  ): Promise<{ readonly run: Run; readonly observed: Observed }> {
    return await tx.within(
      resolved.component.id,
      async () => await this.#executeWithin(tx, resolved, call, host, early),
    )
  }

  async #executeWithin(
    tx: Transaction,
    resolved: Resolved,
    call: FunctionCall,
    host: FunctionHost,
    early: EarlyCall | undefined,
  ): Promise<{ readonly run: Run; readonly observed: Observed }> {
    const { executor, registry } = this.#deps
    const { found } = resolved
    const request = this.#requestFor(call, resolved, host.tables)
    const sent = early?.take(request)
    const executing = executor.execute(sent?.request ?? request, host, sent)
    if (early !== undefined) this.#mutations.prepareUpcoming()
    const outcome = await executing
    const { observed } = outcome
    const warnings = host.warnings()
    const logLines = warnings.length === 0 ? outcome.logLines : [...outcome.logLines, ...warnings]
    if (observed.env.length > 0) registry.dependOnEnvironment(tx)
    if (outcome.kind === 'userError') {
      return { run: { kind: 'error', error: new FunctionError(outcome.message, outcome.data), logLines }, observed }
    }
    try {
      const value = checkResult(call.path, found.returns, outcome.resultText, host.tables)
      return { run: { kind: 'success', value, text: outcome.resultText, logLines }, observed }
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error
      return { run: { kind: 'error', error, logLines }, observed }
    }
  }

  #requestFor(
    call: FunctionCall,
    { component, found, env, code = component.code.bundle }: Omit<Resolved, 'app'>,
    tables: TableNumbers,
  ): ExecuteRequest {
    return {
      udfType: found.udfType,
      code,
      env: component.environment(env),
      componentId: component.id,
      modulePath: call.path.module,
      exportName: call.path.name,
      argsText: checkOuterArguments(call.path, found.args, call.args, tables),
      seed: bytesToHex(systemRandom.bytes(32)),
      nowMs: this.#deps.clock.nowMs(),
    }
  }

  // Outcomes

  #toOutcome(call: FunctionCall, run: Run): CallOutcome {
    const logLines = this.#logLinesFor(call, run.logLines)
    if (run.kind === 'success') return { kind: 'success', valueText: run.text, logLines }
    // An action's own calls get the text of the error alone.
    if (call.isInternal === true) {
      return { kind: 'error', message: run.error.message, dataText: run.error.dataText, logLines }
    }
    const message = describeForCaller(run.error.message, call.requestId, this.#isRedactedFor(call))
    return { kind: 'error', message, dataText: run.error.dataText, logLines }
  }

  #logLinesFor(call: FunctionCall, lines: readonly LogLine[]): readonly string[] {
    return this.#isRedactedFor(call) ? [] : lines.map(formatLogLine)
  }

  #isRedactedFor(call: FunctionCall): boolean {
    return this.#deps.isRedacted && !isAdmin(call) && call.isInternal !== true
  }

  /** Failures of the system are in the log as well: nobody else tells the developer. */
  async #recordingFailures<T>(call: FunctionCall, udfType: UdfType, caller: Caller, run: () => Promise<T>): Promise<T> {
    const startedAtMs = this.#deps.clock.nowMs()
    try {
      return await run()
    } catch (error) {
      // Whoever asked for a snapshot that is too old asks again.
      if (error instanceof OutOfRetention) throw error
      const failure = new FunctionError(systemFailureText(error))
      this.#record(call, udfType, { caller, startedAtMs, run: { kind: 'error', error: failure, logLines: [] } })
      throw error
    }
  }

  #record(
    call: FunctionCall,
    udfType: UdfType,
    entry: {
      readonly caller: Caller
      readonly startedAtMs: number
      readonly run?: Run
      readonly isCached?: boolean
      readonly tx?: Transaction
    },
  ): void {
    if (this.#deps.system.isSystemPath(call.path)) return
    const { run, tx } = entry
    const metrics = tx?.metrics()
    this.#deps.functionLog.record({
      udfType: udfType === 'query' ? 'Query' : 'Mutation',
      componentPath: call.componentPath,
      identifier: displayFunctionPath(call.path),
      logLines: run?.logLines ?? [],
      startedAtMs: entry.startedAtMs,
      durationMs: this.#deps.clock.nowMs() - entry.startedAtMs,
      cachedResult: entry.isCached ?? false,
      error: run?.kind === 'error' ? run.error.message : undefined,
      caller: entry.caller,
      requestId: call.requestId,
      identityType: identityTypeOf(call.identity),
      usage: {
        readDocuments: metrics?.documentsRead.used ?? 0,
        readBytes: metrics?.bytesRead.used ?? 0,
        writeDocuments: metrics?.documentsWritten.used ?? 0,
        writeBytes: metrics?.bytesWritten.used ?? 0,
        fileReadBytes: metrics?.fileReadBytes.used ?? 0,
        fileWriteBytes: metrics?.fileWriteBytes.used ?? 0,
      },
      returnBytes: run?.kind === 'success' ? Buffer.byteLength(run.text) : undefined,
      willRetry: false,
    })
  }
}

/** Errors of a system function that its caller can do something about. */
function toFunctionError(error: unknown): FunctionError | undefined {
  if (error instanceof FunctionError) return error
  if (error instanceof CatchableError) return new FunctionError(error.message)
  if (error instanceof PlatformError && error.status < 500 && !(error instanceof Overloaded)) {
    return new FunctionError(error.message)
  }
  return undefined
}
