import { setTimeout as delay } from 'node:timers/promises'
import { createDeferred } from '@concave/base'
import { decodeTs } from '@concave/protocol'
import { describe, expect, test, vi } from 'vitest'
import { syncLimits } from './limits.ts'
import type { ServerMessage } from './testing/fake-socket.ts'
import { addQuery, callMessage, connectMessage, modifyQuerySet, openSession } from './testing/sync-fixture.ts'

type Version = { readonly querySet: number; readonly identity: number; readonly ts: string }

const start = { querySet: 0, identity: 0, ts: 'AAAAAAAAAAA=' }

function endOf(message: ServerMessage | undefined): Version {
  return message?.['endVersion'] as Version
}

function tsOf(message: ServerMessage | undefined): bigint {
  return decodeTs(endOf(message).ts) ?? -1n
}

/** Every transition begins where the one before ended, and time does not go back. */
function expectChain(transitions: readonly ServerMessage[]): void {
  let previous: Version = start
  for (const message of transitions) {
    expect(message['startVersion']).toEqual(previous)
    const end = endOf(message)
    expect(decodeTs(end.ts)).toBeGreaterThanOrEqual(decodeTs(previous.ts) ?? 0n)
    previous = end
  }
}

async function transitions(session: ReturnType<typeof openSession>, count: number): Promise<readonly ServerMessage[]> {
  await vi.waitFor(() => expect(session.socket.ofType('Transition').length).toBeGreaterThanOrEqual(count), {
    interval: 1,
  })
  return session.socket.ofType('Transition')
}

async function sentTypes(session: ReturnType<typeof openSession>, ...types: readonly string[]): Promise<void> {
  await vi.waitFor(() => expect(session.socket.sent.map(({ type }) => type)).toEqual(types), { interval: 1 })
}

