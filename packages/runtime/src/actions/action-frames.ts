/**
 * Texts of the frames between the supervisor and a runner of actions; the first is always the action's number.
 *
 * - `startAction`: number, JSON of `ActionStart`, the argument array or the request's head
 * - `deliver`: number, operation, `1` or `0`, answer or JSON of the error, bytes as text
 * - `wake`, `abortRequest`, `endAction`: number
 * - `actionOperation`: number, operation's number, name, arguments, bytes as text
 * - `actionTurn`: number, milliseconds until the next timer or -1, log lines as JSON or nothing
 * - `actionEnded`: number, JSON of `ActionEnd`, log lines as JSON or nothing, result
 */
import type { ErrorDescription } from '../isolate-interface.ts'

export type ActionStart = {
  readonly codeVersion: string
  readonly envVersion: string
  readonly modulePath: string
  readonly kind: 'action' | 'http'
  /** The export; of an HTTP action the path within its router. */
  readonly name: string
  readonly seed: string
  readonly nowMs: number
  readonly timeMs: number
  /** How long one turn may take while other actions are in the process. */
  readonly sharedTurnMs: number
}

export type ActionEnd =
  | { readonly kind: 'success' }
  | { readonly kind: 'userError'; readonly error: ErrorDescription }
  | { readonly kind: 'outOfMemory' }
  /** It computed for longer than it may without giving way. */
  | { readonly kind: 'timedOut'; readonly limitMs: number }
  /** The supervisor said so. */
  | { readonly kind: 'ended' }
