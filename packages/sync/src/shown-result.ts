/**
 * A query's result as clients get it. The same result goes to everybody who watches the query, so its text and digest
 * are made once and live as long as the result.
 */
import { createHash } from 'node:crypto'
import type { CallOutcome, LiveQuery } from './backend.ts'
import { queryModification, type QueryModification } from './frames.ts'

export type ShownResult = QueryModification & {
  /** Equal for results that a client cannot tell apart. */
  readonly digest: string
}

const known = new WeakMap<CallOutcome, { readonly journal: string | null; readonly shown: ShownResult }>()

export function showResult({ outcome, journal }: Pick<LiveQuery, 'outcome' | 'journal'>): ShownResult {
  const entry = known.get(outcome)
  if (entry !== undefined && entry.journal === journal) return entry.shown
  const shown = { ...queryModification(outcome, journal), digest: digestOf(outcome) }
  known.set(outcome, { journal, shown })
  return shown
}

function digestOf(outcome: CallOutcome): string {
  const hash = createHash('sha256')
  if (outcome.kind === 'success') hash.update('success\0').update(outcome.valueText)
  else
    hash
      .update('error\0')
      .update(withoutRequestId(outcome.message))
      .update(`\0${outcome.dataText ?? ''}`)
  for (const line of outcome.logLines) hash.update('\0').update(line)
  return hash.digest('base64')
}

/** Runs of a query that fails in the same way differ by their request ids only. */
function withoutRequestId(message: string): string {
  return message.replace(/^\[Request ID: [^\]]*\] /, '')
}
