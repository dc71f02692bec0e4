// The Admin API as its page prints it: every `curl`, the client of the page, its errors; and bad input of every sort.
import {
  createProject,
  runAdminKeyCreate,
  startChild,
  startTestServer,
  type TestProject,
  type TestServer,
} from '@concave/testing'
import { ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
let other: TestProject
let readOnlyKey: string
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('shop') })
  other = await createProject(server, { name: 'Other' })
  const created = await runAdminKeyCreate({ deployment: app.deploymentName, dataDir: server.dataDir, isReadOnly: true })
  readOnlyKey = created.stdout.trim()
  for (const rank of [1, 2]) await mutation(app.url, 'items:add', { shelf: 'admin', rank })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Runs a command of the page as it is printed there, with a real URL, key and table. */
async function runPrinted(command: string): Promise<unknown> {
  const text = command.replace('https://my-deployment.convex.cloud', app.url).replace('"users"', '"items"')
  const env = { PATH: process.env['PATH'] ?? '', ADMIN_KEY: app.deployKey }
  const child = startChild(['-c', `curl -sS ${text.trim().replace(/^curl /, '')}`], { command: 'sh', cwd: '/', env })
  const { code } = await child.exited
  expect({ code, stderr: child.stderr() }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(child.stdout())
}

describe('the commands of the Admin API page', () => {
  it('list tables', async () => {
    const answer = await runPrinted(`
curl -X POST "https://my-deployment.convex.cloud/api/run_function" \\
  -H "Authorization: Convex $ADMIN_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "path": "_system/cli/tables",
    "args": {},
    "format": "json"
  }'`)
    const value = [{ name: 'boxes' }, { name: 'counters' }, { name: 'items' }]
    expect(answer).toEqual({ status: 'success', value })
  })

  it('query data', async () => {
    const answer = await runPrinted(`
curl -X POST "https://my-deployment.convex.cloud/api/run_function" \\
  -H "Authorization: Convex $ADMIN_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "path": "_system/cli/tableData",
    "args": {
      "table": "users",
      "order": "desc"
    },
    "format": "json"
  }'`)
    const row = { _id: expect.any(String), _creationTime: expect.any(Number), shelf: 'admin', state: 'new' }
    expect(answer).toEqual({
      status: 'success',
      value: [
        { ...row, rank: 2 },
        { ...row, rank: 1 },
      ],
    })
  })

  it('list environment variables', async () => {
    const changes = [{ name: 'PAGE', value: 'yes' }]
    const changed = await post(app.url, '/api/update_environment_variables', { changes }, { key: app.deployKey })
    expect(changed).toEqual({ status: 200, body: {} })
    const listed = await post(
      app.url,
      '/api/run_function',
      { path: '_system/cli/environmentVariables', args: {}, format: 'json' },
      { key: app.deployKey },
    )
    expect(listed).toEqual({ status: 200, body: { status: 'success', value: { PAGE: 'yes' } } })
  })

  it('work from Node with ConvexHttpClient', async () => {
    const client = new ConvexHttpClient(app.url) as ConvexHttpClient & { setAdminAuth(key: string): void }
    client.setAdminAuth(app.deployKey)
    // The page passes plain strings; the client's types want references, which are the same at run time.
    const tables = await client.query(makeFunctionReference<'query'>('_system/cli/tables'), {})
    expect(tables).toEqual([{ name: 'boxes' }, { name: 'counters' }, { name: 'items' }])
    const users = await client.query('_system/cli/tableData' as never, { table: 'items', order: 'desc' } as never)
    expect(users).toMatchObject([{ rank: 2 }, { rank: 1 }])
  })
})

describe('keys', () => {
  const listTables = { path: '_system/cli/tables', args: {}, format: 'json' }
  const adminCalls = [
    ['/api/run_function', listTables],
    ['/api/function', listTables],
    ['/api/update_environment_variables', { changes: [] }],
    ['/api/get_config_hashes', { version: '1.48.0' }],
    ['/api/deploy2/start_push', {}],
    ['/api/deploy2/finish_push', {}],
  ] as const

  const badDeployKey = () => ({
    code: 'BadDeployKey',
    message:
      `The provided deploy key was invalid for deployment '${app.deploymentName}'. ` +
      'Double check that the environment this key was generated for matches the desired deployment.',
  })

  it.each(adminCalls)('missing or unknown ones are answered with 401 at %s', async (path, body) => {
    expect(await post(app.url, path, body)).toEqual({ status: 401, body: badDeployKey() })
    for (const key of ['nonsense', `dev:${app.deploymentName}|nonsense`, `${app.deployKey}x`]) {
      expect(await post(app.url, path, body, { key }), key).toEqual({ status: 401, body: badDeployKey() })
    }
  })

  it.each(adminCalls)("another deployment's is answered with 403 at %s", async (path, body) => {
    expect(await post(app.url, path, body, { key: other.deployKey })).toEqual({ status: 403, body: badDeployKey() })
  })

  it('read-only ones read', async () => {
    const listed = await post(app.url, '/api/run_function', listTables, { key: readOnlyKey })
    expect(listed).toMatchObject({ status: 200, body: { status: 'success' } })
    const checked = await fetch(`${app.url}/api/check_admin_key`, {
      headers: { authorization: `Convex ${readOnlyKey}` },
    })
    expect(await checked.json()).toMatchObject({ success: true, isReadOnly: true })
  })

  it.each([
    ['/api/run_function', 'ReadOnlyAdminKey', { path: 'counters:add', args: { name: 'ro', amount: 1 } }],
    ['/api/function', 'OperationNotPermitted', { path: 'counters:add', args: { name: 'ro', amount: 1 } }],
    ['/api/mutation', 'OperationNotPermitted', { path: 'counters:add', args: { name: 'ro', amount: 1 } }],
    ['/api/update_environment_variables', 'OperationNotPermitted', { changes: [{ name: 'RO', value: '1' }] }],
  ])('read-only ones may not write at %s: %s', async (path, code, body) => {
    const refused = await post(app.url, path, body, { key: readOnlyKey })
    const missing = path.endsWith('variables') ? ' (deployment:env:write)' : ' (deployment:data:write)'
    const named = code === 'ReadOnlyAdminKey' ? '' : missing
    expect(refused).toEqual({
      status: 403,
      body: { code, message: `You do not have permission to perform this operation${named}.` },
    })
    expect(await query(app.url, 'counters:read', { name: 'ro' })).toBe(0)
  })

  it('read-only ones may not push', async () => {
    const request = {
      adminKey: readOnlyKey,
      dryRun: false,
      functions: 'convex/',
      appDefinition: {
        definition: null,
        dependencies: [],
        schema: null,
        changedModules: [],
        udfServerVersion: '1.48.0',
      },
    }
    const refused = await post(app.url, '/api/deploy2/start_push', request, { key: readOnlyKey })
    expect(refused).toMatchObject({ status: 403, body: { code: 'OperationNotPermitted' } })
    expect(await query(app.url, 'version:current')).toBe('first')
  })
})

describe('bad requests', () => {
  const call = { path: 'counters:read', args: { name: 'x' } }

  async function send(
    path: string,
    body: string,
    contentType = 'application/json',
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${app.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body,
    })
    return { status: response.status, body: await response.json() }
  }

  it.each([
    ['malformed JSON', '{"path":', 'application/json'],
    ['no JSON at all', '', 'application/json'],
    ['another content type', JSON.stringify(call), 'text/plain'],
    ['a missing field', JSON.stringify({ args: {} }), 'application/json'],
    ['a field of another kind', JSON.stringify({ path: 7, args: {} }), 'application/json'],
    ['a body that is no object', '[1]', 'application/json'],
  ])('with %s are 400 BadJsonBody', async (_what, body, contentType) => {
    for (const path of ['/api/query', '/api/mutation']) {
      const answer = await send(path, body, contentType)
      expect(answer).toEqual({ status: 400, body: { code: 'BadJsonBody', message: expect.stringMatching(/\w/) } })
    }
  })

  it('with an unknown format are 400 BadFormat', async () => {
    const answer = await post(app.url, '/api/query', { ...call, format: 'xml' })
    expect(answer).toEqual({ status: 400, body: { code: 'BadFormat', message: expect.stringContaining('xml') } })
  })

  it('with an unknown function are errors of the function', async () => {
    const answer = await post(app.url, '/api/query', { path: 'counters:nothing', args: {} })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ status: 'error' })
    expect(answer.body.errorMessage).toContain("Could not find public function for 'counters:nothing'")
  })

  it('with a function of another kind are errors of the function', async () => {
    const answer = await post(app.url, '/api/mutation', call)
    expect(answer.body.errorMessage).toContain(
      'Trying to execute counters.js:read as Mutation, but it is defined as Query.',
    )
  })

  it('with a path that is none are 400 BadConvexFunctionIdentifier', async () => {
    const answer = await post(app.url, '/api/query', { path: 'a:b:c', args: {} })
    expect(answer).toMatchObject({ status: 400, body: { code: 'BadConvexFunctionIdentifier' } })
  })

  it('with arguments that are none are errors of the function', async () => {
    for (const args of ['text', [{ name: 'x' }, {}], 7]) {
      const answer = await post(app.url, '/api/query', { path: 'counters:read', args })
      expect(answer, JSON.stringify(args)).toMatchObject({ status: 200, body: { status: 'error' } })
    }
  })

  it('that are too large are 413', async () => {
    const body = JSON.stringify({ path: 'counters:read', args: { name: 'x'.repeat(17 * 1_048_576) } })
    const answer = await send('/api/query', body)
    expect(answer).toMatchObject({ status: 413, body: { code: 'RequestTooLarge' } })
  })

  it('to a route that is not there are 404, with another method 405', async () => {
    expect(await send('/api/nothing', '{}')).toMatchObject({ status: 404, body: { code: expect.any(String) } })
    const deleted = await fetch(`${app.url}/api/mutation`, { method: 'DELETE' })
    expect([404, 405]).toContain(deleted.status)
  })

  it('with a header that is no key are refused', async () => {
    for (const [header, status] of [
      ['Basic abc', 400],
      ['Bearer abc', 401],
      ['Convex nonsense', 401],
    ] as const) {
      const response = await fetch(`${app.url}/api/query`, {
        method: 'POST',
        headers: { authorization: header, 'content-type': 'application/json' },
        body: JSON.stringify(call),
      })
      expect({ header, status: response.status }).toEqual({ header, status })
      expect(await response.json()).toEqual({ code: expect.any(String), message: expect.any(String) })
    }
  })

  it.each([
    ['EnvironmentVariableNameInvalid', { name: '1x', value: 'a' }],
    ['EnvironmentVariableNameTooLong', { name: 'x'.repeat(257), value: 'a' }],
    ['EnvironmentVariableValueTooLarge', { name: 'X', value: 'a'.repeat(8193) }],
  ])('that change variables wrongly are 400 %s, and change nothing', async (code, change) => {
    const changes = [{ name: 'GOOD', value: '1' }, change]
    const answer = await post(app.url, '/api/update_environment_variables', { changes }, { key: app.deployKey })
    expect(answer).toMatchObject({ status: 400, body: { code } })
    const listed = await post(
      app.url,
      '/api/function',
      { path: '_system/cli/queryEnvironmentVariables:get', args: { name: 'GOOD' } },
      { key: app.deployKey },
    )
    expect(listed.body).toEqual({ status: 'success', value: null })
  })

  it('leave the deployment serving', async () => {
    expect(await query(app.url, 'version:current')).toBe('first')
  })
})
