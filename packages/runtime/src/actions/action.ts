/**
 * What it means to run one action: the request, the host behind its syscalls, the outcome. The deployment implements
 * `ActionHost` and, for HTTP actions, `HttpExchange`.
 */
import type { CodeBundle, EnvBundle, LogLine } from '../execution.ts'

export type ActionRequest = {
  readonly code: CodeBundle
  readonly env: EnvBundle
  /** Canonical module path, with `.js`. */
  readonly modulePath: string
  /** 32 bytes, hex; of real randomness. */
  readonly seed: string
} & (
  | {
      readonly kind: 'action'
      readonly exportName: string
      /** JSON text of the argument array: `[{…}]`. */
      readonly argsText: string
    }
  | {
      readonly kind: 'http'
      /** The path that the module's router knows. */
      readonly path: string
      readonly request: HttpActionRequest
      readonly exchange: HttpExchange
    }
)

/** Strings of headers hold one byte per code unit. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[]

export type HttpActionRequest = { readonly method: string; readonly url: string; readonly headerPairs: HeaderPairs }
export type HttpActionHead = {
  readonly status: number
  readonly headerPairs: HeaderPairs
  /** Of a body that was in memory. */
  readonly contentLength?: number
}

/** Bytes that are asked for piece by piece. */
export interface ByteSource {
  /** The next piece, undefined at the end. Rejects if the sender failed. Not called again before it has answered. */
  read(): Promise<Uint8Array | undefined>
  /** Nobody wants the rest. */
  cancel(): void
}

/** Bytes that are given piece by piece. */
export interface ByteSink {
  /** Resolves when the next piece is welcome. */
  write(bytes: Uint8Array): Promise<void>
  end(): Promise<void>
  /** The rest will not come. */
  abort(message: string): void
}

/** The two directions of one HTTP action's connection. */
export interface HttpExchange {
  /** Undefined for a request without a body. */
  readonly requestBody: ByteSource | undefined
  /** Aborts when the client goes away. The action goes on. */
  readonly signal: AbortSignal
  respond(head: HttpActionHead): void
  readonly responseBody: ByteSink
}

/** JSON text, with bytes for the operations that have some. */
export type ActionAnswer = { readonly text: string; readonly body?: Uint8Array }

/** Answers the syscalls of one action, several at a time. */
export interface ActionHost {
  /**
   * Every op of function-runtime.md §2 that actions have; `body` comes with `storage/storeBlob`. What it throws as
   * `CatchableError` user code may catch; anything else ends the action.
   */
  syscall(op: string, argsText: string, body: Uint8Array): Promise<ActionAnswer>
  /** Console lines, as they are written. */
  log(lines: readonly LogLine[]): void
}

export type ActionOutcome =
  /** `resultText` is the JSON text that `invokeAction` resolved to; empty for an HTTP action. */
  | { readonly kind: 'success'; readonly resultText: string }
  /** As in `ExecuteOutcome`. */
  | { readonly kind: 'userError'; readonly message: string; readonly data: string | undefined }
