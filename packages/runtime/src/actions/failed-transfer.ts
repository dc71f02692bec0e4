/** Bytes could not be moved: user code sees a TypeError, as `fetch` has it. */
export class FailedTransfer extends Error {
  override readonly name = 'FailedTransfer'
}
