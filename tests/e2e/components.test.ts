// An app and its components at work: calls, transactions, references, handles, isolation.
import { startTestServer, type TestServer } from '@concave/testing'
import { ConvexClient } from 'convex/browser'
import { anyApi } from 'convex/server'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('components'), name: 'Components' })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

async function fail(path: string, args: object): Promise<string> {
  const { body } = await post(app.url, '/api/mutation', { path, args, format: 'json' })
  expect(body.status).toBe('error')
  return body.errorMessage ?? ''
}

it('calls two components that are made from one definition, each with tables of its own', async () => {
  expect(await mutation(app.url, 'calls:count', { name: 'a' })).toEqual([1, 10])
  expect(await mutation(app.url, 'calls:count', { name: 'a' })).toEqual([2, 20])
  expect(await query(app.url, 'calls:counts', { name: 'a' })).toEqual([2, 20])
})

it('loses nothing when many calls meet in the tables of its components', async () => {
  const clients = Array.from({ length: 16 }, async () => {
    for (let call = 0; call < 10; call += 1) await mutation(app.url, 'calls:count', { name: 'hot' })
  })
  await Promise.all(clients)
  expect(await query(app.url, 'calls:counts', { name: 'hot' })).toEqual([160, 1600])
})

it('keeps queries of components live', async () => {
  const client = new ConvexClient(app.url)
  const results: unknown[] = []
  const stop = client.onUpdate(anyApi['calls']!['counts']!, { name: 'live' }, (value) => results.push(value))
  await vi.waitFor(() => expect(results).toEqual([[0, 0]]))
  await mutation(app.url, 'calls:count', { name: 'live' })
  await vi.waitFor(() =>
    expect(results).toEqual([
      [0, 0],
      [1, 10],
    ]),
  )
  stop()
  await client.close()
})

it('undoes what a component did when it fails, and all of it when the app fails', async () => {
  const caught = (await mutation(app.url, 'calls:countOrNot', { name: 'b' })) as { message: string }
  expect(caught).toMatchObject({ data: { counter: 'b' }, count: 1 })
  expect(await query(app.url, 'calls:counts', { name: 'b failed' })).toEqual([0, 0])
  expect(await fail('calls:fails', { name: 'b' })).toContain('the app failed')
  expect(await query(app.url, 'calls:counts', { name: 'b' })).toEqual([1, 0])
})

it('runs components from actions, and by handles', async () => {
  const { body } = await post(app.url, '/api/action', { path: 'calls:act', args: { name: 'c' }, format: 'json' })
  expect(body).toMatchObject({ status: 'success', value: [1, 1, 2] })
})

it('lets a component call back by a handle of an internal function', async () => {
  const handle = await mutation(app.url, 'calls:callBack', { name: 'me' })
  expect(handle).toMatch(/^function:\/\/[a-z0-9]+#calls:remember$/)
  expect(await query(app.url, 'notes:list')).toContain('remembered me')
  await app.push()
  expect(await mutation(app.url, 'calls:callBack', { name: 'again' })).toBe(handle)
})

it('gives a component the variables that it was given and no others', async () => {
  expect(await query(app.url, 'calls:greet', { name: 'Ann' })).toBe('Hello, Ann.')
  await app.cli.succeed('env', 'set', 'TONE', '!')
  expect(await query(app.url, 'calls:greet', { name: 'Ann' })).toBe('Hello, Ann!')
  expect(await query(app.url, 'calls:seen')).toMatchObject({ component: { tone: null } })
})

it('tells a component nothing of who calls the app', async () => {
  const identity = Buffer.from(JSON.stringify({ subject: 'ann', issuer: 'https://issuer' })).toString('base64')
  const { body } = await post(
    app.url,
    '/api/query',
    { path: 'calls:seen', args: {}, format: 'json' },
    { key: `${app.deployKey}:${identity}` },
  )
  expect(body.value).toMatchObject({
    app: 'ann',
    component: {
      identity: null,
      metadata: { name: 'counters:seen', componentPath: 'counter', type: 'query', visibility: 'public' },
    },
  })
})

it.each([
  ['internal', 'Component counter does not export counters.reset'],
  ['missing', 'Component counter does not export counters.nothing'],
  ['component', 'Child component nobody not found'],
  ['handle', 'Function handle not found'],
  ['arguments', 'ArgumentValidationError: Object is missing the required field `name`'],
  ['pagination', 'paginate() is only supported in the app'],
])('refuses a call that is wrong: %s', async (kind, says) => {
  expect(await fail('calls:wrong', { kind })).toContain(says)
})

it('shows functions of components to admins only', async () => {
  const call = { path: 'counters:read', componentPath: 'counter2', args: { name: 'a' }, format: 'json' }
  expect((await post(app.url, '/api/function', call, { key: app.deployKey })).body).toMatchObject({ value: 20 })
  expect(await post(app.url, '/api/query', call)).toMatchObject({
    status: 403,
    body: { code: 'ComponentAccessDenied' },
  })
  const output = await app.cli.succeed('run', '--component', 'counter2', 'counters:read', '{"name":"a"}')
  expect(output.stdout.trim()).toBe('20')
})
