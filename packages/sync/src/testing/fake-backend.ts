/**
 * A deployment of one table, held in memory: keys with numbers, every version kept. Functions are named by their export:
 * queries `get {key}`, `all {}`, `page {paginationOpts}`, `refuse {data?}`, `whoami {}`; mutations `add {key, by}` and
 * `refuse {data?}`; actions `echo {value}` and `refuse {data?}`.
 */
import { Overloaded, Unauthenticated } from '@concave/base'
import { anonymous, type Identity } from '@concave/protocol'
import type {
  AuthToken,
  CallOutcome,
  FunctionCall,
  LiveQuery,
  MutationOutcome,
  SessionRequest,
  SyncBackend,
} from '../backend.ts'

type Arguments = {
  readonly key?: string
  readonly by?: number
  readonly value?: unknown
  readonly data?: unknown
  readonly paginationOpts?: { readonly numItems: number; readonly cursor: string | null }
}

type Watcher = { readonly reads: ReadonlySet<string> | 'all'; isValid: boolean; readonly onInvalidated: () => void }

export class FakeBackend implements SyncBackend {
  readonly versions: { readonly ts: bigint; readonly key: string; readonly value: number }[] = []
  readonly calls: {
    readonly kind: 'query' | 'mutation' | 'action'
    readonly call: FunctionCall
    readonly journal?: string | null
  }[] = []
  /** Requests that committed, in order. */
  readonly committed: SessionRequest[] = []
  readonly watchers = new Set<Watcher>()
  readonly revokedKeys = new Set<string>()
  tokenExpiresAtMs: number | undefined
  /** Awaited before a query runs, before a mutation runs, and between its publication and its answer. */
  beforeQuery: (call: FunctionCall) => Promise<void> | void = () => {}
  beforeMutation: (call: FunctionCall) => Promise<void> | void = () => {}
  beforeAnswer: (call: FunctionCall) => Promise<void> | void = () => {}
  /** Text of `get` results instead of the number. */
  render: (value: number | null) => string = (value) => JSON.stringify(value)
  overloadedQueries = 0
  readonly #requests = new Map<string, MutationOutcome>()
  #ts = 1000n

  latestTs(): bigint {
    return this.#ts
  }

  /** Commits and publishes from outside of any session. */
  commit(changes: Readonly<Record<string, number>>, onApplied: (ts: bigint) => void = () => {}): bigint {
    const ts = this.#ts + 1n
    onApplied(ts)
    for (const [key, value] of Object.entries(changes)) this.versions.push({ ts, key, value })
    const hit = [...this.watchers].filter(
      ({ reads, isValid }) => isValid && (reads === 'all' || Object.keys(changes).some((key) => reads.has(key))),
    )
    for (const watcher of hit) watcher.isValid = false
    this.#ts = ts
    for (const watcher of hit) watcher.onInvalidated()
    return ts
  }

  valueAt(key: string, at: bigint): number | null {
    return this.versions.findLast((version) => version.key === key && version.ts <= at)?.value ?? null
  }

  async authenticate(token: AuthToken): Promise<Identity> {
    if (token.kind === 'none') return anonymous
    if (token.kind === 'admin') {
      if (this.revokedKeys.has(token.key) || !token.key.startsWith('good')) {
        throw new Unauthenticated('BadDeployKey', 'The provided deploy key was invalid for deployment "fake".')
      }
      return { kind: 'admin', keyId: token.key, isReadOnly: false, allowedActions: 'all', actingAs: undefined }
    }
    // The signature part of a token says whether it is good; its payload is read by the client only.
    if (!token.token.includes('good')) throw new Unauthenticated('InvalidAuthHeader', 'Could not verify the token.')
    const subject = token.token.slice(token.token.indexOf('good'))
    return {
      kind: 'user',
      attributes: { tokenIdentifier: `fake|${subject}`, subject },
      expiresAtMs: this.tokenExpiresAtMs,
    }
  }

