import type { LogLine } from '@concave/runtime'
import type { Value } from '@concave/values'
import type { FunctionError } from './function-error.ts'

/** One attempt that came to an end, before its outcome is worded for the caller. */
export type Run =
  | { readonly kind: 'success'; readonly value: Value; readonly text: string; readonly logLines: readonly LogLine[] }
  | { readonly kind: 'error'; readonly error: FunctionError; readonly logLines: readonly LogLine[] }
