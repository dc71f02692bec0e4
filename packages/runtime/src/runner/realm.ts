import type ivm from 'isolated-vm'
import type { ReuseTier, UdfType } from '../execution.ts'
import { glueMembers, type ErrorDescription, type GlueMember, type Inspection } from '../isolate-interface.ts'
import type { CallLogs } from '../protocol.ts'
import type { LoadedCode } from './code-store.ts'
import { describeCopiedError } from './copied-error.ts'
import { evaluateGraph, type ModuleGraph } from './module-graph.ts'

/** Import of the graph failed: no function of it can run. */
export type ImportFailure = { readonly kind: 'importFailed'; readonly error: ErrorDescription; readonly logs: CallLogs }

type Members = Record<GlueMember, ivm.Reference>

/**
 * One context with our globals and one evaluated module graph. Serves one execution at a time. `tier` says whether it
 * may serve another one afterwards.
 */
export class Realm {
  readonly tier: ReuseTier
  readonly #context: ivm.Context
  readonly #members: Members
  readonly #graph: ModuleGraph
  readonly #importLogs: CallLogs
  readonly #entryPath: string
  #servedCalls = 0

  private constructor(options: {
    readonly context: ivm.Context
    readonly members: Members
    readonly graph: ModuleGraph
    readonly importLogs: CallLogs
    readonly tier: ReuseTier
    readonly entryPath: string
  }) {
    this.#context = options.context
    this.#members = options.members
    this.#graph = options.graph
    this.#importLogs = options.importLogs
    this.tier = options.tier
    this.#entryPath = options.entryPath
  }

  /** Makes a context from the isolate's snapshot and evaluates the graph of `entryPath` in it. */
  static create(options: {
    readonly isolate: ivm.Isolate
    readonly host: ivm.Callback
    readonly code: LoadedCode
    readonly envJson: string
    readonly entryPath: string
    readonly forceFresh: boolean
  }): Realm | ImportFailure {
    const { isolate, code } = options
    const context = isolate.createContextSync()
    const members = openInterface(context, options.host)
    members.beginImport.applySync(undefined, [code.importSeed, code.importTimeMs, options.envJson])
    let graph: ModuleGraph
    try {
      graph = evaluateGraph({ isolate, context, code, entryPath: options.entryPath })
    } catch (error) {
      if (isolate.isDisposed) throw error
      const logs = parseLogs(members.endCall)
      const failure: ImportFailure = { kind: 'importFailed', error: describeCopiedError(error), logs }
      release(members, undefined, context)
      return failure
    }
    const importLogs = parseLogs(members.endCall)
    const tier = options.forceFresh ? 'fresh' : tierOf(code, graph)
    const frozen = tier === 'stateless' && freezeGraph(members.freeze, graph)
    return new Realm({
      context,
      members,
      graph,
      importLogs,
      entryPath: options.entryPath,
      tier: tier === 'stateless' && !frozen ? 'fresh' : tier,
    })
  }

  /** Runs one function to completion. `onSettled` is not called if the returned promise never settles. */
  invoke(
    call: {
      readonly udfType: UdfType
      readonly exportName: string
      readonly argsText: string
      readonly seed: string
      readonly nowMs: number
    },
    onSettled: ivm.Callback,
  ): void {
    this.#servedCalls += 1
    this.#members.call.applySync(undefined, [
      this.#graph.namespace.derefInto(),
      call.udfType,
      this.#entryPath,
      call.exportName,
      call.argsText,
      call.seed,
      call.nowMs,
      onSettled,
    ])
  }

  /** What push analysis wants to know of the entry module: `0` + JSON text, or `1` + JSON of an `ErrorDescription`. */
  inspect(what: Inspection): string {
    return this.#members.inspect.applySync(undefined, [
      what,
      this.#graph.namespace.derefInto(),
      this.#entryPath,
    ]) as string
  }

  get importLogs(): CallLogs {
    return this.#importLogs
  }

  /** Logs and observations of the call. Log lines of the import phase come with the first one. */
  endCall(): CallLogs {
    const logs = parseLogs(this.#members.endCall)
    return this.#servedCalls <= 1 ? { ...logs, logLines: [...this.#importLogs.logLines, ...logs.logLines] } : logs
  }

  release(): void {
    release(this.#members, this.#graph, this.#context)
  }
}

function openInterface(context: ivm.Context, host: ivm.Callback): Members {
  const glue = context.global.getSync('__runner', { reference: true }) as ivm.Reference
  const members: Partial<Members> = {}
  for (const name of glueMembers) members[name] = glue.getSync(name, { reference: true }) as ivm.Reference
  const lockDown = glue.getSync('lockDown', { reference: true }) as ivm.Reference
  lockDown.applySync(undefined, [host])
  lockDown.release()
  glue.release()
  return members as Members
}

/** A graph is stateless if each of its modules is; the app's own wish counts for the entry only. */
function tierOf(code: LoadedCode, graph: ModuleGraph): ReuseTier {
  const tiers = graph.paths.map((path) => code.modules.get(path)?.reuse ?? 'fresh')
  if (tiers[0] === 'optIn') return 'optIn'
  return tiers.every((tier) => tier === 'stateless') ? 'stateless' : 'fresh'
}

function freezeGraph(freeze: ivm.Reference, graph: ModuleGraph): boolean {
  const namespaces = graph.modules.map((module) => module.namespace.derefInto())
  return freeze.applySync(undefined, namespaces) === undefined
}

function parseLogs(endCall: ivm.Reference): CallLogs {
  return JSON.parse(endCall.applySync(undefined, []) as string) as CallLogs
}

function release(members: Members, graph: ModuleGraph | undefined, context: ivm.Context): void {
  for (const name of glueMembers) members[name].release()
  graph?.namespace.release()
  for (const module of graph?.modules ?? []) module.release()
  context.release()
}
