/** The deployment as sync sessions see it: calls that a session's key is not allowed to are refused before they run. */
import type { CallOutcome, SyncBackend } from '@concave/sync'
import { notPermitted } from './access.ts'
import type { CallPermissions } from './call-permissions.ts'

export function withPermissions(backend: SyncBackend, permissions: CallPermissions): SyncBackend {
  const findRefusal = async (call: Parameters<SyncBackend['runAction']>[0]): Promise<Refusal | undefined> => {
    const missing = await permissions.findMissing(call)
    // The command line shows this sentence where it finds it in an error.
    return missing && { kind: 'error', message: notPermitted(missing).message, dataText: undefined, logLines: [] }
  }
  return {
    latestTs: () => backend.latestTs(),
    authenticate: async (token) => await backend.authenticate(token),
    runQuery: async (call, journal, at) => {
      const outcome = await findRefusal(call)
      if (outcome === undefined) return await backend.runQuery(call, journal, at)
      // What a key may do does not change.
      return { outcome, journal: null, subscribe: () => ({ isValid: true, close: () => {} }) }
    },
    runMutation: async (call, session, onApplied) => {
      const outcome = await findRefusal(call)
      if (outcome === undefined) return await backend.runMutation(call, session, onApplied)
      return { ...outcome, ts: undefined }
    },
    runAction: async (call) => (await findRefusal(call)) ?? (await backend.runAction(call)),
  }
}

type Refusal = Extract<CallOutcome, { kind: 'error' }>
