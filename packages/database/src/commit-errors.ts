/** The refusals of the committer that someone catches. */
import { Overloaded, PlatformError, WriteConflict } from '@concave/base'
import type { IndexId, Ts } from '@concave/storage'
import { commitQueueLimits } from './limits.ts'

/** Where a transaction's read set met a commit. */
export type Conflict = {
  readonly index: IndexId
  readonly key: Uint8Array
  /** What made that commit. */
  readonly source: string
  readonly ts: Ts
}

/** A commit after the transaction's begin touched a key that it read. Run it again on a newer snapshot. */
export class CommitConflict extends WriteConflict {
  readonly index: IndexId
  readonly key: Uint8Array
  readonly source: string
  readonly ts: Ts

  constructor(conflict: Conflict) {
    super(
      'Data read or written in this mutation changed while it was being run. Consider reducing the amount of data read by using indexed queries with selective index range expressions (https://docs.convex.dev/database/indexes/).',
    )
    this.index = conflict.index
    this.key = conflict.key
    this.source = conflict.source
    this.ts = conflict.ts
  }
}

/** The snapshot is older than what is remembered. Run it again on a newer snapshot. */
export class OutOfRetention extends PlatformError {
  override readonly name = 'OutOfRetention'

  constructor(what: string) {
    super(503, 'OutOfRetention', `${what} is older than the history kept. Try again.`)
  }
}

/**
 * An append failed or its outcome is unknown, so what was applied but not durable is discarded. Whether it was written
 * is known once the deployment has been opened again from storage.
 */
export class CommitterFailed extends Overloaded {
  constructor(cause: unknown) {
    super(
      'CommitterFailed',
      'The deployment is recovering from a storage failure. Try again.',
      commitQueueLimits.retryAfterMs,
      {
        cause,
      },
    )
  }
}

/** The deployment is being closed: nothing new is accepted. */
export class CommitterClosed extends Overloaded {
  constructor() {
    super('CommitterClosed', 'The deployment is closing. Try again.', commitQueueLimits.retryAfterMs)
  }
}
