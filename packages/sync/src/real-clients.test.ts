// The official clients against a server on loopback whose deployment is a table in memory.
import { createDeferred } from '@concave/base'
import { BaseConvexClient, ConvexClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { ConvexError, type Value } from 'convex/values'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { openServer } from './testing/sync-fixture.ts'

const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket
const soon = { interval: 2, timeout: 10_000 }

let server: Awaited<ReturnType<typeof openServer>>
let closing: { close(): Promise<void> }[] = []

beforeEach(async () => {
  server = await openServer()
})

afterEach(async () => {
  await Promise.all(closing.map((client) => client.close()))
  closing = []
  await server.close()
})

function openClient(onTransition: () => void = () => {}): BaseConvexClient {
  const client = new BaseConvexClient(server.url, onTransition, { webSocketConstructor, logger: false })
  closing.push(client)
  return client
}

function jwt(signature: string): string {
  const iat = Math.floor(Date.now() / 1000)
  const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ iat, exp: iat + 3600 })}.${signature}`
}

describe('queries', () => {
  test('of ConvexClient are updated', async () => {
    const client = new ConvexClient(server.url, { webSocketConstructor, logger: false })
    closing.push(client)
    const seen: unknown[] = []
    client.onUpdate(makeFunctionReference<'query'>('kv:get'), { key: 'a' }, (value) => seen.push(value))
    await vi.waitFor(() => expect(seen).toEqual([null]), soon)
    server.backend.commit({ a: 1 })
    await vi.waitFor(() => expect(seen).toEqual([null, 1]), soon)
    expect(await client.mutation(makeFunctionReference<'mutation'>('kv:add'), { key: 'a', by: 2 })).toBe(3)
    expect(seen).toEqual([null, 1, 3])
    expect(await client.action(makeFunctionReference<'action'>('kv:echo'), { value: [1, 'x'] })).toEqual([1, 'x'])
  })

  test('are always shown at one timestamp', async () => {
    const results: (readonly unknown[])[] = []
    const client = openClient(() => {
      results.push(['a', 'b'].map((key) => client.localQueryResult('kv:get', { key })))
    })
    for (const key of ['a', 'b']) client.subscribe('kv:get', { key })
    // Queries take turns, so results of different commits would be mixed easily.
    server.backend.beforeQuery = () => new Promise<void>((resolve) => setImmediate(resolve))
    for (let value = 1; value <= 50; value += 1) {
      server.backend.commit({ a: value, b: value })
      await new Promise(setImmediate)
    }
    await vi.waitFor(() => expect(results.at(-1)).toEqual([50, 50]), soon)
    for (const [a, b] of results) expect(a).toEqual(b)
  })

  test('that are not watched any more are forgotten', async () => {
    const client = openClient()
    const { unsubscribe } = client.subscribe('kv:get', { key: 'a' })
    await vi.waitFor(() => expect(server.backend.watchers.size).toBe(1), soon)
    unsubscribe()
    await vi.waitFor(() => expect(server.backend.watchers.size).toBe(0), soon)
    await client.close()
    await vi.waitFor(() => expect(server.sync.sessionCount).toBe(0), soon)
  })

  test('that fail carry the data of a ConvexError, null too', async () => {
    const client = openClient()
    client.subscribe('kv:refuse', { data: { code: 'full' } })
    client.subscribe('kv:refuse', { data: null })
    client.subscribe('kv:refuse', {})
    const failure = (args: Record<string, Value>): unknown => {
      try {
        return client.localQueryResult('kv:refuse', args)
      } catch (error) {
        return error
      }
    }
    await vi.waitFor(() => expect(failure({})).toBeInstanceOf(Error), soon)
    expect(failure({})).not.toBeInstanceOf(ConvexError)
    expect(failure({ data: { code: 'full' } })).toMatchObject({ data: { code: 'full' } })
    expect(failure({ data: null })).toBeInstanceOf(ConvexError)
    expect(failure({ data: null })).toMatchObject({ data: null })
  })

  test('with pages keep their ends over a reconnect', async () => {
    const { backend } = server
    for (const key of ['a', 'b', 'c', 'd']) backend.commit({ [key]: 1 })
    const args = { paginationOpts: { numItems: 2, cursor: null } }
    const client = openClient()
    client.subscribe('kv:page', args)
    const keys = (): readonly string[] | undefined =>
      (client.localQueryResult('kv:page', args) as { page: { key: string }[] } | undefined)?.page.map(({ key }) => key)
    await vi.waitFor(() => expect(keys()).toEqual(['a', 'b']), soon)
    backend.commit({ aa: 1 })
    await vi.waitFor(() => expect(keys()).toEqual(['a', 'aa', 'b']), soon)
    backend.calls.length = 0
    server.cutAll()
    await vi.waitFor(() => expect(backend.calls).toMatchObject([{ kind: 'query', journal: 'b' }]), soon)
    backend.commit({ ab: 1 })
    await vi.waitFor(() => expect(keys()).toEqual(['a', 'aa', 'ab', 'b']), soon)
  })

  test('with results too large for one message arrive whole', async () => {
    server.backend.render = (value) => JSON.stringify(`${'x😀'.repeat(2_000_000)}${value}`)
    const client = openClient()
    client.subscribe('kv:get', { key: 'a' })
    const length = (): number | undefined =>
      (client.localQueryResult('kv:get', { key: 'a' }) as string | undefined)?.length
    await vi.waitFor(() => expect(length()).toBe(6_000_004), soon)
    server.backend.commit({ a: 77 })
    await vi.waitFor(() => expect(length()).toBe(6_000_002), soon)
  })
})

describe('mutations', () => {
  test('are done when their effect is shown, and drop their optimistic update in the same step', async () => {
    const { backend } = server
    const shown: unknown[] = []
    const client = openClient(() => {
      shown.push(client.localQueryResult('kv:get', { key: 'a' }))
    })
    client.subscribe('kv:get', { key: 'a' })
    backend.commit({ a: 0 })
    await vi.waitFor(() => expect(shown.at(-1)).toBe(0), soon)
    // Published, then answered late, while other commits cause transitions.
    backend.beforeAnswer = async () => {
      backend.commit({ other: 1 })
      await new Promise((resolve) => setImmediate(resolve))
      backend.commit({ other: 2 })
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (let round = 1; round <= 20; round += 1) {
      const done = client.mutation(
        'kv:add',
        { key: 'a', by: 1 },
        {
          optimisticUpdate: (store) => {
            const query = makeFunctionReference<'query', { key: string }, number>('kv:get')
            store.setQuery(query, { key: 'a' }, (store.getQuery(query, { key: 'a' }) ?? 0) + 1)
          },
        },
      )
      expect(client.localQueryResult('kv:get', { key: 'a' })).toBe(round)
      await done
      expect(client.localQueryResult('kv:get', { key: 'a' })).toBe(round)
    }
    // Never back, never ahead of the one mutation under way.
    const numbers = shown.filter((value) => typeof value === 'number')
    expect(numbers).toEqual(numbers.toSorted((x, y) => x - y))
    expect(numbers.at(-1)).toBe(20)
  })

  test('that change nothing the client watches are done all the same', async () => {
    const client = openClient()
    expect(await client.mutation('kv:add', { key: 'unwatched', by: 4 })).toBe(4)
  })

  test('that fail are rejected, with data if it is a ConvexError', async () => {
    const client = openClient()
    await expect(client.mutation('kv:refuse', {})).rejects.toThrow(
      /\[CONVEX M\(kv:refuse\)\] \[Request ID: [0-9a-f]{16}\] Server Error/,
    )
    await expect(client.mutation('kv:refuse', { data: null })).rejects.toMatchObject({ data: null })
    await expect(client.action('kv:refuse', { data: ['x'] })).rejects.toMatchObject({ data: ['x'] })
  })

  test('of one client run in order', async () => {
    const client = openClient()
    server.backend.beforeMutation = ({ args }) =>
      (args as { by: number }).by % 2 === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined
    await Promise.all(Array.from({ length: 20 }, (_, by) => client.mutation('kv:add', { key: 'a', by })))
    const bys = server.backend.calls.flatMap(({ kind, call }) =>
      kind === 'mutation' ? [(call.args as { by: number }).by] : [],
    )
    expect(bys).toEqual(Array.from({ length: 20 }, (_, by) => by))
  })

  test('whose answer was lost run once', async () => {
    const { backend } = server
    const lost = createDeferred<void>()
    const client = openClient()
    client.subscribe('kv:get', { key: 'a' })
    let isFirst = true
    backend.beforeAnswer = async () => {
      if (!isFirst) return
      isFirst = false
      server.cutAll()
      await lost.promise
    }
    expect(await client.mutation('kv:add', { key: 'a', by: 1 })).toBe(1)
    expect(client.localQueryResult('kv:get', { key: 'a' })).toBe(1)
    expect(backend.committed).toHaveLength(1)
    lost.resolve()
  })
})

describe('authentication', () => {
  test('is confirmed, refused, and taken back', async () => {
    const changes: boolean[] = []
    const client = openClient()
    client.subscribe('kv:whoami', {})
    const whoami = (): unknown => client.localQueryResult('kv:whoami', {})
    const token = jwt('good1')
    client.setAuth(
      async () => token,
      (isAuthenticated) => changes.push(isAuthenticated),
    )
    await vi.waitFor(() => expect(whoami()).toBe('fake|good1'), soon)
    await vi.waitFor(() => expect(changes).toEqual([true]), soon)
    client.clearAuth()
    await vi.waitFor(() => expect(whoami()).toBe('anonymous'), soon)
    client.setAuth(
      async () => jwt('forged'),
      (isAuthenticated) => changes.push(isAuthenticated),
    )
    await vi.waitFor(() => expect(changes).toEqual([true, false]), soon)
    await vi.waitFor(() => expect(whoami()).toBe('anonymous'), soon)
    expect(await client.mutation('kv:add', { key: 'a', by: 1 })).toBe(1)
  })

  test('with a token that runs out is renewed, and what was asked is done', async () => {
    const { backend } = server
    const client = openClient()
    client.subscribe('kv:whoami', {})
    const changes: boolean[] = []
    let current = jwt('good1')
    const expiresAtMs = Date.now() + 250
    backend.tokenExpiresAtMs = expiresAtMs
    client.setAuth(
      async () => current,
      (isAuthenticated) => changes.push(isAuthenticated),
    )
    await vi.waitFor(() => expect(changes).toEqual([true]), soon)
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(expiresAtMs), soon)
    backend.tokenExpiresAtMs = undefined
    current = jwt('good2')
    await client.mutation('kv:add', { key: 'a', by: 1 })
    await vi.waitFor(() => expect(client.localQueryResult('kv:whoami', {})).toBe('fake|good2'), soon)
    expect(changes).not.toContain(false)
    const mutation = backend.calls.find(({ kind }) => kind === 'mutation')?.call
    expect(mutation?.identity).toMatchObject({ attributes: { subject: 'good2' } })
  })

  test('with an admin key sets the identity at once', async () => {
    const client = openClient()
    // Not in the public types; the dashboard and the CLI use it.
    ;(client as unknown as { setAdminAuth(key: string): void }).setAdminAuth('good-admin-key')
    client.subscribe('kv:whoami', {})
    await vi.waitFor(() => expect(client.localQueryResult('kv:whoami', {})).toBe('admin'), soon)
  })
})

test('clients come back after a server said goodbye, and resend what they watch', async () => {
  const client = openClient()
  client.subscribe('kv:get', { key: 'a' })
  await vi.waitFor(() => expect(client.localQueryResult('kv:get', { key: 'a' })).toBeNull(), soon)
  server.closeSessions(1011, 'InternalServerError')
  server.backend.commit({ a: 9 })
  await vi.waitFor(() => expect(client.localQueryResult('kv:get', { key: 'a' })).toBe(9), soon)
  expect(client.connectionState().connectionCount).toBe(2)
})

test('under random work and cut connections every write happens once and is read by its writer', async () => {
  const { backend } = server
  const seed = 42
  const clientCount = 4
  const steps = 200
  // How many writes must have been made when all connections are cut, each time between a commit and its answer.
  const cuts = new Set([150, 400, 650])
  backend.beforeAnswer = () => {
    if (cuts.delete(backend.committed.length)) server.cutAll()
  }
  const work = async (number: number): Promise<void> => {
    const random = createRandom(seed + number)
    const client = openClient()
    const expected = new Map<string, number>()
    const pending: Promise<unknown>[] = []
    for (const key of ['x', 'y', 'z']) client.subscribe('kv:get', { key: `${number}${key}` })
    client.subscribe('kv:get', { key: 'shared' })
    for (let step = 0; step < steps; step += 1) {
      const key = `${number}${['x', 'y', 'z'][random(3)]}`
      const by = random(5)
      const own = client.mutation('kv:add', { key, by })
      pending.push(client.mutation('kv:add', { key: 'shared', by: 1 }))
      expected.set(key, (expected.get(key) ?? 0) + by)
      await own
      if (random(4) === 0) await Promise.all(pending.splice(0))
      expect(client.localQueryResult('kv:get', { key }), `seed ${seed}, client ${number}, step ${step}`).toBe(
        expected.get(key),
      )
    }
    await Promise.all(pending)
    await vi.waitFor(() => {
      const total = clientCount * steps
      expect(client.localQueryResult('kv:get', { key: 'shared' })).toBe(total)
    }, soon)
  }
  await Promise.all(Array.from({ length: clientCount }, (_, number) => work(number)))
  expect(cuts.size).toBe(0)
  const requests = backend.committed.map(({ sessionId, requestNumber }) => `${sessionId}|${requestNumber}`)
  expect(new Set(requests).size).toBe(requests.length)
  expect(requests).toHaveLength(2 * clientCount * steps)
  for (const id of new Set(backend.committed.map(({ sessionId }) => sessionId))) {
    const numbers = backend.committed
      .filter(({ sessionId }) => sessionId === id)
      .map(({ requestNumber }) => requestNumber)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  }
}, 30_000)

/** Numbers below a bound, the same for the same seed (a linear congruential generator). */
function createRandom(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}