describe('a message', () => {
  type State = 'new' | 'connected' | 'synced'
  type Outcome = keyof typeof outcomes
  const open = undefined
  const outcomes = {
    nothing: { sent: [], closed: open },
    transition: { sent: ['Transition'], closed: open },
    'mutation answered': { sent: ['MutationResponse', 'Transition'], closed: open },
    'action answered': { sent: ['ActionResponse', 'Transition'], closed: open },
    fatal: { sent: ['FatalError'], closed: { code: undefined, reason: '' } },
    'auth error': { sent: ['AuthError'], closed: { code: undefined, reason: '' } },
    'internal error': { sent: [], closed: { code: 1011, reason: 'InternalServerError' } },
  } as const
  const badKey = { type: 'Authenticate', tokenType: 'Admin', value: 'bad' }
  const events = {
    connect: () => connectMessage(),
    connectFromTheFuture: () => connectMessage({ maxObservedTimestamp: '/////////38=' }),
    emptyQuerySet: (base: number) => modifyQuerySet(base),
    wrongBase: () => modifyQuerySet(7),
    skippedVersion: (base: number) => ({ ...modifyQuerySet(base), newVersion: base + 2 }),
    duplicateQuery: (base: number) => modifyQuerySet(base, addQuery(5, 'kv:get', {}), addQuery(5, 'kv:get', {})),
    removeUnknown: (base: number) => modifyQuerySet(base, { type: 'Remove', queryId: 9 }),
    badPath: (base: number) => modifyQuerySet(base, addQuery(0, 'no such/../path!', {})),
    mutation: () => callMessage('Mutation', 0, 'kv:add', { key: 'a', by: 1 }),
    failedMutation: () => callMessage('Mutation', 0, 'kv:refuse', {}),
    action: () => callMessage('Action', 0, 'kv:echo', { value: 1 }),
    mutationOfBadPath: () => callMessage('Mutation', 0, ':', {}),
    wrongIdentityBase: () => ({ type: 'Authenticate', baseVersion: 3, tokenType: 'None' }),
    anonymous: () => ({ type: 'Authenticate', baseVersion: 0, tokenType: 'None' }),
    badAdminKey: () => ({ ...badKey, baseVersion: 0 }),
    badToken: () => ({ type: 'Authenticate', baseVersion: 0, tokenType: 'User', value: 'bad' }),
    event: () => ({ type: 'Event', eventType: 'ClientConnect', event: [] }),
    unknownType: () => ({ type: 'Hello' }),
    notJson: () => '{',
  } as const satisfies Record<string, (base: number) => object | string>
  type Event = keyof typeof events

  const anyState = {
    emptyQuerySet: 'transition',
    wrongBase: 'fatal',
    skippedVersion: 'fatal',
    duplicateQuery: 'internal error',
    removeUnknown: 'internal error',
    badPath: 'fatal',
    mutation: 'mutation answered',
    failedMutation: 'mutation answered',
    action: 'action answered',
    mutationOfBadPath: 'fatal',
    wrongIdentityBase: 'internal error',
    // Before the query set it waits; that it comes at last is tested below.
    anonymous: 'transition',
    badAdminKey: 'transition',
    badToken: 'auth error',
    event: 'nothing',
    unknownType: 'fatal',
    notJson: 'fatal',
  } as const
  const table: Readonly<Record<State, Readonly<Record<Event, Outcome>>>> = {
    new: { ...anyState, connect: 'nothing', connectFromTheFuture: 'internal error' },
    connected: { ...anyState, connect: 'fatal', connectFromTheFuture: 'fatal' },
    synced: { ...anyState, connect: 'fatal', connectFromTheFuture: 'fatal' },
  }

  const cases = Object.entries(table).flatMap(([state, row]) =>
    Object.entries(row).map(([event, outcome]) => ({ state, event: event as Event, outcome })),
  )

  test.each(cases)('$event when $state: $outcome', async ({ state, event, outcome }) => {
    const opened = openSession()
    const { socket } = opened
    if (state !== 'new') socket.deliver(connectMessage())
    if (state === 'synced') {
      socket.deliver(modifyQuerySet(0))
      await transitions(opened, 1)
    }
    socket.sent.length = 0
    socket.deliver(events[event](state === 'synced' ? 1 : 0))
    // What must not be answered would be by now.
    await new Promise(setImmediate)
    await vi.waitFor(
      () => {
        const sent = socket.sent.map(({ type }) => type)
        expect({ sent, closed: socket.closed }).toEqual(outcomes[outcome])
      },
      { interval: 1 },
    )
  })

  test('that is binary is fatal', () => {
    const { socket } = openSession()
    socket.emit('message', Buffer.from('{}'), true)
    expect(socket.sent.map(({ type }) => type)).toEqual(['FatalError'])
  })

  test('with escaped keys is read exactly', async () => {
    const opened = openSession()
    const add = `{"type":"Add","queryId":0,"udfPath":"kv:get","args":[{"\\\\":1,"o":{"\\"":1}}]}`
    opened.socket.deliver(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[${add}]}`)
    await transitions(opened, 1)
    expect(opened.backend.calls[0]?.call.args).toEqual({ '\\': 1, o: { '"': 1 } })
  })
})

describe('a transition', () => {
  test('starts where the last one ended and lists only what changed, by query id', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.deliver(connectMessage())
    socket.deliver(modifyQuerySet(0, addQuery(4, 'kv:get', { key: 'b' }), addQuery(1, 'kv:get', { key: 'a' })))
    await transitions(opened, 1)
    backend.commit({ b: 2 })
    await transitions(opened, 2)
    backend.commit({ b: 2 })
    await transitions(opened, 3)
    socket.deliver(modifyQuerySet(1, { type: 'Remove', queryId: 1 }, addQuery(5, 'kv:get', { key: 'a' })))
    const all = await transitions(opened, 4)
    expectChain(all)
    const ids = all.map((message) =>
      (message['modifications'] as { queryId: number; type: string }[]).map((m) => [m.type, m.queryId]),
    )
    expect(ids).toEqual([
      [
        ['QueryUpdated', 1],
        ['QueryUpdated', 4],
      ],
      [['QueryUpdated', 4]],
      [],
      [
        ['QueryRemoved', 1],
        ['QueryUpdated', 5],
      ],
    ])
    expect(backend.watchers.size).toBe(2)
    expect(tsOf(all.at(-1))).toBe(backend.latestTs())
  })

  test('that was begun before a message carries the versions from before it', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    const gate = createDeferred<void>()
    backend.beforeQuery = () => gate.promise
    socket.deliver(connectMessage())
    // One more than run at once: the last begins when the new identity is known.
    const ids = Array.from({ length: syncLimits.parallelQueries + 1 }, (_, queryId) => queryId)
    socket.deliver(modifyQuerySet(0, ...ids.map((queryId) => addQuery(queryId, 'kv:whoami', {}))))
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'User', value: 'good1' })
    socket.deliver(modifyQuerySet(1, { type: 'Remove', queryId: 0 }))
    socket.deliver(modifyQuerySet(2, ...ids.slice(2).map((queryId) => ({ type: 'Remove', queryId }))))
    await new Promise(setImmediate)
    gate.resolve()
    const all = await transitions(opened, 2)
    expectChain(all)
    expect(all.map((message) => [endOf(message).querySet, endOf(message).identity])).toEqual([
      [1, 0],
      [3, 1],
    ])
    const [before, after] = all.map((message) => message['modifications'] as { type: string; value?: string }[])
    expect(before?.map(({ value }) => value)).toEqual(ids.map(() => 'anonymous'))
    expect(after?.map(({ type, value }) => value ?? type)).toEqual(
      ids.map((queryId) => (queryId === 1 ? 'fake|good1' : 'QueryRemoved')),
    )
  })

  test('runs every query as the new identity, together', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:whoami', {}), addQuery(1, 'kv:get', { key: 'a' })))
    await transitions(opened, 1)
    backend.calls.length = 0
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'User', value: 'good1' })
    const all = await transitions(opened, 2)
    expect(backend.calls.map(({ call }) => call.path.name)).toEqual(['whoami', 'get'])
    // The result that did not change is not sent again.
    expect(all[1]?.['modifications']).toMatchObject([{ queryId: 0, value: 'fake|good1' }])
    expect(backend.watchers.size).toBe(2)
  })

  test('confirms an identity although no query set comes', async () => {
    const opened = openSession()
    opened.socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'None' })
    await new Promise(setImmediate)
    expect(opened.socket.sent).toEqual([])
    const [first] = await transitions(opened, 1)
    expect(endOf(first).identity).toBe(1)
  })

  test('does not come before the query set', async () => {
    const opened = openSession()
    const { socket } = opened
    socket.deliver(connectMessage({ connectionCount: 1 }))
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'None' })
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    const [first] = await transitions(opened, 1)
    expect(endOf(first)).toMatchObject({ querySet: 1, identity: 1 })
    expect(first?.['modifications']).toHaveLength(1)
  })

  test('shows an own write only after its response', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    const gate = createDeferred<void>()
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    await transitions(opened, 1)
    backend.beforeAnswer = () => gate.promise
    socket.deliver(callMessage('Mutation', 0, 'kv:add', { key: 'a', by: 1 }))
    backend.commit({ z: 1 })
    await vi.waitFor(() => expect(backend.calls.filter(({ kind }) => kind === 'query')).toHaveLength(2), {
      interval: 1,
    })
    await new Promise(setImmediate)
    expect(socket.ofType('Transition')).toHaveLength(1)
    gate.resolve()
    // One transition answers both the invalidation and the mutation.
    await sentTypes(opened, 'Transition', 'MutationResponse', 'Transition')
    const response = socket.ofType('MutationResponse')[0]
    expect(tsOf(socket.ofType('Transition')[1])).toBeGreaterThanOrEqual(decodeTs(String(response?.['ts'])) ?? 0n)
  })

  test('of a client that comes back waits for the responses to what it repeats', async () => {
    const first = openSession()
    first.socket.deliver(connectMessage())
    first.socket.deliver(callMessage('Mutation', 3, 'kv:add', { key: 'a', by: 1 }))
    await sentTypes(first, 'MutationResponse', 'Transition')
    const again = openSession({ backend: first.backend })
    // The look-up takes longer than the queries.
    first.backend.beforeAnswer = () => delay(3 * syncLimits.repeatsArriveMs)
    again.socket.deliver(connectMessage({ connectionCount: 1 }))
    again.socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    again.socket.deliver(callMessage('Mutation', 3, 'kv:add', { key: 'a', by: 1 }))
    await transitions(again, 1)
    expect(again.socket.sent.map(({ type }) => type).slice(0, 2)).toEqual(['MutationResponse', 'Transition'])
    expect(again.backend.committed).toHaveLength(1)
  })

  test('waits while two are unsent, then covers all that happened', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.isStuck = true
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    await transitions(opened, 1)
    backend.commit({ a: 1 })
    await transitions(opened, 2)
    for (const a of [2, 3, 4]) backend.commit({ a })
    await new Promise(setImmediate)
    expect(socket.ofType('Transition')).toHaveLength(2)
    socket.unsent.shift()?.()
    const all = await transitions(opened, 3)
    expectChain(all)
    expect(all[2]?.['modifications']).toMatchObject([{ queryId: 0, value: 4 }])
  })

  test('survives a system that is overloaded for a moment', async () => {
    const opened = openSession()
    opened.backend.overloadedQueries = 1
    opened.socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' }), addQuery(1, 'kv:get', { key: 'b' })))
    const [first] = await transitions(opened, 1)
    expect(first?.['modifications']).toHaveLength(2)
    expect(opened.backend.watchers.size).toBe(2)
  })

  test('keeps a failed query subscribed and does not send the same failure again', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:refuse', { data: null })))
    await transitions(opened, 1)
    backend.commit({ refuse: 1 })
    const all = await transitions(opened, 2)
    expect(all[0]?.['modifications']).toMatchObject([{ type: 'QueryFailed', errorData: null, logLines: [] }])
    expect(all[1]?.['modifications']).toEqual([])
  })

  test('runs a query with the journal that the client kept, then with the newest', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    for (const key of ['a', 'c', 'e']) backend.commit({ [key]: 1 })
    const page = { paginationOpts: { numItems: 1, cursor: null } }
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:page', page, { journal: 'c' }), addQuery(1, 'kv:page', page)))
    await transitions(opened, 1)
    backend.commit({ b: 1 })
    await transitions(opened, 2)
    expect(backend.calls.map(({ journal }) => journal)).toEqual(['c', null, 'c', 'a'])
  })
})

describe('the end of a session', () => {
  test('ends subscriptions, also of a query that is being run', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    const gate = createDeferred<void>()
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    await transitions(opened, 1)
    backend.beforeQuery = () => gate.promise
    socket.deliver(modifyQuerySet(1, addQuery(1, 'kv:get', { key: 'b' })))
    socket.emit('close')
    expect(backend.watchers.size).toBe(0)
    gate.resolve()
    await new Promise(setImmediate)
    expect(backend.watchers.size).toBe(0)
  })

  test('drops mutations that wait', async () => {
    const { backend, socket } = openSession()
    const gate = createDeferred<void>()
    backend.beforeMutation = () => gate.promise
    socket.deliver(connectMessage())
    for (const requestId of [0, 1, 2]) socket.deliver(callMessage('Mutation', requestId, 'kv:add', { key: 'a', by: 1 }))
    await vi.waitFor(() => expect(backend.calls).toHaveLength(1), { interval: 1 })
    socket.emit('close')
    gate.resolve()
    await new Promise(setImmediate)
    expect(backend.committed.map(({ requestNumber }) => requestNumber)).toEqual([0])
  })

  test('comes with too many waiting mutations', async () => {
    const { backend, socket } = openSession()
    const gate = createDeferred<void>()
    backend.beforeMutation = () => gate.promise
    for (let requestId = 0; requestId <= syncLimits.maxWaitingMutations; requestId += 1) {
      socket.deliver(callMessage('Mutation', requestId, 'kv:add', { key: 'a', by: 1 }))
    }
    expect(socket.closed).toEqual({ code: 1013, reason: 'TooManyConcurrentMutations' })
    gate.resolve()
  })

  test('comes when a reader stays behind', () => {
    const { socket } = openSession()
    socket.bufferedAmount = syncLimits.maxBufferedBytes + 1
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'None' })
    socket.deliver('{')
    expect(socket.isTerminated).toBe(true)
    expect(socket.sent).toEqual([])
  })

  test('comes when nothing was heard for two minutes, not when pongs come', () => {
    const { socket, clock, session } = openSession()
    clock.ms += syncLimits.silenceMs
    socket.emit('pong')
    clock.ms += syncLimits.silenceMs
    session.tick()
    expect(socket.isTerminated).toBe(false)
    clock.ms += 1
    session.tick()
    expect(socket.isTerminated).toBe(true)
  })
})

describe('liveness', () => {
  test('a Ping goes out when nothing was sent for 15 s', () => {
    const { socket, clock, session } = openSession()
    clock.ms += syncLimits.pingAfterMs - 1
    session.tick()
    expect(socket.sent).toEqual([])
    clock.ms += 1
    session.tick()
    session.tick()
    expect(socket.sent).toEqual([{ type: 'Ping' }])
  })

  test('the socket is not read while too many messages wait for a token check', async () => {
    const { backend, socket } = openSession()
    const gate = createDeferred<void>()
    const authenticate = backend.authenticate.bind(backend)
    backend.authenticate = async (token) => {
      await gate.promise
      return await authenticate(token)
    }
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'None' })
    for (let i = 0; i < syncLimits.maxWaitingMessages; i += 1)
      socket.deliver({ type: 'Event', eventType: 'x', event: 1 })
    expect(socket.isPaused).toBe(true)
    gate.resolve()
    await vi.waitFor(() => expect(socket.isPaused).toBe(false), { interval: 1 })
  })
})

describe('authentication', () => {
  test('an AuthError names the identity of the last transition', async () => {
    const opened = openSession()
    const { socket } = opened
    socket.deliver(modifyQuerySet(0))
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'User', value: 'good' })
    await vi.waitFor(() => expect(endOf(socket.ofType('Transition').at(-1)).identity).toBe(1), { interval: 1 })
    socket.deliver({ type: 'Authenticate', baseVersion: 1, tokenType: 'User', value: 'bad' })
    await vi.waitFor(() => expect(socket.ofType('AuthError')).toHaveLength(1), { interval: 1 })
    expect(socket.ofType('AuthError')[0]).toMatchObject({ baseVersion: 1, authUpdateAttempted: true })
    expect(socket.closed).toEqual({ code: undefined, reason: '' })
  })

  test.each([
    ['mutation', callMessage('Mutation', 0, 'kv:add', { key: 'a', by: 1 })],
    ['action', callMessage('Action', 0, 'kv:echo', { value: 1 })],
    ['transition', modifyQuerySet(1)],
  ])('a token that has run out is refused at the next %s', async (_kind, message) => {
    const opened = openSession()
    const { backend, socket, clock } = opened
    backend.tokenExpiresAtMs = clock.ms + 1000
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'User', value: 'good' })
    socket.deliver(modifyQuerySet(0))
    await transitions(opened, 1)
    clock.ms += 1000
    socket.deliver(message)
    await vi.waitFor(() => expect(socket.closed).toBeDefined(), { interval: 1 })
    expect(socket.sent.at(-1)).toEqual({
      type: 'AuthError',
      error: 'Convex token identity expired',
      baseVersion: 1,
      authUpdateAttempted: false,
    })
    expect(backend.calls).toEqual([])
  })

  test('a bad admin key fails whatever is asked for, until there is a good one', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: 'bad' })
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    socket.deliver(callMessage('Mutation', 0, 'kv:add', { key: 'a', by: 1 }))
    socket.deliver(callMessage('Action', 1, 'kv:echo', { value: 1 }))
    await vi.waitFor(() => expect(socket.sent.at(-1)?.type).toBe('Transition'), { interval: 1 })
    await vi.waitFor(() => expect(socket.ofType('ActionResponse')).toHaveLength(1), { interval: 1 })
    await vi.waitFor(() => expect(socket.ofType('MutationResponse')).toHaveLength(1), { interval: 1 })
    const says = expect.stringMatching(/^You do not have permission to perform this operation: ./)
    expect(socket.ofType('Transition').flatMap(({ modifications }) => modifications)).toEqual([
      expect.objectContaining({ type: 'QueryFailed', queryId: 0, errorMessage: says }),
    ])
    expect(socket.ofType('MutationResponse')[0]).toMatchObject({ success: false, result: says })
    expect(socket.ofType('ActionResponse')[0]).toMatchObject({ success: false, result: says })
    expect(backend.calls).toEqual([])
    socket.deliver({ type: 'Authenticate', baseVersion: 1, tokenType: 'Admin', value: 'good-key' })
    await vi.waitFor(
      () => expect(socket.ofType('Transition').at(-1)?.['modifications']).toMatchObject([{ type: 'QueryUpdated' }]),
      { interval: 1 },
    )
  })

  test('an admin key that was revoked ends the session', async () => {
    const opened = openSession()
    const { backend, socket, clock, session } = opened
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: 'good-key' })
    socket.deliver(modifyQuerySet(0))
    await transitions(opened, 1)
    backend.revokedKeys.add('good-key')
    clock.ms += syncLimits.recheckAdminMs
    session.tick()
    await vi.waitFor(() => expect(socket.ofType('FatalError')).toHaveLength(1), { interval: 1 })
    expect(socket.closed).toBeDefined()
  })

  test('an admin key that cannot be checked for now stays in use', async () => {
    const opened = openSession()
    const { backend, socket, clock, session } = opened
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: 'good-key' })
    socket.deliver(modifyQuerySet(0))
    await transitions(opened, 1)
    const check = vi.spyOn(backend, 'authenticate').mockRejectedValue(new Error('control plane is down'))
    clock.ms += syncLimits.recheckAdminMs
    session.tick()
    await vi.waitFor(() => expect(check).toHaveBeenCalledTimes(1), { interval: 1 })
    await new Promise(setImmediate)
    expect(socket.closed).toBeUndefined()
  })
})

describe('a call', () => {
  test('has a request id made of session and number, another than the query of the same number', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.deliver(connectMessage())
    socket.deliver(modifyQuerySet(0, addQuery(1, 'kv:get', { key: 'a' })))
    socket.deliver(callMessage('Mutation', 1, 'kv:add', { key: 'a', by: 1 }))
    await transitions(opened, 2)
    const [query, mutation] = ['query', 'mutation'].map(
      (kind) => backend.calls.find((entry) => entry.kind === kind)?.call,
    )
    // SHA-256 of "{session}|1", first 16 hex digits.
    expect(mutation?.requestId).toBe('6e469e74eaecc794')
    expect(query?.requestId).not.toBe(mutation?.requestId)
  })

  test('runs without a session when no Connect came', async () => {
    const opened = openSession()
    const { backend, socket } = opened
    socket.deliver({ type: 'Authenticate', baseVersion: 0, tokenType: 'None' })
    socket.deliver(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' })))
    socket.deliver(callMessage('Mutation', 0, 'kv:add', { key: 'a', by: 1 }))
    await vi.waitFor(
      () => expect(socket.ofType('Transition').at(-1)?.['modifications']).toMatchObject([{ value: 1 }]),
      { interval: 1 },
    )
    expect(backend.committed).toEqual([])
  })

  test('that fails needs no timestamp and is followed by a transition', async () => {
    const opened = openSession()
    const { socket } = opened
    socket.deliver(callMessage('Mutation', 0, 'kv:refuse', { data: { code: 1 } }))
    await sentTypes(opened, 'MutationResponse', 'Transition')
    expect(socket.sent[0]).toMatchObject({ success: false, ts: null, errorData: { code: 1 }, logLines: [] })
  })
})
