/**
 * One connection of the sync protocol (sync-and-http.md §1). Messages are taken in order; mutations run one after
 * another; transitions are computed one at a time, each moving the client from exactly the version it was last told.
 *
 * Invariants: every result a client holds after a transition is right at its `endVersion.ts`; a transition never shows
 * a commit of an own mutation before that mutation's response went out; every response is followed by a transition.
 */
import { createHash } from 'node:crypto'
import { type Clock, type Log, PlatformError } from '@concave/base'
import {
  anonymous,
  type AuthenticateMessage,
  type CallMessage,
  type ClientMessage,
  clientMessageSchema,
  type ConnectMessage,
  type Identity,
  type ModifyQuerySetMessage,
  parseFunctionPath,
} from '@concave/protocol'
import type { WebSocket } from 'ws'
import type { AuthToken, CallOutcome, FunctionCall, LiveSubscription, SyncBackend } from './backend.ts'
import * as frames from './frames.ts'
import { closeCodeFor } from './close-codes.ts'
import { syncLimits } from './limits.ts'

type WatchedQuery = {
  readonly queryId: number
  readonly udfPath: string
  readonly args: unknown
  readonly componentPath: string
  journal: string | null
  /** What the client was last told on this connection, as a digest. */
  shown: string | undefined
  subscription: LiveSubscription | undefined
}

type QueryChange = { readonly kind: 'add'; readonly query: WatchedQuery } | { readonly kind: 'remove'; readonly queryId: number }

export type SyncSessionOptions = {
  readonly socket: WebSocket
  readonly backend: SyncBackend
  readonly clock: Clock
  readonly log: Log
  /** The client can put `TransitionChunk`s together. */
  readonly knowsChunks: boolean
}

export class SyncSession {
  readonly #socket: WebSocket
  readonly #backend: SyncBackend
  readonly #clock: Clock
  readonly #log: Log
  readonly #knowsChunks: boolean

  #sessionId: string | undefined
  #clientClockSkewMs: number | undefined
  #identity: Identity = anonymous
  #adminToken: AuthToken | undefined
  #adminCheckedAtMs = 0
  /** Versions of the last messages read; they run ahead of what was sent. */
  #received = { querySet: 0, identity: 0 }
  #sent: frames.Version = { querySet: 0, identity: 0, ts: 0n }
  readonly #changes: QueryChange[] = []
  readonly #queries = new Map<number, WatchedQuery>()
  #identityChanged = false

  #inbox: Promise<void> = Promise.resolve()
  #mutations: Promise<void> = Promise.resolve()
  #waitingMutations = 0
  #runningActions = 0
  /** Commit of the running mutation once it is applied: no transition at or past it may go out before the response. */
  #unansweredTs: bigint | undefined
  #answered: PromiseWithResolvers<void> | undefined

  #mayTransition = false
  #isDue = false
  #isTransitioning = false
  #unsentTransitions = 0
  #isClosed = false
  #lastSentMs: number
  #lastHeardMs: number

