/**
 * The script of isolates that run actions: the globals of `../entry.ts`, with the interfaces that need time or the
 * network replaced by those of this folder (see `actionModules` in `../bundle.ts`). Leaves the hidden global `__runner`.
 */
import '../entry.ts'
import { runInContext } from '../async-context.ts'
import { addLine, takeLogLines } from '../console.ts'
import type { Compute } from '../compute.ts'
import { describe, describePlatformError, type ErrorDescription } from '../errors.ts'
import type { Concave } from '../entry.ts'
import { type EnvVariables, state } from '../execution-state.ts'
import type { Namespace } from '../invoke.ts'
import { runHttpAction } from './http-action.ts'
import { abortRequest, mayHearOfClient } from './http-messages.ts'
import { type HostPort, pendingCount, pendingNames, setPort, settle, settleModule } from './operations.ts'
import { runDueTimer, untilNextTimer } from './timers.ts'

const concave = (globalThis as unknown as { readonly __concave: Concave }).__concave
/** Official bundles get the same in their default runtime (function-runtime.md §1.6). */
const requestId = 'dummy_request_id'

let entry: Namespace = {}
let entryPath = ''
let importLines: readonly unknown[] = []
let settled: { readonly isOk: boolean; readonly text: string } | undefined

type Action = { readonly isAction?: unknown; readonly invokeAction?: (requestId: string, args: string) => unknown }

async function runAction(exportName: string, argsText: string): Promise<string> {
  if (!(exportName in entry)) throw new PlatformFailure(`Couldn't find "${exportName}" in module "${entryPath}".`)
  const action = entry[exportName] as Action | undefined | null
  if (action?.isAction !== true || typeof action.invokeAction !== 'function') {
    const path = `${entryPath}:${exportName}`
    throw new PlatformFailure(`Function ${path} is not an action. Did you forget to wrap it with \`action\`?`)
  }
  return (await action.invokeAction(requestId, argsText)) as string
}

/** An error that the platform words itself. */
class PlatformFailure extends Error {}

function fail(error: unknown): void {
  const description: ErrorDescription =
    error instanceof PlatformFailure
      ? describePlatformError(error.message)
      : describe(state.fatal === undefined ? error : state.fatal.error)
  settled ??= { isOk: false, text: JSON.stringify(description) }
}

function watch(running: Promise<string>): void {
  const succeed = (text: string): void => {
    if (state.fatal === undefined) settled ??= { isOk: true, text }
  }
  running.then(succeed, fail)
}

const runner = {
  beginImport: (seed: string, nowMs: number, envJson: string) =>
    concave.beginImport({ seed, nowMs, env: JSON.parse(envJson) as EnvVariables }),
  endImport: (namespace?: Namespace, modulePath?: string) => {
    entry = namespace ?? {}
    entryPath = modulePath ?? ''
    importLines = takeLogLines()
    concave.endCall()
  },
  /** `kind`: `action`, with the argument array; or `http`, with the request's head and its routed path. */
  start: (kind: string, name: string, text: string, seed: string, nowMs: number) => {
    concave.beginCall({ udfType: 'action', seed, nowMs })
    const run = (): Promise<string> => (kind === 'http' ? runHttpAction(entry, text, name) : runAction(name, text))
    watch(runInContext(undefined, run, undefined, []) as Promise<string>)
  },
  deliver: settle,
  deliverModule: settleModule,
  wake: runDueTimer,
  abortRequest: () => runInContext(undefined, abortRequest, undefined, []),
  /**
   * What is to be told after a turn: `0` resolved, `1` rejected, `2` neither; what may make it go on, a comma, milliseconds
   * until the next timer or -1; a line break, log lines as JSON or nothing, a line break, the result or the error.
   */
  poll: () => {
    if (state.fatal !== undefined) fail(state.fatal.error)
    if (settled !== undefined) warnOfUnawaited()
    const lines = [...importLines, ...takeLogLines()]
    importLines = []
    const logs = lines.length === 0 ? '' : JSON.stringify(lines)
    const how = settled === undefined ? '2' : settled.isOk ? '0' : '1'
    const awaited = pendingCount() + Number(mayHearOfClient())
    return `${how}${awaited},${untilNextTimer()}\n${logs}\n${settled?.text ?? ''}`
  },
  lockDown: (port: HostPort, compute: Compute) => {
    setPort(port)
    concave.setCompute(compute)
    Reflect.deleteProperty(globalThis, '__concave')
    Reflect.deleteProperty(globalThis, '__runner')
  },
}

function warnOfUnawaited(): void {
  const names = pendingNames()
  if (names.length === 0) return
  addLine('WARN', [
    `${names.length} unawaited operation${names.length === 1 ? '' : 's'}: [${names.join(', ')}]. Async operations should be awaited ` +
      'or they might not run. See https://docs.convex.dev/functions/actions#dangling-promises for more information.',
  ])
}

Object.defineProperty(globalThis, '__runner', { value: runner, enumerable: false, configurable: true })
