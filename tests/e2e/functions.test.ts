// Queries and mutations of a pushed app through the official clients: arguments, results, indexes, nesting, errors, logs.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { BaseConvexClient, ConvexClient, ConvexHttpClient } from 'convex/browser'
import { ConvexError } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'
import { counters, items, outcomes, values, version } from './shop-api.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let dev: PushedApp
let client: ConvexHttpClient
beforeAll(async () => {
  server = await startTestServer()
  dev = await pushApp(server, { folder: fixtureFolder('shop') })
  client = new ConvexHttpClient(dev.url, { logger: false })
})
afterAll(async () => {
  await dev[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('arguments and results', () => {
  const everything = {
    nothing: null,
    flag: true,
    float: -0,
    whole: -(2n ** 63n),
    text: 'ä😀\u0000',
    bytes: new Uint8Array([0, 255, 7]).buffer,
    list: ['a', 1.5, Infinity],
    object: { inner: { deep: false } },
    record: { x: 1n, y: 2n ** 62n },
    literal: 12n,
    anything: [{ nested: [null, NaN] }],
  }

  it('carry every kind of value there and back', async () => {
    const echoed = (await client.query(values.echo, everything)) as typeof everything
    expect(echoed).toEqual(everything)
    expect(Object.is(echoed.float, -0)).toBe(true)
    expect(await client.query(values.echo, { ...everything, optional: 'given', literal: 'a' })).toMatchObject({
      optional: 'given',
    })
  })

  it('are stored and read back as they are', async () => {
    const content = { ...everything, bytes: [everything.bytes], big: 'x'.repeat(100_000) }
    expect(await client.mutation(values.store, { content })).toEqual(content)
  })

  it.each([
    ['a missing field', { inner: 1 }, 'Object is missing the required field'],
    [
      'a field too many',
      { ...everything, more: 1 },
      'Object contains extra field `more` that is not in the validator.',
    ],
    ['a wrong kind', { ...everything, whole: 1 }, 'Path: .whole\nValue: 1.0\nValidator: v.int64()'],
    ['a literal that is not in the union', { ...everything, literal: 'b' }, 'Path: .literal'],
    ['a wrong value in a record', { ...everything, record: { x: 'y' } }, 'Path: .record.values()'],
  ])('are refused with %s', async (_what, args, says) => {
    const failed = client.query(values.echo, args)
    await expect(failed).rejects.toThrow('ArgumentValidationError')
    await expect(failed).rejects.toThrow(says)
  })

  it('of a result that is not what the function promised are refused', async () => {
    await expect(client.query(values.returnsWrongKind, {})).rejects.toThrow('ReturnsValidationError')
  })

  it('are free where a function has no validators', async () => {
    expect(await client.query(values.untyped, { b: 1, a: 2 })).toEqual({ keys: ['a', 'b'] })
  })
})

describe('documents', () => {
  it('have an id and a creation time, change and go away', async () => {
    const before = Date.now()
    const id: string = await client.mutation(items.add, { shelf: 'life', rank: 1, label: 'x' })
    expect(await client.query(items.isItemId, { text: id })).toBe(true)
    const created = await client.query(items.get, { id })
    expect(created).toEqual({
      _id: id,
      _creationTime: expect.any(Number),
      shelf: 'life',
      rank: 1,
      label: 'x',
      state: 'new',
    })
    expect(created._creationTime).toBeGreaterThanOrEqual(before)
    const sold = { kind: 'sold', price: 2.5 }
    await client.mutation(items.patch, { id, state: sold })
    expect(await client.query(items.get, { id })).toEqual({ ...created, state: sold })
    await client.mutation(items.replace, { id, shelf: 'life', rank: 2 })
    const { label: _label, ...rest } = created
    expect(await client.query(items.get, { id })).toEqual({ ...rest, rank: 2 })
    await client.mutation(items.remove, { id })
    expect(await client.query(items.get, { id })).toBeNull()
    await expect(client.mutation(items.remove, { id })).rejects.toThrow('Delete on nonexistent document ID')
    await expect(client.query(items.get, { id: 'nonsense' })).rejects.toThrow('ArgumentValidationError')
  })

  it('are refused by the schema when they do not match it', async () => {
    const failed = client.mutation(values.storeBadItem, {})
    await expect(failed).rejects.toThrow('does not match the schema')
  })
})

describe('queries', () => {
  const ranks = [5, 1, 4, 2, 3]
  beforeAll(async () => {
    for (const rank of ranks) await client.mutation(items.add, { shelf: 'q', rank, label: `number ${rank}` })
    await client.mutation(items.add, { shelf: 'single', rank: 9 })
    await client.mutation(items.add, { shelf: 'q', rank: 6, state: { kind: 'sold', price: 1 } })
  })

  it.each([
    [{}, [1, 2, 3, 4, 5, 6]],
    [{ order: 'desc' }, [6, 5, 4, 3, 2, 1]],
    [{ from: 2, until: 4 }, [2, 3, 4]],
    [{ after: 2, before: 4 }, [3]],
    [{ after: 2, until: 4, order: 'desc' }, [4, 3]],
    [{ from: 7 }, []],
  ])('read the range %j of an index', async (range, expected) => {
    expect(await client.query(items.range, { shelf: 'q', ...range })).toEqual(expected)
  })

  it('filter', async () => {
    expect(await client.query(items.cheap, { shelf: 'q', below: 3 })).toEqual([1, 2, 6])
  })

  it('take, first, last and iterate', async () => {
    expect(await client.query(items.ends, { shelf: 'q', count: 2 })).toEqual({
      first: 1,
      last: 6,
      some: [1, 2],
      counted: 6,
    })
    expect(await client.query(items.ends, { shelf: 'none', count: 2 })).toEqual({
      first: null,
      last: null,
      some: [],
      counted: 0,
    })
  })

  it('find the one document, or none, and refuse to choose', async () => {
    expect(await client.query(items.only, { shelf: 'single' })).toBe(9)
    expect(await client.query(items.only, { shelf: 'none' })).toBeNull()
    await expect(client.query(items.only, { shelf: 'q' })).rejects.toThrow(
      'unique() query returned more than one result',
    )
  })

  it('refuse an index that is not there', async () => {
    await expect(client.query(items.byMissingIndex, {})).rejects.toThrow('Index items.by_nothing not found.')
  })

  it('see one snapshot when they are to be consistent', async () => {
    expect(await client.consistentQuery(items.range, { shelf: 'q' })).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('page', async () => {
    const seen: number[] = []
    let cursor: string | null = null
    for (let pages = 0; pages < 10; pages += 1) {
      const page: { page: { rank: number }[]; isDone: boolean; continueCursor: string } = await client.query(
        items.page,
        {
          shelf: 'q',
          paginationOpts: { numItems: 2, cursor },
        },
      )
      seen.push(...page.page.map(({ rank }) => rank))
      cursor = page.continueCursor
      if (page.isDone) break
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
  })
})

describe('functions that call functions', () => {
  it('undo the writes of a nested mutation that fails, and only those', async () => {
    const done = await client.mutation(counters.addAndSurviveFailure, { name: 'nested' })
    expect(done).toEqual({ caught: { code: 'tooMuch', amount: 100 }, value: 1 })
    expect(await client.query(counters.read, { name: 'nested' })).toBe(1)
  })

  it('cannot be called from outside when they are internal', async () => {
    await expect(client.query(counters.readInternally, { name: 'x' })).rejects.toThrow(
      "Could not find public function for 'counters:readInternally'",
    )
  })
})

describe('what a function says', () => {
  it('reaches the client of a development deployment', async () => {
    const spoken = await post(dev.url, '/api/query', { path: 'outcomes:speak', args: {} })
    expect(spoken.body).toEqual({
      status: 'success',
      value: 'spoken',
      logLines: ["[LOG] 'hello' {\n  a: 1\n} [ 1, 'two' ]", "[WARN] 'careful'", "[ERROR] 'bad'"],
    })
    const failed = await post(dev.url, '/api/query', { path: 'outcomes:fail', args: {} })
    expect(failed.body).toMatchObject({ status: 'error', logLines: ["[LOG] 'before the failure'"] })
    expect(failed.body.errorMessage).toMatch(
      /^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: secret detail 42/,
    )
    expect(failed.body.errorMessage).toContain('convex/outcomes.ts:18')
  })

  it('carries the data of a ConvexError, and the mutation has not happened', async () => {
    const failed: unknown = await client
      .mutation(outcomes.refuse, { reason: 'closed' })
      .catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(ConvexError)
    expect((failed as ConvexError<{ reason: string; size: bigint }>).data).toEqual({ reason: 'closed', size: 3n })
    expect(await client.query(counters.read, { name: 'refused closed' })).toBe(0)
  })

  it('does not depend on the clock while it runs', async () => {
    expect(await client.query(outcomes.now, {})).toEqual({ isFrozen: true, isNumber: true })
  })

  it('stays in a production deployment, but for ConvexError data', async () => {
    await using prod = await pushApp(server, { folder: fixtureFolder('shop'), type: 'prod' })
    const spoken = await post(prod.url, '/api/query', { path: 'outcomes:speak', args: {} })
    expect(spoken.body).toEqual({ status: 'success', value: 'spoken' })
    const failed = await post(prod.url, '/api/query', { path: 'outcomes:fail', args: {} })
    expect(failed.body).toEqual({
      status: 'error',
      errorMessage: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error$/),
    })
    const refused = await post(prod.url, '/api/mutation', {
      path: 'outcomes:refuse',
      args: { reason: 'r' },
      format: 'json',
    })
    expect(refused.body).toMatchObject({ status: 'error', errorData: { reason: 'r' } })
    const admin = await post(prod.url, '/api/query', { path: 'outcomes:fail', args: {} }, { key: prod.deployKey })
    expect(admin.body.errorMessage).toContain('secret detail 42')
    expect(admin.body.logLines).toEqual(["[LOG] 'before the failure'"])
  })
})

describe('live queries', () => {
  let live: ConvexClient
  beforeAll(() => {
    live = new ConvexClient(dev.url, { logger: false })
  })
  afterAll(async () => {
    await live.close()
  })

  it('follow a mutation, a changed variable and a deploy', async () => {
    const seen = { counter: undefined as unknown, greeting: undefined as unknown, version: undefined as unknown }
    live.onUpdate(counters.read, { name: 'live' }, (value) => (seen.counter = value))
    live.onUpdate(outcomes.greeting, {}, (value) => (seen.greeting = value))
    live.onUpdate(version.current, {}, (value) => (seen.version = value))
    const sees = async (expected: Partial<typeof seen>): Promise<void> => {
      const isSeen = () => Object.entries(expected).every(([name, value]) => seen[name as keyof typeof seen] === value)
      await waitFor(JSON.stringify(expected), () => (isSeen() ? true : undefined))
    }
    await sees({ counter: 0, greeting: 'unset', version: 'first' })

    await live.mutation(counters.add, { name: 'live', amount: 5 })
    expect(seen.counter).toBe(5)

    const changes = [{ name: 'GREETING', value: 'hello' }]
    const changed = await post(dev.url, '/api/update_environment_variables', { changes }, { key: dev.deployKey })
    expect(changed.status).toBe(200)
    await sees({ greeting: 'hello' })

    const source = await dev.app.read('convex/version.ts')
    await dev.app.write({ 'convex/version.ts': source.replace('first', 'second') })
    await dev.push()
    await sees({ version: 'second', counter: 5, greeting: 'hello' })
    await live.mutation(counters.add, { name: 'live', amount: 1 })
    expect(seen.counter).toBe(6)
  })

  it('show built-in variables to functions', async () => {
    expect(await client.query(outcomes.site, {})).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('are all at one time', async () => {
    const args = { name: 'together' }
    const seen: [unknown, unknown][] = []
    const base = new BaseConvexClient(
      dev.url,
      () => {
        seen.push([base.localQueryResult('counters:read', args), base.localQueryResult('counters:readTwice', args)])
      },
      { logger: false },
    )
    try {
      base.subscribe('counters:read', args)
      base.subscribe('counters:readTwice', args)
      await waitFor('the first results', () => (seen.at(-1)?.[1] === 0 ? true : undefined))
      for (let round = 0; round < 20; round += 1) await client.mutation(counters.add, { ...args, amount: 1 })
      await waitFor('the last results', () => (seen.at(-1)?.[0] === 20 ? true : undefined))
    } finally {
      await base.close()
    }
    const results = seen.filter(([once]) => once !== undefined) as [number, number][]
    expect(results.map(([, twice]) => twice)).toEqual(results.map(([once]) => once * 2))
  })

  it('run the mutations of one client in order', async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, () => live.mutation(counters.add, { name: 'ordered', amount: 1 })),
    )
    expect(results).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
  })
})

describe('the HTTP API', () => {
  const name = 'http'
  beforeAll(async () => {
    await client.mutation(counters.add, { name, amount: 7 })
  })

  const get = async (path: string): Promise<unknown> => await (await fetch(`${dev.url}${path}`)).json()

  it('answers a GET, a batch at one time, and a function in the path', async () => {
    const success = { status: 'success', value: 7 }
    const args = encodeURIComponent(JSON.stringify({ name }))
    expect(await get(`/api/query?path=counters:read&args=${args}`)).toEqual(success)
    const call = { path: 'counters:read', args: { name } }
    const batch = await post(dev.url, '/api/query_batch', { queries: [call, { ...call, path: 'counters:nothing' }] })
    expect(batch.body).toEqual({ results: [success, expect.objectContaining({ status: 'error' })] })
    expect((await post(dev.url, '/api/run/counters/read', { args: { name } })).body).toEqual(success)
    const { body: now } = await post(dev.url, '/api/query_ts', {})
    const then = { ...call, ...now }
    await client.mutation(counters.add, { name, amount: 1 })
    expect((await post(dev.url, '/api/query_at_ts', then)).body).toEqual(success)
    expect((await post(dev.url, '/api/query', call)).body).toEqual({ ...success, value: 8 })
  })

  it.each([
    [undefined, { whole: '5', bytes: 'AP8=', float: 1 }],
    ['json', { whole: '5', bytes: 'AP8=', float: 1 }],
    ['convex_encoded_json', { whole: { $integer: 'BQAAAAAAAAA=' }, bytes: { $bytes: 'AP8=' }, float: 1 }],
  ])('gives values in the format %s', async (format, value) => {
    const args = { whole: { $integer: 'BQAAAAAAAAA=' }, bytes: { $bytes: 'AP8=' }, float: 1 }
    const answer = await post(dev.url, '/api/query', { path: 'values:untypedEcho', args, format })
    expect(answer.body).toEqual({ status: 'success', value })
  })

  it('lets pages of other origins call it', async () => {
    const origin = 'https://app.test'
    const preflight = await fetch(`${dev.url}/api/mutation`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    })
    expect(preflight.ok).toBe(true)
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type')
    expect(preflight.headers.get('access-control-allow-credentials')).toBe('true')
  })
})
