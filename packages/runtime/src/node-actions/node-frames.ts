/**
 * Texts of the frames between the supervisor and a process of Node actions. Those of actions are as in
 * `actions/action-frames.ts`; besides:
 *
 * - `boot`: JSON of `NodeBoot`
 * - `analyze`: number, module path; answered by `analyzed`: number, `0` and JSON of what `analyze` found, or `1` and
 *   JSON of an `ErrorDescription`, and log lines as JSON
 * - `ping`, answered by `pong`: nothing
 */
import type { ErrorDescription } from '../isolate-interface.ts'

export type NodeBoot = {
  /** Holds the modules; ends in a slash. */
  readonly codeFolder: string
  /** The process may write here. */
  readonly temporaryFolder: string
  readonly variables: Readonly<Record<string, string>>
}

/** Second text of `startAction`. */
export type NodeActionStart = { readonly modulePath: string; readonly name: string }

/** `isBroken`: code ran into something that leaves the process in doubt; it takes no further actions. */
export type NodeActionEnd = { readonly isBroken: boolean } & (
  | { readonly kind: 'success' }
  | { readonly kind: 'userError'; readonly error: ErrorDescription }
)
