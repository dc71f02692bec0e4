/** Server messages as text. Results arrive as JSON text and go out unparsed. */
import { assert } from '@concave/base'
import { encodeTs } from '@concave/protocol'
import type { CallOutcome, MutationOutcome } from './backend.ts'

export type Version = { readonly querySet: number; readonly identity: number; readonly ts: bigint }

/** One entry of a transition; `queryModificationFor` gives it the id that a client knows the query by. */
export type QueryModification = { readonly type: 'QueryUpdated' | 'QueryFailed'; readonly rest: string }

/** What a query shows its clients. */
export function queryModification(outcome: CallOutcome, journal: string | null): QueryModification {
  const tail = `"logLines":${JSON.stringify(outcome.logLines)},"journal":${JSON.stringify(journal)}}`
  if (outcome.kind === 'success') return { type: 'QueryUpdated', rest: `"value":${outcome.valueText},${tail}` }
  const rest = `"errorMessage":${JSON.stringify(outcome.message)},${errorData(outcome)}${tail}`
  return { type: 'QueryFailed', rest }
}

export function queryModificationFor(queryId: number, { type, rest }: QueryModification): string {
  return `{"type":"${type}","queryId":${queryId},${rest}`
}

export function queryRemoved(queryId: number): string {
  return `{"type":"QueryRemoved","queryId":${queryId}}`
}

export function transition(options: {
  readonly start: Version
  readonly end: Version
  readonly modifications: readonly string[]
  readonly clientClockSkewMs: number | undefined
  readonly serverNs: bigint
}): string {
  // Absent rather than null when unknown: the client calculates with null.
  const skew = options.clientClockSkewMs === undefined ? '' : `,"clientClockSkew":${options.clientClockSkewMs}`
  return (
    `{"type":"Transition","startVersion":${version(options.start)},"endVersion":${version(options.end)},` +
    `"modifications":[${options.modifications.join(',')}]${skew},"serverTs":${options.serverNs}}`
  )
}

export function mutationResponse(requestId: number, outcome: MutationOutcome): string {
  const head = `{"type":"MutationResponse","requestId":${requestId}`
  const logLines = `"logLines":${JSON.stringify(outcome.logLines)}}`
  if (outcome.kind === 'success') {
    assert(outcome.ts !== undefined, 'A successful mutation has a timestamp.')
    return `${head},"success":true,"result":${outcome.valueText},"ts":"${encodeTs(outcome.ts)}",${logLines}`
  }
  return `${head},"success":false,"result":${JSON.stringify(outcome.message)},"ts":null,${errorData(outcome)}${logLines}`
}

export function actionResponse(requestId: number, outcome: CallOutcome): string {
  const head = `{"type":"ActionResponse","requestId":${requestId}`
  const logLines = `"logLines":${JSON.stringify(outcome.logLines)}}`
  if (outcome.kind === 'success') return `${head},"success":true,"result":${outcome.valueText},${logLines}`
  return `${head},"success":false,"result":${JSON.stringify(outcome.message)},${errorData(outcome)}${logLines}`
}

export function authError(message: string, baseVersion: number, authUpdateAttempted: boolean): string {
  return JSON.stringify({ type: 'AuthError', error: message, baseVersion, authUpdateAttempted })
}

export function fatalError(message: string): string {
  return JSON.stringify({ type: 'FatalError', error: message })
}

export const ping = '{"type":"Ping"}'

/** Parts of at most `maxLength` ≥ 2 code units of a transition that is too long for one message; the client joins them. */
export function* chunks(text: string, maxLength: number): Iterable<string> {
  const parts: string[] = []
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + maxLength, text.length)
    // Never between the halves of a surrogate pair.
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1
    parts.push(text.slice(start, end))
    start = end
  }
  const transitionId = String(text.length)
  for (const [partNumber, chunk] of parts.entries()) {
    yield JSON.stringify({ type: 'TransitionChunk', chunk, partNumber, totalParts: parts.length, transitionId })
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

/** Present for ConvexErrors only, `null` included: its presence is what makes the client build one. */
function errorData(outcome: Extract<CallOutcome, { kind: 'error' }>): string {
  return outcome.dataText === undefined ? '' : `"errorData":${outcome.dataText},`
}

function version(value: Version): string {
  return `{"querySet":${value.querySet},"identity":${value.identity},"ts":"${encodeTs(value.ts)}"}`
}
