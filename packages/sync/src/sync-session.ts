/**
 * One connection of the sync protocol (sync-and-http.md §1). Messages are taken in order; mutations run one after
 * another; transitions are computed one at a time, each moving the client from exactly the version it was last told.
 *
 * Invariants: every result a client holds after a transition is right at its `endVersion.ts`; a transition never shows
 * a commit of an own mutation before that mutation's response went out; every response is followed by a transition.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { assert, type Clock, type Log, PlatformError } from '@concave/base'
import {
  anonymous,
  type AuthenticateMessage,
  type CallMessage,
  type ClientMessage,
  clientMessageSchema,
  type ConnectMessage,
  type Identity,
  type ModifyQuerySetMessage,
  noClient,
  parseFunctionPath,
  type RequestClient,
  sessionRequestId,
} from '@concave/protocol'
import { parseJson } from '@concave/values'
import type { WebSocket } from 'ws'
import type { AuthToken, CallOutcome, FunctionCall, LiveQuery, SyncBackend } from './backend.ts'
import { closingFor, isTemporary } from './close-codes.ts'
import * as frames from './frames.ts'
import { Inbox } from './inbox.ts'
import { syncLimits } from './limits.ts'
import { MutationQueue } from './mutation-queue.ts'
import { Outbox } from './outbox.ts'
import { QuerySet, type WatchedQuery } from './query-set.ts'

export type SyncSessionOptions = {
  readonly socket: WebSocket
  readonly backend: SyncBackend
  readonly clock: Clock
  readonly log: Log
  /** Who opened the socket. */
  readonly client?: RequestClient
  /** The client can put `TransitionChunk`s together. */
  readonly knowsChunks: boolean
}

type AdminToken = Extract<AuthToken, { kind: 'admin' }>

export class SyncSession {
  readonly #socket: WebSocket
  readonly #client: RequestClient
  readonly #backend: SyncBackend
  readonly #clock: Clock
  readonly #log: Log
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #queries: QuerySet
  readonly #queryRequestIds = new WeakMap<WatchedQuery, string>()
  readonly #mutations = new MutationQueue()
  #runningActions = 0

  #sessionId: string | undefined
  /** Stands in for the session id of clients that send no `Connect`, in request ids only. */
  readonly #fallbackId = randomUUID()
  /** The client was connected before: it may repeat mutations that have run. */
  #isResumed = false
  #clientClockSkewMs: number | undefined

  #identity: Identity = anonymous
  #identityChanged = false
  /** Why the admin key that was presented last is not taken. Whatever is asked for then fails with this text. */
  #keyRefusal: string | undefined
  #admin: { readonly token: AdminToken; readonly checkedAtMs: number } | undefined

  /** Versions of the last messages read; they run ahead of what was sent. */
  #received = { querySet: 0, identity: 0 }
  #sent: frames.Version = { querySet: 0, identity: 0, ts: 0n }

  #firstTransition: 'waiting' | 'allowed' | 'sent' = 'waiting'
  #firstTransitionTimer: NodeJS.Timeout | undefined
  #isDue = false
  #isTransitioning = false
  /** Timestamp of the transition that is being computed. */
  #computingTs: bigint | undefined
  #isClosed = false
  #lastHeardMs: number

