/**
 * What changes between calls in one context: the phase, its clock, seed and environment, and what the running code has
 * looked at. There is exactly one execution at a time per context, so this is one object for the whole script.
 */
import { getOwnPropertyDescriptor, NativeError, objectCreate, ownKeys, realNow } from './primordials.ts'

export type UdfType = 'query' | 'mutation' | 'action'
/** `idle`: the V8 snapshot is being made, or the context waits for its next call. */
export type Phase = 'idle' | 'import' | UdfType

/** What is being imported: special files may read fewer environment variables (function-runtime.md §1.9, §1.10). */
export type ImportKind = 'module' | 'schema' | 'appDefinition' | 'componentDefinition' | 'authConfig'

export type EnvVariables = Readonly<Record<string, string>>

export type ExecutionState = {
  phase: Phase
  importKind: ImportKind
  /** Counts phases; per-call structures compare it to know that they are stale. */
  epoch: number
  /** 32 bytes, hex. */
  seed: string
  nowMs: number
  /** The import phase's clock; `performance.timeOrigin`. */
  importTimeMs: number
  /** Real time at which the phase began, for durations only. */
  startedAtMs: number
  env: EnvVariables
  timeObserved: boolean
  /** Names read since the phase began, as keys; undefined if none was. */
  envObserved: Record<string, true> | undefined
  /** Names read by the import phase: every call in this context depends on them. */
  importEnvObserved: Record<string, true> | undefined
  /** Code tried to write something frozen, as far as that could be noticed (see frozen-state.ts). */
  frozenWrite: boolean
  /** What the function ends with, although its code may have caught it. */
  fatal: { readonly error: unknown } | undefined
  /** A host call failed in a way that user code must not survive. */
  isAborted: boolean
}

export const state: ExecutionState = {
  phase: 'idle',
  importKind: 'module',
  epoch: 0,
  seed: '0000000000000000000000000000000000000000000000000000000000000000',
  nowMs: 0,
  importTimeMs: 0,
  startedAtMs: 0,
  env: objectCreate(null) as EnvVariables,
  timeObserved: false,
  envObserved: undefined,
  importEnvObserved: undefined,
  frozenWrite: false,
  fatal: undefined,
  isAborted: false,
}

export function enterPhase(phase: Phase, seed: string, nowMs: number, env: EnvVariables | undefined): void {
  state.phase = phase
  state.epoch += 1
  state.seed = seed
  state.nowMs = nowMs
  state.startedAtMs = realNow()
  state.timeObserved = false
  state.envObserved = undefined
  state.frozenWrite = false
  state.fatal = undefined
  state.isAborted = false
  if (phase === 'import') {
    state.importTimeMs = nowMs
    state.importEnvObserved = undefined
  }
  if (env !== undefined) state.env = env
}

/** The clock user code sees: fixed, but for actions. Looking at it is recorded. */
export function observeNow(): number {
  refuseInDefinitions('Date')
  state.timeObserved = true
  return state.phase === 'action' ? realNow() : state.nowMs
}

/** Definitions decide what exists: they must say the same at any time. */
export function refuseInDefinitions(what: string): void {
  if (state.phase !== 'import') return
  if (state.importKind !== 'appDefinition' && state.importKind !== 'componentDefinition') return
  throw new NativeError(`${what} unsupported when evaluating convex.config.ts`)
}

export function observeEnv(name: string): string | undefined {
  const isImport = state.phase === 'import'
  if (isImport && state.importKind === 'schema') {
    throw new NativeError('Environment variables unsupported when evaluating schema')
  }
  if (isImport && state.importKind === 'componentDefinition') {
    throw new NativeError("Environment variables are only supported in the app's convex.config.ts.")
  }
  state.envObserved ??= objectCreate(null) as Record<string, true>
  state.envObserved[name] = true
  if (isImport) state.importEnvObserved = state.envObserved
  const value: unknown = getOwnPropertyDescriptor(state.env, name)?.value
  if (typeof value === 'string') return value
  if (isImport && state.importKind === 'authConfig') {
    throw new NativeError(`Environment variable ${name} is used in auth config file but its value was not set`)
  }
  return undefined
}

/** Names of environment variables that the current call, or the import phase before it, has read. */
export function observedEnvNames(): string[] {
  if (state.importEnvObserved === undefined && state.envObserved === undefined) return []
  const names = objectCreate(null) as Record<string, true>
  addNames(names, state.importEnvObserved)
  addNames(names, state.envObserved)
  return ownKeys(names) as string[]
}

function addNames(names: Record<string, true>, source: object | undefined): void {
  if (source === undefined) return
  const keys = ownKeys(source)
  for (let i = 0; i < keys.length; i++) names[keys[i] as string] = true
}

/** The function fails with the first such error, even if its code catches it. A caller of the function can catch it. */
export function endFunction<T>(error: T): T {
  state.fatal ??= { error }
  return error
}

/** The error of a feature that only actions have, worded as users' tests and documentation know it. */
export function notAllowedError(what: string): Error {
  if (state.phase === 'import' || state.phase === 'idle') return new NativeError(`Can't use ${what} at import time`)
  return new NativeError(
    `Can't use ${what} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`,
  )
}
