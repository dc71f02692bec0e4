/** What the runner computes for the isolate, within the call: the mathematics of `crypto.subtle`. */

/** `data` holds bytes, one per code unit. Answers `0` and bytes, or `1` and what went wrong. */
export type Compute = (operation: string, argsText: string, data: string) => string

let compute: Compute | undefined

export function setCompute(given: Compute): void {
  compute = given
}

export function askAtOnce(operation: string, argsText: string, data: string): string {
  return compute?.(operation, argsText, data) ?? '1'
}