  constructor(options: SyncSessionOptions) {
    const { socket, clock, log } = options
    this.#socket = socket
    this.#client = options.client ?? noClient
    this.#backend = options.backend
    this.#clock = clock
    this.#log = log
    this.#lastHeardMs = clock.monotonicMs()
    this.#inbox = new Inbox({
      maxWaiting: syncLimits.maxWaitingMessages,
      onFull: () => socket.pause(),
      onDrained: () => socket.resume(),
      onFailure: (error) => this.#fail(error),
    })
    const onRoom = (): void => void this.#transitionWhileDue()
    this.#outbox = new Outbox({ socket, clock, log, knowsChunks: options.knowsChunks, onRoom })
    this.#queries = new QuerySet(() => this.#schedule())
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    socket.on('pong', () => (this.#lastHeardMs = this.#clock.monotonicMs()))
    socket.on('error', (error) => this.#log.debug({ err: error }, 'A socket failed.'))
    socket.on('close', () => this.#end())
  }

  /** Called about once a second: keepalive, silence, and admin keys that were revoked meanwhile. */
  tick(): void {
    if (this.#isClosed) return
    const now = this.#clock.monotonicMs()
    if (now - this.#lastHeardMs > syncLimits.silenceMs) {
      this.#socket.terminate()
      return
    }
    if (now - this.#outbox.lastSentMs >= syncLimits.pingAfterMs) this.#send(frames.ping)
    if (this.#admin !== undefined && now - this.#admin.checkedAtMs >= syncLimits.recheckAdminMs) this.recheckAdmin()
  }

  /** Keys have changed: an admin whose key no longer holds is told so now, not at the next tick. */
  recheckAdmin(): void {
    if (this.#isClosed || this.#admin === undefined) return
    this.#admin = { token: this.#admin.token, checkedAtMs: this.#clock.monotonicMs() }
    this.#inbox.add(() => this.#recheckAdmin())
  }

  pingSocket(): void {
    if (!this.#isClosed) this.#socket.ping()
  }

  /** Ends the connection; the client comes back by itself unless it was told a fatal error. */
  close(code: number | undefined, reason: string): void {
    if (this.#isClosed) return
    this.#end()
    // The answer to the closing handshake is to be read.
    if (this.#socket.isPaused) this.#socket.resume()
    if (code === undefined) this.#socket.close()
    else this.#socket.close(code, reason)
  }

  /** Cuts the connection of a client that does not answer the closing handshake. */
  terminate(): void {
    this.#socket.terminate()
  }

  // Messages in

  #receive(data: Buffer, isBinary: boolean): void {
    this.#lastHeardMs = this.#clock.monotonicMs()
    if (this.#isClosed) return
    if (isBinary) {
      this.#fatal('Received a binary message; the sync protocol is text.')
      return
    }
    const message = this.#parse(data)
    if (message !== undefined) this.#inbox.add(() => this.#handle(message))
  }

  #parse(data: Buffer): ClientMessage | undefined {
    try {
      return clientMessageSchema.parse(parseJson(data.toString('utf8')))
    } catch (error) {
      this.#log.debug({ err: error }, 'Received a message that is not part of the protocol.')
      this.#fatal('WSMessageInvalidJson: Received a message that could not be understood.')
      return undefined
    }
  }

  #handle(message: ClientMessage): Promise<void> | void {
    switch (message.type) {
      case 'Connect':
        return this.#connect(message)
      case 'Authenticate':
        return this.#authenticate(message)
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
    if (this.#sessionId !== undefined) {
      this.#fatal('Received a second Connect message on one connection.')
      return
    }
    this.#sessionId = message.sessionId
    this.#isResumed = message.connectionCount > 0
    if (message.clientTs !== undefined && message.clientTs > 0) {
      this.#clientClockSkewMs = Math.round(message.clientTs - this.#clock.nowMs())
    }
    if ((message.maxObservedTimestamp ?? 0n) > this.#backend.latestTs()) {
      this.#log.warn({ sessionId: message.sessionId }, 'A client has seen a commit that this database does not have.')
      this.close(1011, 'InternalServerError')
    }
  }

  async #authenticate(message: AuthenticateMessage): Promise<void> {
    if (message.baseVersion !== this.#received.identity) {
      this.close(1011, 'InternalServerError')
      return
    }
    const token = readToken(message)
    let keyRefusal: string | undefined
    let identity = anonymous
    try {
      identity = await this.#backend.authenticate(token)
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (token.kind !== 'admin') {
        this.#refuseIdentity(error.message, { authUpdateAttempted: true })
        return
      }
      keyRefusal = describeKeyRefusal(error.message)
    }
    if (this.#isClosed) return
    this.#identity = identity
    this.#keyRefusal = keyRefusal
    const isAdmin = token.kind === 'admin' && keyRefusal === undefined
    this.#admin = isAdmin ? { token, checkedAtMs: this.#clock.monotonicMs() } : undefined
    this.#received.identity += 1
    this.#identityChanged = true
    this.#schedule()
    if (this.#firstTransition !== 'waiting') return
    clearTimeout(this.#firstTransitionTimer)
    this.#firstTransitionTimer = setTimeout(() => this.#allowTransitions(), syncLimits.firstTransitionMs)
    this.#firstTransitionTimer.unref()
  }

  /** The client compares `baseVersion` with the identity it was last told, so it is that of the last transition. */
  #refuseIdentity(message: string, { authUpdateAttempted }: { readonly authUpdateAttempted: boolean }): void {
    this.#send(frames.authError(message, this.#sent.identity, authUpdateAttempted))
    this.close(undefined, '')
  }

  /** True if the token of `identity` has run out; the client has then been told. */
  #refuseExpired(identity: Identity): boolean {
    if (identity.kind !== 'user' || identity.expiresAtMs === undefined) return false
    if (this.#clock.nowMs() < identity.expiresAtMs) return false
    this.#refuseIdentity('Convex token identity expired', { authUpdateAttempted: false })
    return true
  }

  async #recheckAdmin(): Promise<void> {
    const token = this.#admin?.token
    if (token === undefined) return
    try {
      await this.#backend.authenticate(token)
    } catch (error) {
      if (isRefusal(error)) this.#fatal(error.message)
      else
        this.#log.warn({ err: error }, 'An admin key could not be checked again; it stays in use until the next check.')
    }
  }

  #modifyQuerySet(message: ModifyQuerySetMessage): void {
    if (message.baseVersion !== this.#received.querySet || message.newVersion !== message.baseVersion + 1) {
      this.#fatal(`BaseVersionMismatch: Base version ${message.baseVersion} does not match ${this.#received.querySet}.`)
      return
    }
    if (!this.#queries.modify(message.modifications)) {
      this.#log.warn({}, 'A client added a query twice or removed one that it did not watch.')
      this.close(1011, 'InternalServerError')
      return
    }
    this.#received.querySet = message.newVersion
    this.#schedule()
    this.#allowTransitions()
  }

  // Calls

  #mutate(message: CallMessage): void {
    if (this.#mutations.size >= syncLimits.maxWaitingMutations) {
      this.close(1013, 'TooManyConcurrentMutations')
      return
    }
    const call = this.#toCall(message)
    const keyRefusal = this.#keyRefusal
    const session =
      this.#sessionId === undefined ? undefined : { sessionId: this.#sessionId, requestNumber: message.requestId }
    const mayBeRepeat = this.#isResumed && this.#firstTransition !== 'sent'
    this.#mutations.add(
      async (onApplied) => {
        if (this.#refuseExpired(call.identity)) return
        try {
          const outcome =
            keyRefusal === undefined
              ? await this.#backend.runMutation(call, session, onApplied)
              : { ...refusedOutcome(keyRefusal), ts: undefined }
          this.#send(frames.mutationResponse(message.requestId, outcome))
          this.#answered(outcome.ts)
        } catch (error) {
          this.#fail(error)
        }
      },
      { mayBeRepeat },
    )
  }

  /** Sees to the transition that a mutation's response needs after it: the one being computed will do if it covers `ts`. */
  #answered(ts: bigint | undefined): void {
    assert(ts === undefined || ts <= this.#backend.latestTs(), 'A mutation is answered when its commit is published.')
    const isCovered = ts !== undefined && this.#computingTs !== undefined && ts <= this.#computingTs
    if (!isCovered) this.#schedule()
    this.#allowTransitions()
  }

  #act(message: CallMessage): void {
    if (this.#runningActions >= syncLimits.maxRunningActions) {
      this.close(1013, 'TooManyInflightActionsForSingleClient')
      return
    }
    const call = this.#toCall(message)
    if (this.#refuseExpired(call.identity)) return
    this.#runningActions += 1
    void this.#runAction(message.requestId, call, this.#keyRefusal)
  }

  async #runAction(requestId: number, call: FunctionCall, keyRefusal: string | undefined): Promise<void> {
    try {
      const outcome = keyRefusal === undefined ? await this.#backend.runAction(call) : refusedOutcome(keyRefusal)
      this.#send(frames.actionResponse(requestId, outcome))
      this.#schedule()
      this.#allowTransitions()
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#runningActions -= 1
    }
  }

  #toCall(message: CallMessage): FunctionCall {
    return {
      path: parseFunctionPath(message.udfPath),
      componentPath: message.componentPath ?? '',
      args: message.args.length === 1 ? message.args[0] : message.args,
      identity: this.#identity,
      requestId: this.#requestIdOf(String(message.requestId)),
      client: this.#client,
    }
  }

  #requestIdOf(request: string): string {
    return sessionRequestId(this.#sessionId ?? this.#fallbackId, request)
  }

  // Transitions

  #schedule(): void {
    this.#isDue = true
    void this.#transitionWhileDue()
  }

  /** Called when the query set, or proof that none is coming, is there: an earlier transition would show no results. */
  #allowTransitions(): void {
    if (this.#firstTransition !== 'waiting') return
    this.#firstTransition = 'allowed'
    void this.#transitionWhileDue()
  }

  async #transitionWhileDue(): Promise<void> {
    if (this.#isTransitioning) return
    this.#isTransitioning = true
    try {
      // What is invalidated meanwhile collapses into the next transition; sending one calls back here.
      while (this.#mayTransition()) {
        this.#isDue = false
        await this.#transition()
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isTransitioning = false
    }
  }

  #mayTransition(): boolean {
    const isAllowed = this.#firstTransition !== 'waiting' && !this.#isClosed
    return isAllowed && this.#isDue && this.#outbox.hasRoomForTransition
  }

  async #transition(): Promise<void> {
    // Messages that are read from here on belong to the next transition.
    const { querySet, identity: identityVersion } = this.#received
    const identity = this.#identity
    const keyRefusal = this.#keyRefusal
    if (this.#refuseExpired(identity)) return
    this.#queries.applyChanges()
    if (this.#identityChanged) {
      this.#identityChanged = false
      this.#queries.dropSubscriptions()
    }
    const ts = keyRefusal === undefined ? await this.#refreshQueries(identity) : await this.#failQueries(keyRefusal)
    if (this.#isResumed && this.#firstTransition !== 'sent') {
      await delay(syncLimits.repeatsArriveMs, undefined, { ref: false })
    }
    await this.#mutations.whenMayShow(ts)
    this.#computingTs = undefined
    if (this.#isClosed) return
    this.#sendTransition({ querySet, identity: identityVersion, ts })
  }

  /** Returns the timestamp at which all results are right. Failures of the system are retried, at a newer timestamp. */
  async #refreshQueries(identity: Identity): Promise<bigint> {
    for (let attempt = 1; ; attempt += 1) {
      const ts = this.#backend.latestTs()
      this.#computingTs = ts
      try {
        await this.#queries.refresh((query, journal) => this.#runQuery(query, journal, identity, ts))
        return ts
      } catch (error) {
        if (this.#isClosed) return ts
        if (!isTemporary(error) || attempt >= syncLimits.maxQueryAttempts) throw error
        this.#log.warn({ err: error, attempt }, 'The queries of a session could not be run; trying again.')
        await delay(syncLimits.queryRetryMs * 2 ** (attempt - 1), undefined, { ref: false })
      }
    }
  }

  async #failQueries(keyRefusal: string): Promise<bigint> {
    const ts = this.#backend.latestTs()
    await this.#queries.refresh(async () => refusedQuery(keyRefusal))
    return ts
  }

  async #runQuery(query: WatchedQuery, journal: string | null, identity: Identity, ts: bigint): Promise<LiveQuery> {
    const { path, componentPath, args } = query
    let requestId = this.#queryRequestIds.get(query)
    if (requestId === undefined) {
      // Query ids and request ids are counted apart; the word keeps their hashes apart.
      requestId = this.#requestIdOf(`query ${query.queryId}`)
      this.#queryRequestIds.set(query, requestId)
    }
    return await this.#backend.runQuery({ path, componentPath, args, identity, requestId }, journal, ts)
  }

  #sendTransition(end: frames.Version): void {
    assert(end.ts >= this.#sent.ts, 'The time of a session does not go back.')
    const text = frames.transition({
      start: this.#sent,
      end,
      modifications: this.#queries.takeModifications(),
      clientClockSkewMs: this.#clientClockSkewMs,
      serverNs: this.#clock.nowNs(),
    })
    this.#sent = end
    this.#firstTransition = 'sent'
    this.#outbox.sendTransition(text)
  }

  // The end

  #send(text: string): void {
    if (!this.#isClosed) this.#outbox.send(text)
  }

  /** A proven violation of the protocol: the client will not come back. */
  #fatal(message: string): void {
    this.#send(frames.fatalError(message))
    this.close(undefined, '')
  }

  /** A failure that is not an answer: the client reconnects and repeats what is open. */
  #fail(error: unknown): void {
    if (this.#isClosed) return
    if (error instanceof PlatformError && error.code === 'BadConvexFunctionIdentifier') {
      this.#fatal(error.message)
      return
    }
    const { code, reason } = closingFor(error)
    if (code === 1011) this.#log.error({ err: error }, 'A sync session failed.')
    else this.#log.warn({ err: error }, 'A sync session was ended.')
    this.close(code, reason)
  }

  #end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#firstTransitionTimer)
    this.#inbox.close()
    this.#mutations.close()
    this.#queries.close()
  }
}

/** The backend has said no, as against being unable to say anything. */
function isRefusal(error: unknown): error is PlatformError {
  return error instanceof PlatformError && error.status < 500 && !isTemporary(error)
}

/**
 * The CLI waits for ever after an AuthError and shows a stack trace after a FatalError. Functions that fail with a text
 * that begins like this are the one refusal it tells people (cli-protocol.md §3.3): the rest of the line is ours.
 */
function describeKeyRefusal(message: string): string {
  const known = 'You do not have permission to perform this operation'
  return message.startsWith(known) ? message : `${known}: ${message}`
}

function refusedOutcome(message: string): Extract<CallOutcome, { kind: 'error' }> {
  return { kind: 'error', message, dataText: undefined, logLines: [] }
}

/** Stays right until the client presents another key. */
function refusedQuery(message: string): LiveQuery {
  return {
    outcome: refusedOutcome(message),
    journal: null,
    subscribe: () => ({ isValid: true, close: () => {} }),
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
