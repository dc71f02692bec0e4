import type { ErrorDescription } from '../isolate-interface.ts'
import type { AnalyzedHeader, AnalyzeHeader } from '../protocol.ts'
import type { IsolateSlot } from './isolate-slot.ts'
import { Realm } from './realm.ts'

/** Evaluates one module in a fresh context and asks it what a push wants to know. */
export function analyzeModule(slot: IsolateSlot, header: AnalyzeHeader): AnalyzedHeader {
  if (slot.isDisposed) slot.renew()
  let realm: ReturnType<IsolateSlot['take']>
  try {
    realm = slot.take(header, true, header.importKind)
    if (!(realm instanceof Realm)) {
      return { kind: 'failed', error: realm.error, logLines: realm.logs.logLines, envRead: realm.logs.observed.env }
    }
    return inspect(realm, header)
  } catch (error) {
    if (!slot.isDisposed) throw error
    return { kind: 'failed', error: outOfMemory(), logLines: [], envRead: [] }
  }
}

function inspect(realm: Realm, header: AnalyzeHeader): AnalyzedHeader {
  const envRead = realm.importLogs.observed.env
  const texts: string[] = []
  for (const inspection of header.inspections) {
    const answer = realm.inspect(inspection)
    if (answer.startsWith('1')) {
      const error = JSON.parse(answer.slice(1)) as ErrorDescription
      return { kind: 'failed', error, logLines: realm.importLogs.logLines, envRead }
    }
    texts.push(answer.slice(1))
  }
  realm.release()
  return { kind: 'inspected', texts, envRead }
}

function outOfMemory(): ErrorDescription {
  return { message: 'JavaScript execution ran out of memory', frames: [], frozenWrite: false }
}
