/** Runs actions: finds them, checks arguments and results, keeps their log. They run at most once. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '@concave/base'
import type { Database } from '@concave/database'
import { displayFunctionPath } from '@concave/protocol'
import type {
  ActionExecutor,
  ActionHost,
  ActionOutcome,
  EnvBundle,
  LogLine,
  NodeActionExecutor,
} from '@concave/runtime'
import type { FileStore } from '../files/file-store.ts'
import { deploymentLimits } from '../limits.ts'
import { type Caller, type FunctionLog, identityTypeOf } from '../logs/function-log.ts'
import { type ActionCallees, DeploymentActionHost } from './action-host.ts'
import type { Call } from './call-origin.ts'
import { checkOuterArguments, checkResult } from './call-values.ts'
import type { CodeRegistry } from './code-registry.ts'
import { FunctionError, systemFailureText } from './function-error.ts'
import type { LoadedCode } from './loaded-code.ts'
import { wrongKindMessage } from './function-host.ts'
import { isWithinReach, readOnlyMessage, unreachableMessage } from './reach.ts'
import type { Run } from './run.ts'

export type ActionServiceDependencies = {
  readonly deploymentName: string
  readonly database: Database
  readonly files: FileStore
  readonly actionExecutor: ActionExecutor
  readonly nodeExecutor: NodeActionExecutor
  readonly registry: CodeRegistry
  readonly functionLog: FunctionLog
  readonly clock: Clock
  readonly functions: ActionCallees
}

/** A call whose function was found and whose arguments were checked. */
type ResolvedCall = {
  readonly call: Call
  readonly code: LoadedCode
  readonly env: EnvBundle
  readonly argsText: string
}

const nodeArgumentsMessage =
  'Node actions arguments size is too large. The maximum size is 5 MiB. Reduce the size of the arguments or consider ' +
  'using Convex runtime actions instead, which have a 16 MiB limit. See https://docs.convex.dev/functions/runtimes'

export class ActionService {
  readonly #deps: ActionServiceDependencies

  constructor(deps: ActionServiceDependencies) {
    this.#deps = deps
  }

  /** Rejects for failures of the system only. */
  async run(call: Call, caller: Caller): Promise<Run> {
    const { clock, functionLog } = this.#deps
    const startedAtMs = clock.nowMs()
    const identifier = displayFunctionPath(call.path)
    const { requestId, componentPath } = call
    const logLines: LogLine[] = []
    const onLog = (lines: readonly LogLine[]): void => {
      logLines.push(...lines)
      functionLog.recordProgress({
        udfType: 'Action',
        componentPath,
        identifier,
        logLines: lines,
        startedAtMs,
        requestId,
      })
    }
    const record = (error: string | undefined, returnBytes?: number): void =>
      functionLog.record({
        udfType: 'Action',
        componentPath,
        identifier,
        logLines: [],
        startedAtMs,
        durationMs: clock.nowMs() - startedAtMs,
        cachedResult: false,
        error,
        caller,
        requestId,
        identityType: identityTypeOf(call.identity),
        usage: { readDocuments: 0, readBytes: 0, writeDocuments: 0, writeBytes: 0 },
        returnBytes,
        willRetry: false,
      })
    try {
      const run: Run = { ...(await this.#runOnce(call, onLog)), logLines }
      if (run.kind === 'error') record(run.error.message)
      else record(undefined, Buffer.byteLength(run.text))
      return run
    } catch (error) {
      record(systemFailureText(error))
      throw error
    }
  }

  async #runOnce(call: Call, onLog: (lines: readonly LogLine[]) => void): Promise<Run> {
    const { clock, database, deploymentName, files, functions, registry } = this.#deps
    try {
      if (call.identity.kind === 'admin' && call.identity.isReadOnly) throw new FunctionError(readOnlyMessage)
      const tx = database.begin('query')
      const component = (await registry.load(tx)).find(call.componentPath)
      const found = component?.code.find(call.path)
      if (component === undefined || found === undefined || !isWithinReach(call, found)) {
        throw new FunctionError(unreachableMessage(call))
      }
      if (found.udfType !== 'action') throw new FunctionError(wrongKindMessage(call.path, 'action', found.udfType))
      const env = component.environment(await registry.environment(tx))
      const argsText = checkOuterArguments(call.path, found.args, call.args, tx.tableNumbers(component.id))
      const outcome = await this.#execute(
        { call, code: component.code, env, argsText },
        new DeploymentActionHost({
          functionName: displayFunctionPath(call.path),
          component,
          identity: call.identity,
          requestId: call.requestId,
          ...(call.client === undefined ? {} : { client: call.client }),
          deploymentName,
          files,
          functions,
          scheduling: { database, registry, clock, origin: call.origin },
          onLog,
        }),
      )
      if (outcome.kind === 'userError') throw new FunctionError(outcome.message, outcome.data)
      const value = checkResult(call.path, found.returns, outcome.resultText, tx.tableNumbers(component.id))
      return { kind: 'success', value, text: outcome.resultText, logLines: [] }
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error
      return { kind: 'error', error, logLines: [] }
    }
  }

  async #execute({ call, code, env, argsText }: ResolvedCall, host: ActionHost): Promise<ActionOutcome> {
    const request = {
      kind: 'action',
      env,
      modulePath: call.path.module,
      exportName: call.path.name,
      argsText,
      seed: randomBytes(32).toString('hex'),
    } as const
    if (!code.runsInNode(call.path)) return await this.#deps.actionExecutor.run({ ...request, code: code.bundle }, host)
    if (Buffer.byteLength(argsText) > deploymentLimits.maxNodeArgumentsBytes)
      throw new FunctionError(nodeArgumentsMessage)
    const { bundle, requirements } = code.node
    const functionName = displayFunctionPath(call.path)
    return await this.#deps.nodeExecutor.run({ ...request, code: bundle, requirements, functionName }, host)
  }
}