  async runQuery(call: FunctionCall, journal: string | null, at: bigint): Promise<LiveQuery> {
    this.calls.push({ kind: 'query', call, journal })
    await this.beforeQuery(call)
    if (this.overloadedQueries > 0) {
      this.overloadedQueries -= 1
      throw new Overloaded('TooManyConcurrentRequests', 'Busy.', 1)
    }
    const args = call.args as Arguments
    switch (call.path.name) {
      case 'get': {
        const key = args.key ?? ''
        return this.#live(success(this.render(this.valueAt(key, at))), null, new Set([key]), at)
      }
      case 'all':
        return this.#live(success(JSON.stringify(Object.fromEntries(this.#rowsAt(at)))), null, 'all', at)
      case 'page':
        return this.#page(args, journal, at)
      case 'whoami':
        return this.#live(success(JSON.stringify(nameOf(call.identity))), null, new Set(), at)
      default:
        return this.#live(refusal(call), null, new Set(['refuse']), at)
    }
  }

  async runMutation(
    call: FunctionCall,
    session: SessionRequest | undefined,
    onApplied: (ts: bigint) => void,
  ): Promise<MutationOutcome> {
    this.calls.push({ kind: 'mutation', call })
    await this.beforeMutation(call)
    const requestKey = session === undefined ? undefined : `${session.sessionId}|${session.requestNumber}`
    const recorded = requestKey === undefined ? undefined : this.#requests.get(requestKey)
    if (recorded !== undefined) {
      await this.beforeAnswer(call)
      return recorded
    }
    if (call.path.name !== 'add') return { ...refusal(call), ts: undefined }
    const { key = '', by = 1 } = call.args as Arguments
    const value = (this.valueAt(key, this.#ts) ?? 0) + by
    if (requestKey !== undefined) {
      this.#requests.set(requestKey, { ...success(JSON.stringify(value)), ts: this.#ts + 1n })
    }
    if (session !== undefined) this.committed.push(session)
    const ts = this.commit({ [key]: value }, onApplied)
    await this.beforeAnswer(call)
    return { ...success(JSON.stringify(value), [`[LOG] 'added to ${key}'`]), ts }
  }

  async runAction(call: FunctionCall): Promise<CallOutcome> {
    this.calls.push({ kind: 'action', call })
    return call.path.name === 'echo' ? success(JSON.stringify((call.args as Arguments).value)) : refusal(call)
  }

  #rowsAt(at: bigint): readonly (readonly [string, number])[] {
    const latest = new Map<string, number>()
    for (const { ts, key, value } of this.versions) if (ts <= at) latest.set(key, value)
    return [...latest].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Journal and cursor are the last key of a page. */
  #page(args: Arguments, journal: string | null, at: bigint): LiveQuery {
    const { numItems = 0, cursor = null } = args.paginationOpts ?? {}
    const rows = this.#rowsAt(at).filter(([key]) => cursor === null || key > cursor)
    const page = journal === null ? rows.slice(0, numItems) : rows.filter(([key]) => key <= journal)
    const end = journal ?? page.at(-1)?.[0] ?? ''
    const isDone = rows.every(([key]) => key <= end)
    const value = { page: page.map(([key, number]) => ({ key, number })), isDone, continueCursor: end }
    return this.#live(success(JSON.stringify(value)), end, 'all', at)
  }

  #live(outcome: CallOutcome, journal: string | null, reads: Watcher['reads'], at: bigint): LiveQuery {
    return {
      outcome,
      journal,
      subscribe: (onInvalidated) => {
        const isHit = this.versions.some(({ ts, key }) => ts > at && (reads === 'all' || reads.has(key)))
        const watcher = { reads, isValid: !isHit, onInvalidated }
        this.watchers.add(watcher)
        if (isHit) queueMicrotask(onInvalidated)
        return {
          get isValid() {
            return watcher.isValid
          },
          close: () => this.watchers.delete(watcher),
        }
      },
    }
  }
}

function success(valueText: string, logLines: readonly string[] = []): CallOutcome & { readonly kind: 'success' } {
  return { kind: 'success', valueText, logLines }
}

function refusal(call: FunctionCall): CallOutcome & { readonly kind: 'error' } {
  const { data } = call.args as Arguments
  const message = `[Request ID: ${call.requestId}] Server Error`
  return { kind: 'error', message, dataText: data === undefined ? undefined : JSON.stringify(data), logLines: [] }
}

function nameOf(identity: Identity): string {
  return identity.kind === 'user' ? identity.attributes.tokenIdentifier : identity.kind
}