  constructor(options: SyncSessionOptions) {
    this.#socket = options.socket
    this.#backend = options.backend
    this.#clock = options.clock
    this.#log = options.log
    this.#knowsChunks = options.knowsChunks
    this.#lastSentMs = this.#lastHeardMs = options.clock.monotonicMs()
    const { socket } = options
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    socket.on('pong', () => (this.#lastHeardMs = this.#clock.monotonicMs()))
    socket.on('error', (error) => this.#log.debug({ err: error }, 'A socket failed.'))
    socket.on('close', () => this.#end())
  }

  /** Called about once a second: keepalive, silence, and admin keys that were revoked meanwhile. */
  tick(): void {
    const now = this.#clock.monotonicMs()
    if (now - this.#lastHeardMs > syncLimits.silenceMs) {
      this.#socket.terminate()
      return
    }
    if (now - this.#lastSentMs >= syncLimits.pingAfterMs) this.#send(frames.ping)
    if (this.#adminToken !== undefined && now - this.#adminCheckedAtMs >= syncLimits.recheckAdminMs) {
      this.#adminCheckedAtMs = now
      void this.#enqueue(() => this.#recheckAdmin())
    }
  }

  pingSocket(): void {
    if (!this.#isClosed) this.#socket.ping()
  }

  /** Ends the connection; the client comes back by itself unless it was told a fatal error. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#end()
    this.#socket.close(code, reason)
  }

  // Messages in

  #receive(data: Buffer, isBinary: boolean): void {
    this.#lastHeardMs = this.#clock.monotonicMs()
    if (isBinary) {
      this.#fatal('Received a binary message; the sync protocol is text.')
      return
    }
    const message = this.#parse(data)
    if (message !== undefined) void this.#enqueue(() => this.#handle(message))
  }

  #parse(data: Buffer): ClientMessage | undefined {
    try {
      return clientMessageSchema.parse(JSON.parse(data.toString('utf8')))
    } catch (error) {
      this.#log.debug({ err: error }, 'Received a message that is not part of the protocol.')
      this.#fatal('WSMessageInvalidJson: Received a message that could not be understood.')
      return undefined
    }
  }

  /** Messages are handled strictly in order: a mutation after an Authenticate runs as the new identity. */
  #enqueue(handle: () => Promise<void> | void): Promise<void> {
    this.#inbox = this.#inbox.then(async () => {
      if (this.#isClosed) return
      try {
        await handle()
      } catch (error) {
        this.#fail(error)
      }
    })
    return this.#inbox
  }

  async #handle(message: ClientMessage): Promise<void> {
    switch (message.type) {
      case 'Connect':
        return this.#connect(message)
      case 'Authenticate':
        return await this.#authenticate(message)
      case 'ModifyQuerySet':
        return this.#modifyQuerySet(message)
      case 'Mutation':
        return this.#mutate(message)
      case 'Action':
        return this.#act(message)
      case 'Event':
        this.#log.debug({ eventType: message.eventType }, 'Client event.')
    }
  }

  #connect(message: ConnectMessage): void {
    this.#sessionId = message.sessionId
    if (message.clientTs !== undefined && message.clientTs > 0) {
      this.#clientClockSkewMs = Math.round(message.clientTs - this.#clock.nowMs())
    }
    if ((message.maxObservedTimestamp ?? 0n) > this.#backend.latestTs()) {
      // It has seen a commit that this database does not have. Timestamps catch up with the clock; it may try again.
      this.close(1011, 'InternalServerError')
    }
  }

  async #authenticate(message: AuthenticateMessage): Promise<void> {
    if (message.baseVersion !== this.#received.identity) {
      this.close(1011, 'InternalServerError')
      return
    }
    const token = readToken(message)
    try {
      this.#identity = await this.#backend.authenticate(token)
    } catch (error) {
      this.#refuseToken(token, error)
      return
    }
    this.#adminToken = token.kind === 'admin' ? token : undefined
    this.#adminCheckedAtMs = this.#clock.monotonicMs()
    this.#received.identity += 1
    this.#identityChanged = true
    this.#schedule()
    if (!this.#mayTransition) setTimeout(() => this.#allowTransitions(), syncLimits.firstTransitionMs).unref()
  }

  #refuseToken(token: AuthToken, error: unknown): void {
    if (!(error instanceof PlatformError) || error.status >= 500) throw error
    // The CLI waits for ever after an AuthError, so a bad key is final.
    if (token.kind === 'admin') {
      this.#fatal(error.message)
      return
    }
    this.#send(frames.authError(error.message, this.#sent.identity, true))
    this.close(1000, '')
  }

  async #recheckAdmin(): Promise<void> {
    if (this.#adminToken === undefined) return
    try {
      await this.#backend.authenticate(this.#adminToken)
    } catch (error) {
      this.#refuseToken(this.#adminToken, error)
    }
  }

  #modifyQuerySet(message: ModifyQuerySetMessage): void {
    if (message.baseVersion !== this.#received.querySet || message.newVersion !== message.baseVersion + 1) {
      this.#fatal(`BaseVersionMismatch: Base version ${message.baseVersion} does not match ${this.#received.querySet}.`)
      return
    }
    for (const change of message.modifications) {
      if (change.type === 'Remove') {
        this.#changes.push({ kind: 'remove', queryId: change.queryId })
        continue
      }
      parseFunctionPath(change.udfPath)
      this.#changes.push({
        kind: 'add',
        query: {
          queryId: change.queryId,
          udfPath: change.udfPath,
          args: change.args.length === 1 ? change.args[0] : change.args,
          componentPath: change.componentPath ?? '',
          journal: change.journal ?? null,
          shown: undefined,
          subscription: undefined,
        },
      })
    }
    this.#received.querySet = message.newVersion
    this.#schedule()
    this.#allowTransitions()
  }

  // Calls

  #mutate(message: CallMessage): void {
    if (this.#waitingMutations >= syncLimits.maxWaitingMutations) {
      this.close(1013, 'TooManyConcurrentMutations')
      return
    }
    this.#waitingMutations += 1
    const call = this.#toCall(message)
    const session =
      this.#sessionId === undefined ? undefined : { sessionId: this.#sessionId, requestNumber: message.requestId }
    this.#mutations = this.#mutations.then(async () => {
      if (this.#isClosed) return
      const answered = (this.#answered = Promise.withResolvers<void>())
      try {
        const outcome = await this.#backend.runMutation(call, session, (ts) => (this.#unansweredTs = ts))
        this.#send(frames.mutationResponse(message.requestId, outcome))
      } catch (error) {
        this.#fail(error)
      } finally {
        this.#waitingMutations -= 1
        this.#unansweredTs = undefined
        answered.resolve()
      }
      this.#schedule()
      this.#allowTransitions()
    })
  }

  #act(message: CallMessage): void {
    if (this.#runningActions >= syncLimits.maxRunningActions) {
      this.close(1013, 'TooManyInflightActionsForSingleClient')
      return
    }
    this.#runningActions += 1
    this.#backend
      .runAction(this.#toCall(message))
      .then((outcome) => this.#send(frames.actionResponse(message.requestId, outcome)))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#runningActions -= 1
        this.#schedule()
        this.#allowTransitions()
      })
  }

  #toCall(message: CallMessage): FunctionCall {
    return {
      path: parseFunctionPath(message.udfPath),
      componentPath: message.componentPath ?? '',
      args: message.args.length === 1 ? message.args[0] : message.args,
      identity: this.#identity,
      requestId: requestIdOf(this.#sessionId ?? '', message.requestId),
    }
  }

  // Transitions

  #schedule(): void {
    this.#isDue = true
    void this.#transitionWhileDue()
  }

  #allowTransitions(): void {
    this.#mayTransition = true
    void this.#transitionWhileDue()
  }

  async #transitionWhileDue(): Promise<void> {
    if (this.#isTransitioning) return
    this.#isTransitioning = true
    try {
      while (this.#isDue && this.#mayTransition && !this.#isClosed) {
        // Invalidations meanwhile collapse into the next transition; sending calls back here.
        if (this.#unsentTransitions >= syncLimits.maxUnsentTransitions) return
        this.#isDue = false
        await this.#transition()
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isTransitioning = false
    }
  }

  async #transition(): Promise<void> {
    const modifications: string[] = []
    const { querySet, identity } = this.#received
    this.#applyChanges(modifications)
    if (this.#identityChanged) {
      this.#identityChanged = false
      for (const query of this.#queries.values()) dropSubscription(query)
    }
    const ts = this.#backend.latestTs()
    const stale = [...this.#queries.values()].filter((query) => query.subscription?.isValid !== true)
    const fresh = await mapLimited(stale, syncLimits.parallelQueries, (query) => this.#run(query, ts))
    // A commit of our own mutation that this transition would show: its response goes first.
    while (this.#unansweredTs !== undefined && this.#unansweredTs <= ts) await this.#answered?.promise
    if (this.#isClosed) return
    for (const text of fresh) if (text !== undefined) modifications.push(text)
    this.#sendTransition({ querySet, identity, ts }, modifications)
  }

  #applyChanges(modifications: string[]): void {
    for (const change of this.#changes.splice(0)) {
      if (change.kind === 'add') {
        if (this.#queries.has(change.query.queryId)) throw new Error(`query ${change.query.queryId} was added twice`)
        this.#queries.set(change.query.queryId, change.query)
        continue
      }
      const query = this.#queries.get(change.queryId)
      if (query === undefined) throw new Error(`query ${change.queryId} was removed but never added`)
      dropSubscription(query)
      this.#queries.delete(change.queryId)
      modifications.push(frames.queryRemoved(change.queryId))
    }
  }

  /** Runs a query and subscribes to its result. The modification to send, or undefined when the client has it already. */
  async #run(query: WatchedQuery, ts: bigint): Promise<string | undefined> {
    const call: FunctionCall = {
      path: parseFunctionPath(query.udfPath),
      componentPath: query.componentPath,
      args: query.args,
      identity: this.#identity,
      requestId: requestIdOf(this.#sessionId ?? '', query.queryId),
    }
    const live = await this.#backend.runQuery(call, query.journal, ts)
    if (this.#isClosed) return undefined
    dropSubscription(query)
    query.journal = live.journal
    query.subscription = live.subscribe(() => this.#schedule())
    const digest = digestOf(live.outcome)
    if (digest === query.shown) return undefined
    query.shown = digest
    return frames.queryModification(query.queryId, live.outcome, live.journal)
  }

  #sendTransition(end: frames.Version, modifications: readonly string[]): void {
    const text = frames.transition({
      start: this.#sent,
      end,
      modifications,
      clientClockSkewMs: this.#clientClockSkewMs,
      serverNs: this.#clock.nowNs(),
    })
    this.#sent = end
    this.#unsentTransitions += 1
    const isChunked = this.#knowsChunks && text.length > syncLimits.maxTransitionLength
    const parts = isChunked ? [...frames.chunks(text, syncLimits.maxTransitionLength)] : [text]
    const last = parts.length - 1
    for (const [index, part] of parts.entries()) {
      this.#send(part, index === last ? () => this.#transitionSent() : undefined)
    }
  }

  #transitionSent(): void {
    this.#unsentTransitions -= 1
    void this.#transitionWhileDue()
  }

  // The socket

  #send(text: string, onSent?: () => void): void {
    if (this.#isClosed) return
    if (this.#socket.bufferedAmount > syncLimits.maxBufferedBytes) {
      this.close(1013, 'ClientTooSlow')
      return
    }
    this.#lastSentMs = this.#clock.monotonicMs()
    this.#socket.send(text, (error) => {
      if (error !== undefined && error !== null) this.#log.debug({ err: error }, 'Could not send on a socket.')
      onSent?.()
    })
  }

  /** A proven violation of the protocol: the client will not come back. */
  #fatal(message: string): void {
    this.#send(frames.fatalError(message))
    this.close(1008, 'ProtocolError')
  }

  /** A failure that is not an answer: the client reconnects and repeats what is open. */
  #fail(error: unknown): void {
    if (this.#isClosed) return
    if (error instanceof PlatformError && error.code === 'BadConvexFunctionIdentifier') {
      this.#fatal(error.message)
      return
    }
    const { code, reason } = closeCodeFor(error)
    if (code === 1011) this.#log.error({ err: error }, 'A sync session failed.')
    this.close(code, reason)
  }

  #end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const query of this.#queries.values()) dropSubscription(query)
    this.#queries.clear()
  }
}

function readToken(message: AuthenticateMessage): AuthToken {
  const actingAs = message.impersonating ?? message.acting_as ?? undefined
  switch (message.tokenType) {
    case 'None':
      return { kind: 'none' }
    case 'User':
      return { kind: 'user', token: message.value ?? '' }
    case 'Admin':
      return { kind: 'admin', key: message.value ?? '', actingAs }
  }
}

function dropSubscription(query: WatchedQuery): void {
  query.subscription?.close()
  query.subscription = undefined
}

/** Repeats of a request have the same id, and a log reader who knows session and number can compute it. */
function requestIdOf(sessionId: string, requestNumber: number): string {
  return createHash('sha256').update(`${sessionId}|${requestNumber}`).digest('hex').slice(0, 16)
}

function digestOf(outcome: CallOutcome): string {
  const parts =
    outcome.kind === 'success'
      ? ['s', outcome.valueText, ...outcome.logLines]
      : ['e', outcome.message, outcome.dataText ?? '', ...outcome.logLines]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}

async function mapLimited<Item, Result>(
  items: readonly Item[],
  limit: number,
  map: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await map(item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return results
}
