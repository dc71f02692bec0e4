/** What a sync session needs of its deployment. The deployment implements it; tests use a fake. */
import type { FunctionPath, Identity, RequestClient } from '@concave/protocol'

export type FunctionCall = {
  readonly path: FunctionPath
  /** Component path; '' is the root app. */
  readonly componentPath: string
  /** The single argument object, as parsed JSON in wire form. */
  readonly args: unknown
  readonly identity: Identity
  /** 16 hex digits, for texts and logs. */
  readonly requestId: string
  /** Made by an action: internal functions are within reach, and errors are told in full. Never set by a client's call. */
  readonly isInternal?: true
  /** Who sent the request that it belongs to; absent if none has. */
  readonly client?: RequestClient
}

/** `[LEVEL] text` lines, already redacted for this caller. */
export type CallOutcome =
  | { readonly kind: 'success'; readonly valueText: string; readonly logLines: readonly string[] }
  /** `dataText`: JSON text of a ConvexError's data; undefined for ordinary errors. */
  | {
      readonly kind: 'error'
      readonly message: string
      readonly dataText: string | undefined
      readonly logLines: readonly string[]
    }

/** A query's result with its claim on the future: it stays right until the subscription is invalidated. */
export type LiveQuery = {
  readonly outcome: CallOutcome
  readonly journal: string | null
  /** `onInvalidated` is called once, when a published commit touches what the query read (at once if one already has). */
  subscribe(onInvalidated: () => void): LiveSubscription
}

export type LiveSubscription = {
  /** True while no commit up to `SyncBackend.latestTs()` has touched what the query read. */
  readonly isValid: boolean
  close(): void
}

export type MutationOutcome = CallOutcome & {
  /** Commit timestamp of a success, or a later one that is published; undefined after an error. */
  readonly ts: bigint | undefined
}

export type AuthToken =
  | { readonly kind: 'none' }
  | { readonly kind: 'user'; readonly token: string }
  | { readonly kind: 'admin'; readonly key: string; readonly actingAs: Readonly<Record<string, unknown>> | undefined }

export type SessionRequest = { readonly sessionId: string; readonly requestNumber: number }

export interface SyncBackend {
  /** Newest published commit: what queries read. Never goes down. */
  latestTs(): bigint
  /** Throws a PlatformError of status 400, 401 or 403 for a refused token. */
  authenticate(token: AuthToken): Promise<Identity>
  /** Runs (or takes from the cache) at exactly `at` ≤ latestTs(). Rejects only for system failures. */
  runQuery(call: FunctionCall, journal: string | null, at: bigint): Promise<LiveQuery>
  /**
   * Runs once per (sessionId, requestNumber); a repeat answers the recorded outcome. Rejects only for system failures.
   * `onApplied` is called with the commit's timestamp before anybody can see the commit, but not for a repeat. When the
   * promise resolves, the commit is published: `latestTs()` has reached it.
   */
  runMutation(
    call: FunctionCall,
    session: SessionRequest | undefined,
    onApplied: (ts: bigint) => void,
  ): Promise<MutationOutcome>
  runAction(call: FunctionCall): Promise<CallOutcome>
}
