/**
 * Texts of the frames between the supervisor and a process of Node actions. Those of actions are as in
 * `actions/action-frames.ts`; besides:
 *
 * - `boot`: JSON of `NodeBoot`
 * - `analyze`: number, module path; answered by `analyzed`: number, `0` and JSON of what `analyze` found, or `1` and
 *   JSON of an `ErrorDescription`, and log lines as JSON
 * - `actionAccepted`: number; a `startAction` has arrived and waits for `wake`: until then it may as well run elsewhere
 * - `ready`: JSON of `NodeReady`
 * - `connect`: number, address, port; answered by `connected`: number, 0 or a negative error number; with 0 comes a descriptor
 * - `resolve`: number, a method of `node:dns`, JSON of its arguments; answered by `resolved`: number, `1` and JSON of the
 *   answer, or `0` and JSON of an error
 * - `ping`, answered by `pong`: nothing; or `broken`, unasked, when something went wrong that is no action's
 */
import type { ErrorDescription } from '../isolate-interface.ts'

export type NodeNetwork = 'own' | 'handed' | 'guarded'

export type NodeBoot = {
  /** Holds the modules; ends in a slash. */
  readonly codeFolder: string
  /** The process may write here. */
  readonly temporaryFolder: string
  readonly variables: Readonly<Record<string, string>>
  /** Further folders that may be read: of external packages. */
  readonly readableFolders: readonly string[]
  /**
   * `own`: it connects by itself, to wherever it likes. `handed`: the supervisor connects for it, so that the rule for
   * addresses holds whatever code runs here. `guarded`: sockets of Node keep to the rule, where there is nothing better.
   */
  readonly network: NodeNetwork
  /** The user that it becomes, where the server is root. */
  readonly userId: number | undefined
  /** Private memory that it may reserve above what it has. */
  readonly dataBytes: number
}

/** Text of `ready`: walls that are not there, and why. */
export type NodeReady = { readonly open: readonly string[]; readonly reason: string }

/** Second text of `startAction`. */
export type NodeActionStart = { readonly modulePath: string; readonly name: string }

/** `isBroken`: code ran into something that leaves the process in doubt; it takes no further actions. */
export type NodeActionEnd = { readonly isBroken: boolean } & (
  | { readonly kind: 'success' }
  | { readonly kind: 'userError'; readonly error: ErrorDescription }
)
