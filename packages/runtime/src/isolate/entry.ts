/**
 * The script of every isolate: builds the globals of function-runtime.md §3.1 and leaves one hidden global,
 * `__concave`, whose functions the runner takes over before it deletes it and lets user code in. Bundled by esbuild and
 * run once, while the V8 snapshot is made; every context starts as a copy of what it leaves.
 */
import * as analysis from './analysis.ts'
import { resetContext } from './async-context.ts'
import { resetConsole, takeLogLines } from './console.ts'
import { describe, describeError, resetErrors } from './errors.ts'
import {
  enterPhase,
  type EnvVariables,
  type ImportKind,
  observedEnvNames,
  state,
  type UdfType,
} from './execution-state.ts'
import { recordBuiltIns, recordLateBuiltIns } from './built-ins.ts'
import { startWatchingKinds } from './exotic-kinds.ts'
import { freeze, resetFrozenGraph } from './freeze.ts'
import { isGraphFrozen } from './frozen-state.ts'
import { installGlobals } from './globals.ts'
import { invoke } from './invoke.ts'
import { jsonStringify } from './primordials.ts'
import { checkRegExp } from './regexp-prototype.ts'
import { setCompute } from './compute.ts'
import { setHost } from './syscalls.ts'
import { makeWebAssemblySynchronous } from './web/determinism.ts'

type ImportOptions = {
  readonly seed: string
  readonly nowMs: number
  readonly env: EnvVariables
  /** `module` unless said otherwise. */
  readonly kind?: ImportKind
}
type CallOptions = {
  readonly udfType: UdfType
  readonly seed: string
  readonly nowMs: number
  readonly env?: EnvVariables
}

function startPhase(phase: 'import' | UdfType, options: ImportOptions | CallOptions): void {
  enterPhase(phase, options.seed, options.nowMs, options.env)
  resetConsole()
  resetErrors()
  resetContext()
  if (isGraphFrozen()) resetFrozenGraph()
}

/** Module evaluation begins: constant clock and randomness, no syscalls. */
function beginImport(options: ImportOptions): void {
  startPhase('import', options)
  state.importKind = options.kind ?? 'module'
  makeWebAssemblySynchronous()
  recordLateBuiltIns()
  startWatchingKinds()
}

/** A function runs from here to `endCall`. Without `env` the import phase's variables stay. */
function beginCall(options: CallOptions): void {
  startPhase(options.udfType, options)
}

/** JSON text of `{logLines, observed, frozenWrite}` of the phase that ends here. */
function endCall(): string {
  if (isGraphFrozen()) checkRegExp()
  const lines = takeLogLines()
  const names = observedEnvNames()
  // Most calls have neither: their text needs no serializer.
  const logLines = lines.length === 0 ? '[]' : jsonStringify(lines)
  const env = names.length === 0 ? '[]' : jsonStringify(names)
  const { timeObserved, frozenWrite } = state
  state.phase = 'idle'
  return `{"logLines":${logLines},"observed":{"time":${timeObserved},"env":${env}},"frozenWrite":${frozenWrite}}`
}

installGlobals()
recordBuiltIns()

const concave = {
  beginImport,
  beginCall,
  endCall,
  setHost,
  setCompute,
  invoke,
  describe,
  describeError,
  freeze,
  analyze: analysis.analyze,
  routes: analysis.routes,
  schema: analysis.schema,
  definition: analysis.definition,
  authConfig: analysis.authConfig,
  crons: analysis.crons,
}
export type Concave = typeof concave

Object.defineProperty(globalThis, '__concave', { value: concave, enumerable: false, configurable: true })
