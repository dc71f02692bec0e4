import ivm from 'isolated-vm'
import type { ReuseTier, UdfType } from '../execution.ts'
import {
  decodeCallEnd,
  glueMembers,
  type CallEndTexts,
  type DefinitionKind,
  type ErrorDescription,
  type GlueMember,
  type Inspection,
} from '../isolate-interface.ts'
import type { CallLogs } from '../protocol.ts'
import type { LoadedCode } from './code-store.ts'
import { describeCopiedError } from './copied-error.ts'
import { answerCrypto } from './crypto.ts'
import { evaluateGraph, type ModuleGraph } from './module-graph.ts'

/** Import of the graph failed: no function of it can run. */
export type ImportFailure = { readonly kind: 'importFailed'; readonly error: ErrorDescription; readonly logs: CallLogs }

/** How a call ended, with what was logged and observed. */
export type CallEnd = Pick<CallEndTexts, 'settled' | 'closed'> & { readonly logs: CallLogs }

const compute = new ivm.Callback(answerCrypto)

export const noLogs: CallLogs = { logLines: [], observed: { time: false, env: [] }, frozenWrite: false }

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
  #servedCalls = 0

  private constructor(options: {
    readonly context: ivm.Context
    readonly members: Members
    readonly graph: ModuleGraph
    readonly importLogs: CallLogs
    readonly tier: ReuseTier
  }) {
    this.#context = options.context
    this.#members = options.members
    this.#graph = options.graph
    this.#importLogs = options.importLogs
    this.tier = options.tier
  }

  /** Makes a context from the isolate's snapshot and evaluates the graph of `entryPath` in it. */
  static create(options: {
    readonly isolate: ivm.Isolate
    readonly host: ivm.Callback
    readonly code: LoadedCode
    readonly envJson: string
    readonly entryPath: string
    readonly forceFresh: boolean
    readonly importKind?: DefinitionKind
  }): Realm | ImportFailure {
    const { isolate, code } = options
    const context = isolate.createContextSync()
    const members = openInterface(context, options.host)
    members.beginImport.applySync(undefined, [code.importSeed, code.importTimeMs, options.envJson, options.importKind])
    let graph: ModuleGraph
    try {
      graph = evaluateGraph({ isolate, context, code, entryPath: options.entryPath })
    } catch (error) {
      if (isolate.isDisposed) throw error
      const logs = JSON.parse(members.endImport.applySync(undefined, []) as string) as CallLogs
      const failure: ImportFailure = { kind: 'importFailed', error: describeCopiedError(error), logs }
      release(members, undefined, context)
      return failure
    }
    const importLogsText = members.endImport.applySync(undefined, [graph.namespace.derefInto(), options.entryPath])
    const importLogs = JSON.parse(importLogsText as string) as CallLogs
    const tier = options.forceFresh ? 'fresh' : tierOf(code, graph)
    const frozen = tier === 'stateless' && freezeGraph(members.freeze, graph)
    return new Realm({
      context,
      members,
      graph,
      importLogs,
      tier: tier === 'stateless' && !frozen ? 'fresh' : tier,
    })
  }

  /** Runs one function to completion; `endCall` tells how it ended. Its cursors count from `firstQueryId`. */
  invoke(
    call: {
      readonly udfType: UdfType
      readonly exportName: string
      readonly argsText: string
      readonly seed: string
      readonly nowMs: number
    },
    firstQueryId = 0,
  ): void {
    this.#servedCalls += 1
    const { udfType, exportName, argsText, seed, nowMs } = call
    this.#members.call.applySync(undefined, [udfType, exportName, argsText, seed, nowMs, firstQueryId])
  }

  /** What push analysis wants to know of the entry module: `0` + JSON text, or `1` + JSON of an `ErrorDescription`. */
  inspect(what: Inspection): string {
    return this.#members.inspect.applySync(undefined, [what]) as string
  }

  get importLogs(): CallLogs {
    return this.#importLogs
  }

  /** How the call ended. Log lines of the import phase come with the first one. */
  endCall(): CallEnd {
    const { settled, logsText, closed } = decodeCallEnd(this.#members.endCall.applySync(undefined, []) as string)
    const logs = logsText === '' ? noLogs : (JSON.parse(logsText) as CallLogs)
    if (this.#servedCalls > 1 || this.#importLogs.logLines.length === 0) return { settled, closed, logs }
    return { settled, closed, logs: { ...logs, logLines: [...this.#importLogs.logLines, ...logs.logLines] } }
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
  lockDown.applySync(undefined, [host, compute])
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

function release(members: Members, graph: ModuleGraph | undefined, context: ivm.Context): void {
  for (const name of glueMembers) members[name].release()
  graph?.namespace.release()
  for (const module of graph?.modules ?? []) module.release()
  context.release()
}
