/** Runs actions: finds them, checks arguments and results, keeps their log. They run at most once. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '@concave/base'
import type { Database } from '@concave/database'
import { displayFunctionPath } from '@concave/protocol'
import type { ActionExecutor, LogLine } from '@concave/runtime'
import type { FileStore } from '../files/file-store.ts'
import { type Caller, type FunctionLog, identityTypeOf } from '../logs/function-log.ts'
import { type ActionCallees, DeploymentActionHost } from './action-host.ts'
import type { Call } from './call-origin.ts'
import { checkArguments, checkResult } from './call-values.ts'
import type { CodeRegistry } from './code-registry.ts'
import { FunctionError, systemFailureText } from './function-error.ts'
import { wrongKindMessage } from './function-host.ts'
import { isWithinReach, readOnlyMessage, unreachableMessage } from './reach.ts'
import type { Run } from './run.ts'

export type ActionServiceDependencies = {
  readonly deploymentName: string
  readonly database: Database
  readonly files: FileStore
  readonly actionExecutor: ActionExecutor
  readonly registry: CodeRegistry
  readonly functionLog: FunctionLog
  readonly clock: Clock
  readonly functions: ActionCallees
}

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
    const { requestId } = call
    const logLines: LogLine[] = []
    const onLog = (lines: readonly LogLine[]): void => {
      logLines.push(...lines)
      functionLog.recordProgress({ udfType: 'Action', identifier, logLines: lines, startedAtMs, requestId })
    }
    const record = (error: string | undefined, returnBytes?: number): void =>
      functionLog.record({
        udfType: 'Action',
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
    const { actionExecutor, clock, database, deploymentName, files, functions, registry } = this.#deps
    try {
      if (call.identity.kind === 'admin' && call.identity.isReadOnly) throw new FunctionError(readOnlyMessage)
      const tx = database.begin('query')
      const code = await registry.load(tx)
      const found = call.componentPath === '' ? code.find(call.path) : undefined
      if (found === undefined || !isWithinReach(call, found)) throw new FunctionError(unreachableMessage(call))
      if (found.udfType !== 'action') throw new FunctionError(wrongKindMessage(call.path, 'action', found.udfType))
      const outcome = await actionExecutor.run(
        {
          kind: 'action',
          code: code.bundle,
          env: await registry.environment(tx),
          modulePath: call.path.module,
          exportName: call.path.name,
          argsText: checkArguments(call.path, found.args, call.args, tx.tableNumbers('')),
          seed: randomBytes(32).toString('hex'),
        },
        new DeploymentActionHost({
          functionName: displayFunctionPath(call.path),
          identity: call.identity,
          requestId: call.requestId,
          deploymentName,
          files,
          functions,
          scheduling: { database, registry, clock, origin: call.origin },
          onLog,
        }),
      )
      if (outcome.kind === 'userError') throw new FunctionError(outcome.message, outcome.data)
      const value = checkResult(call.path, found.returns, outcome.resultText, tx.tableNumbers(''))
      return { kind: 'success', value, text: outcome.resultText, logLines: [] }
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error
      return { kind: 'error', error, logLines: [] }
    }
  }
}
