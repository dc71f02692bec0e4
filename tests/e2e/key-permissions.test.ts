// A key with exactly these permissions can finish exactly these commands of the official command line; what it can't is
// refused with the name of the missing permission.
import { gzipSync } from 'node:zlib'
import { deployKeyAccess, openCli, startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { manage } from './cli-accounts.ts'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('shop') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

async function createKey(actions: readonly string[]): Promise<string> {
  const allowedActions = actions.map((action) => `deployment:${action}`)
  const body = { name: actions.join(), allowedActions }
  const path = `/deployments/${app.deploymentName}/create_deploy_key`
  return (await manage<{ deployKey: string }>(server, path, body)).deployKey
}

const commands = {
  deploy: ['deploy', '--typecheck', 'disable'],
  dev: ['dev', '--once', '--typecheck', 'disable'],
  'env list': ['env', 'list'],
  'env set': ['env', 'set', 'COLOR', 'blue'],
  'env remove': ['env', 'remove', 'COLOR'],
  data: ['data', 'counters'],
  'function-spec': ['function-spec'],
  'run a public query': ['run', 'counters:read', '{"name":"a"}'],
  'run an internal query': ['run', 'counters:readInternally', '{"name":"a"}'],
  'run as a user': ['run', 'counters:read', '{"name":"a"}', '--identity', '{"issuer":"i","subject":"s"}'],
  'run --inline-query': ['run', '--inline-query', 'await ctx.db.query("counters").collect()'],
} as const satisfies Record<string, readonly string[]>
type Command = keyof typeof commands

/** Permissions → what they are enough for, and what is missing for the rest. */
const table: readonly (readonly [
  actions: readonly string[],
  can: readonly Command[],
  cannot: Readonly<Partial<Record<Command, string>>>,
])[] = [
  [
    ['deploy'],
    ['deploy', 'run a public query'],
    { 'env list': 'env:view', data: 'data:view', 'run an internal query': 'functions:runInternalQueries' },
  ],
  [['deploy', 'logs:view'], ['dev'], { 'env set': 'env:write' }],
  [['env:view'], ['env list'], { 'env set': 'env:write', deploy: 'deploy' }],
  [['env:write'], ['env set', 'env remove'], { 'env list': 'env:view' }],
  [['data:view'], ['data', 'function-spec'], { 'run --inline-query': 'functions:runTestQuery' }],
  [['functions:runInternalQueries'], ['run an internal query'], { 'run as a user': 'functions:actAsUser' }],
  [['functions:actAsUser'], ['run as a user'], { data: 'data:view' }],
  [['functions:runTestQuery'], ['run --inline-query'], { 'function-spec': 'data:view' }],
]

describe.each(table)('a key for %j', (actions, can, cannot) => {
  const run = async (command: Command) => {
    const cli = await openCli(app.app, deployKeyAccess(server, await createKey(actions)))
    return await cli.run(...commands[command])
  }
  it.each(can)('can %s', async (command) => {
    expect(await run(command)).toMatchObject({ exitCode: 0 })
  })
  it.each(Object.entries(cannot) as [Command, string][])('cannot %s without %s', async (command, missing) => {
    const refused = await run(command)
    expect(refused.exitCode).toBe(1)
    const sentence = `You do not have permission to perform this operation (deployment:${missing}).`
    expect(refused.stderr + refused.stdout).toContain(sentence)
  })
})

const call = (path: string, args: object = {}) => ({ path, args, format: 'json' })

/** Every door that a permission guards, with everything but that permission. */
type Door = readonly [missing: string, method: 'GET' | 'POST', path: string, body?: object]
const doors: readonly (readonly [name: string, door: Door])[] = (
  [
    ['env:view', 'GET', '/api/v1/list_environment_variables'],
    ['env:view', 'GET', '/api/list_environment_variables'],
    ['env:write', 'POST', '/api/v1/update_environment_variables', { changes: [] }],
    ['env:write', 'POST', '/api/update_environment_variables', { changes: [] }],
    ['env:view', 'POST', '/api/query', call('_system/cli/queryEnvironmentVariables')],
    ['env:view', 'POST', '/api/function', call('_system/frontend/listEnvironmentVariables')],
    ['logs:view', 'GET', '/api/stream_function_logs?cursor=0'],
    ['data:view', 'GET', '/api/v1/deployment_info'],
    ['data:view', 'GET', '/api/shapes2'],
    ['data:view', 'POST', '/api/query', call('_system/cli/tables')],
    ['data:view', 'POST', '/api/run/_system/cli/tables/default', { args: {} }],
    ['data:write', 'POST', '/api/cancel_all_jobs', {}],
    ['data:write', 'POST', '/api/delete_tables', { tableNames: [] }],
    ['data:write', 'POST', '/api/delete_component', { componentId: 'none' }],
    ['data:view', 'GET', '/api/shapes2'],
    ['deploy', 'POST', '/api/get_config_hashes', {}],
    ['deploy', 'POST', '/api/deploy2/start_push', {}],
    ['deploy', 'POST', '/api/deploy2/finish_push', {}],
    ['functions:runInternalQueries', 'POST', '/api/query', call('counters:readInternally', { name: 'a' })],
    [
      'functions:runInternalQueries',
      'POST',
      '/api/query_batch',
      { queries: [call('counters:readInternally', { name: 'a' })] },
    ],
    [
      'functions:runInternalMutations',
      'POST',
      '/api/mutation',
      call('counters:addThenThrow', { name: 'a', amount: 1 }),
    ],
    [
      'functions:runInternalMutations',
      'POST',
      '/api/function',
      call('counters:addThenThrow', { name: 'a', amount: 1 }),
    ],
    ['functions:runTestQuery', 'POST', '/api/run_test_function', { bundle: { source: '' }, args: {} }],
  ] satisfies readonly Door[]
).map((door) => [`${door[0]}: ${door[1]} ${door[2]}`, door])

const everything = [
  'deploy',
  'env:view',
  'env:write',
  'logs:view',
  'data:view',
  'data:write',
  'functions:actAsUser',
  'functions:runInternalQueries',
  'functions:runInternalMutations',
  'functions:runInternalActions',
  'functions:runTestQuery',
]

it.each(doors)('refuses without %s', async (_name, [missing, method, path, body]) => {
  const key = await createKey(everything.filter((action) => action !== missing))
  const answer = await fetch(`${app.url}${path}`, {
    method,
    headers: { authorization: `Convex ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  expect([answer.status, await answer.json()]).toEqual([
    403,
    {
      code: 'OperationNotPermitted',
      message: `You do not have permission to perform this operation (deployment:${missing}).`,
    },
  ])
})

it('reads large pushes of those alone who have shown a key', async () => {
  const body = gzipSync(JSON.stringify({ filler: ' '.repeat(17 * 1_048_576) }))
  const send = async (headers: Readonly<Record<string, string>>) => {
    const shared = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const path = '/api/get_config_hashes'
    return await fetch(`${app.url}${path}`, { method: 'POST', headers: { ...shared, ...headers }, body })
  }
  expect((await send({ authorization: `Convex ${app.deployKey}` })).status).toBe(200)
  expect((await send({ authorization: 'Convex nobody' })).status).toBe(401)
  expect((await send({})).status).toBe(413)
})

it('tells a key what it may do', async () => {
  const check = async (key: string) => {
    const answer = await fetch(`${app.url}/api/check_admin_key`, { headers: { authorization: `Convex ${key}` } })
    return await answer.json()
  }
  expect(await check(await createKey(['env:view', 'deploy']))).toEqual({
    success: true,
    allowedOps: ['Deploy', 'ViewEnvironmentVariables'],
    isReadOnly: false,
  })
  expect(await check(app.deployKey)).toEqual({ success: true, allowedOps: [], isReadOnly: false })
})

it('tells who the deployment is', async () => {
  const answer = await fetch(`${app.url}/api/v1/deployment_info`, {
    headers: { authorization: `Convex ${app.deployKey}` },
  })
  expect(await answer.json()).toMatchObject({
    kind: 'cloud',
    teamId: server.teamId,
    projectId: app.projectId,
    projectSlug: 'pushed',
    deploymentType: 'dev',
    reference: 'dev/owner',
  })
})

it('refuses over the socket, call by call', async () => {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/api/1.48.0/sync`)
  const messages: Record<string, unknown>[] = []
  const results = () =>
    messages.flatMap((message) => (message['modifications'] ?? []) as readonly Record<string, unknown>[])
  const answered = Promise.withResolvers<void>()
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString('utf8')) as Record<string, unknown>)
    if (results().length === 3 && messages.some(({ type }) => type === 'MutationResponse')) answered.resolve()
  })
  await new Promise((resolve) => socket.once('open', resolve))
  const send = (message: object): void => socket.send(JSON.stringify(message))
  send({ type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: await createKey(['env:view']) })
  const queries = ['_system/cli/tables:default', '_system/cli/queryEnvironmentVariables:default', 'version:current']
  const modifications = queries.map((udfPath, queryId) => ({ type: 'Add', queryId, udfPath, args: [{}] }))
  send({ type: 'ModifyQuerySet', baseVersion: 0, newVersion: 1, modifications })
  send({ type: 'Mutation', requestId: 0, udfPath: 'counters:addThenThrow', args: [{ name: 'a', amount: 1 }] })
  await answered.promise
  socket.close()
  const missing = (action: string) => `You do not have permission to perform this operation (deployment:${action}).`
  expect(results()).toContainEqual(
    expect.objectContaining({
      type: 'QueryFailed',
      queryId: 0,
      errorMessage: expect.stringContaining(missing('data:view')),
    }),
  )
  expect(results()).toContainEqual(expect.objectContaining({ type: 'QueryUpdated', queryId: 1, value: [] }))
  expect(results()).toContainEqual(expect.objectContaining({ type: 'QueryUpdated', queryId: 2, value: 'first' }))
  expect(messages).toContainEqual(
    expect.objectContaining({
      type: 'MutationResponse',
      success: false,
      result: expect.stringContaining(missing('functions:runInternalMutations')),
    }),
  )
})

it('rotates a key without a gap', async () => {
  const rotate = async (id: string, graceMs?: number) =>
    await manage<{ deployKey: string; oldKeyExpiresAt: number }>(
      server,
      `/deployments/${app.deploymentName}/rotate_deploy_key`,
      { id, ...(graceMs === undefined ? {} : { graceMs }) },
    )
  const read = async (key: string) => (await post(app.url, '/api/query', call('_system/cli/tables'), { key })).status
  const first = await createKey(['data:view'])
  const second = (await rotate(first)).deployKey
  expect([await read(first), await read(second)]).toEqual([200, 200])
  const third = (await rotate(second, 0)).deployKey
  expect([await read(second), await read(third)]).toEqual([401, 200])
  expect(
    (await post(app.url, '/api/query', call('counters:readInternally', { name: 'a' }), { key: third })).status,
  ).toBe(403)
})
