/** A mutation that the scheduler runs: what it takes into the transaction, and what it learns of the outcome. */
import type { Transaction } from '@concave/database'
import type { Call, CallOrigin } from './call-origin.ts'

export type ScheduledCall = Call & { readonly origin: CallOrigin }

/** What the scheduler does in the transaction of a mutation, so that its own record changes in the same commit. */
export type RunRecord = {
  /** Before the function runs. False: it is not to run any more. */
  readonly begin: (tx: Transaction) => Promise<boolean>
  /** After it has succeeded. */
  readonly finish: (tx: Transaction, run: FinishedRun) => Promise<void>
}

export type FinishedRun = {
  /** Wire JSON text. */
  readonly resultText: string
  readonly logLines: readonly string[]
  readonly durationMs: number
}

/** `message` is never redacted. An error has written nothing, the record included. */
export type ScheduledOutcome =
  | { readonly kind: 'skipped' }
  | { readonly kind: 'success' }
  | {
      readonly kind: 'error'
      readonly message: string
      readonly logLines: readonly string[]
      readonly durationMs: number
    }
