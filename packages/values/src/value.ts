/**
 * The values that documents, arguments and results are made of (database.md §1). Inside the server a value is this
 * JavaScript form; on the wire and on disk it is the JSON text of `wire-json.ts`.
 */

/** Placeholder that a commit replaces by its own timestamp as int64 (database.md §3.4). There is one instance, `commitTs`. */
export class CommitTsPlaceholder {
  readonly kind = 'commitTs'
}
export const commitTs: CommitTsPlaceholder = new CommitTsPlaceholder()

/** int64 is bigint, float64 is number, bytes are Uint8Array. Objects inherit no fields (`createValueObject`): any field name is legal. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CommitTsPlaceholder
  | readonly Value[]
  | ValueObject

export type ValueObject = { readonly [field: string]: Value }
