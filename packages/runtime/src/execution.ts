/**
 * What it means to run one user function: the request, the host behind its syscalls, the outcome. The deployment
 * implements `ExecutionHost`; the runner process never sees more than these messages.
 */

export type UdfType = 'query' | 'mutation'

/** How a module's context may be used again (design.md §6). `fresh`: never. `stateless`: proven. `optIn`: the app asked. */
export type ReuseTier = 'fresh' | 'stateless' | 'optIn'

/** One pushed module as stored: `source` is what is evaluated (after the push-time rewrite), `sourceMap` its map, if any. */
export type ModuleSource = {
  readonly path: string
  readonly source: string
  readonly sourceMap: string | undefined
  /** Result of the push-time check for this module alone; a graph is stateless if all its modules are. */
  readonly reuse: ReuseTier
}

/** All code of one component as of one push. Equal `version` means equal content. */
export type CodeBundle = {
  readonly version: string
  readonly modules: ReadonlyMap<string, ModuleSource>
  /** Seed (32 bytes, hex) and clock of the import phase: constant per push. */
  readonly importSeed: string
  readonly importTimeMs: number
}

/** Environment variables as of the execution's snapshot. Equal `version` means equal content. */
export type EnvBundle = { readonly version: string; readonly variables: Readonly<Record<string, string>> }

export type ExecuteRequest = {
  readonly udfType: UdfType
  readonly code: CodeBundle
  readonly env: EnvBundle
  /** Id of the component that the function belongs to; '' for the app. Equal reads of two components are not the same. */
  readonly componentId: string
  /** Canonical module path, with `.js`. */
  readonly modulePath: string
  readonly exportName: string
  /** JSON text of the argument array: `[{…}]`. */
  readonly argsText: string
  /** 32 bytes, hex; a fresh one per attempt. */
  readonly seed: string
  /** The frozen clock of this execution, ms since the epoch. */
  readonly nowMs: number
}

export type LogLevel = 'DEBUG' | 'ERROR' | 'WARN' | 'INFO' | 'LOG'

/** One console line (function-runtime.md §3.5). `udfPath` is set on lines of nested calls. */
export type LogLine = {
  readonly messages: readonly string[]
  readonly level: LogLevel
  readonly timestamp: number
  readonly isTruncated: boolean
  readonly udfPath?: string
  readonly componentPath?: string
  /** Of lines that the platform adds: what it warns of. */
  readonly systemMetadata?: { readonly code: string }
}

/** What a run looked at that is not in the database read set; decides how far a result may be reused (function-runtime.md §7.2). */
export type Observed = { readonly time: boolean; readonly env: readonly string[] }

export type ExecuteOutcome =
  /** `resultText` is the JSON text that `invokeQuery`/`invokeMutation` resolved to. */
  | {
      readonly kind: 'success'
      readonly resultText: string
      readonly logLines: readonly LogLine[]
      readonly observed: Observed
    }
  /** The function threw (or hit a developer's limit). `message`: `Uncaught Error: …` with mapped frames (§1.11). `data`: JSON text of a ConvexError's data. */
  | {
      readonly kind: 'userError'
      readonly message: string
      readonly data: string | undefined
      readonly logLines: readonly LogLine[]
      readonly observed: Observed
    }

/** An error that user code may catch; `data` is the parsed JSON of a ConvexError's data. Anything else a host call throws ends the execution uncatchably. */
export class CatchableError extends Error {
  override readonly name = 'CatchableError'
  readonly data: unknown
  constructor(message: string, data?: unknown) {
    super(message)
    this.data = data
  }
}

/** A nested call that the host has resolved and admitted; the runner executes it in another isolate with its own seed. */
export type NestedCall = {
  readonly udfType: UdfType
  /** Of the component that the callee belongs to, as in `ExecuteRequest`. */
  readonly code: CodeBundle
  readonly env: EnvBundle
  readonly componentId: string
  readonly modulePath: string
  readonly exportName: string
  readonly argsText: string
  readonly seed: string
  /** Names for log lines, e.g. `messages:list`; the path is '' for the app. */
  readonly udfPath: string
  readonly componentPath: string
}

export type NestedOutcome =
  | { readonly kind: 'success'; readonly resultText: string }
  | { readonly kind: 'userError'; readonly message: string; readonly data: string | undefined }

/** Answers the syscalls of one execution, strictly one at a time, in order. */
export interface ExecutionHost {
  /** Every JSON op of function-runtime.md §2 except cursors and `1.0/runUdf`. Resolves to the response's JSON text. */
  syscall(op: string, argsText: string): Promise<string>
  /** Next page of a cursor: rows after the last consumed one. `query` (JSON text of `1.0/queryStream`'s `query`) comes with the first page. `rows` are documents' wire JSON. */
  nextPage(
    queryId: number,
    query: string | undefined,
  ): Promise<{ readonly rows: readonly string[]; readonly done: boolean }>
  /** Rows of the last page that user code has taken so far (total of that page). Reported before any other call and at the end. */
  consumed(queryId: number, rows: number): void
  closeCursor(queryId: number): void
  /** `1.0/runUdf`: resolve, check, open the sub-transaction. */
  beginNested(argsText: string): Promise<NestedCall>
  /** Ends the innermost nested call: validate, merge or roll back. Resolves to the result's JSON text or throws what the caller sees. */
  endNested(outcome: NestedOutcome): Promise<string>
  /**
   * Forgets all that this execution has done (reads, writes, cursors, nested calls): it starts over. Without it a call that
   * must be run again after it used the host is rejected with `WriteConflict`, as if it had met a conflict.
   */
  restart?(): Promise<void>
}
