// The six early operations of the Management API on the whole server, by plain HTTP and by the official typed client, and
// what they do to deployments.
import { createProject, startTestServer, type TestServer } from '@concave/testing'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { post } from './http-calls.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

type Answer = { readonly status: number; readonly body: unknown }

async function call(method: string, path: string, body?: unknown, token = server.accessToken): Promise<Answer> {
  const response = await fetch(`${server.url}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) }
}

const listTables = { path: '_system/cli/tables', args: {}, format: 'json' }

it('serves the six operations as the early contract has them, and a deployment that is live at once', async () => {
  const { teamId } = server
  const details = await call('GET', '/token_details')
  expect(details).toMatchObject({
    status: 200,
    body: { type: 'teamToken', teamId, name: expect.any(String), createTime: expect.any(Number) },
  })

  const created = await call('POST', `/teams/${teamId}/create_project`, {
    projectName: 'My shop',
    deploymentType: 'prod',
  })
  expect(created).toMatchObject({
    status: 200,
    body: {
      projectId: expect.any(Number),
      deploymentName: expect.stringMatching(/^[a-z]+-[a-z]+-[0-9]+$/),
      deploymentUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    },
  })
  const { projectId, deploymentName, deploymentUrl } = created.body as Record<
    'projectId' | 'deploymentName' | 'deploymentUrl',
    string
  >
  expect(await (await fetch(`${deploymentUrl}/instance_name`)).text()).toBe(deploymentName)
  expect((await fetch(`${deploymentUrl}/version`)).status).toBe(200)

  const projects = await call('GET', `/teams/${teamId}/list_projects`)
  expect(projects.body).toContainEqual(
    expect.objectContaining({
      id: projectId,
      name: 'My shop',
      slug: 'my-shop',
      teamId,
      createTime: expect.any(Number),
    }),
  )
  const deployments = await call('GET', `/projects/${projectId}/list_deployments`)
  expect(deployments.body).toEqual([
    expect.objectContaining({
      name: deploymentName,
      deploymentType: 'prod',
      projectId,
      createTime: expect.any(Number),
    }),
  ])

  const key = await call('POST', `/deployments/${deploymentName}/create_deploy_key`, { name: 'ci' })
  const { deployKey } = key.body as { deployKey: string }
  expect(deployKey).toMatch(new RegExp(`^prod:${deploymentName}\\|\\S+$`))
  expect(await post(deploymentUrl, '/api/run_function', listTables, { key: deployKey })).toEqual({
    status: 200,
    body: { status: 'success', value: [] },
  })

  expect(await call('POST', `/projects/${projectId}/delete`)).toEqual({ status: 200, body: undefined })
  await expect(fetch(`${deploymentUrl}/version`)).rejects.toThrow('fetch failed')
  expect(await call('GET', `/projects/${projectId}/list_deployments`)).toMatchObject({
    status: 404,
    body: { code: 'ProjectNotFound' },
  })
  expect(await call('POST', `/deployments/${deploymentName}/create_deploy_key`, { name: 'ci' })).toMatchObject({
    status: 404,
  })
})

it('serves the official typed client', async () => {
  process.env['CONVEX_PROVISION_HOST'] = server.url
  // It takes its host from the environment when it is loaded.
  const { createManagementClient } = await import('@convex-dev/platform')
  delete process.env['CONVEX_PROVISION_HOST']
  const client = createManagementClient(server.accessToken)
  const path = { team_id: server.teamId }

  const details = await client.GET('/token_details')
  expect(details.data).toMatchObject({ type: 'teamToken', teamId: server.teamId })
  const created = await client.POST('/teams/{team_id}/create_project', {
    params: { path },
    body: { projectName: 'Typed', deploymentType: 'dev' },
  })
  const { id: project_id = 0, slug, deploymentName: deployment_name = '', deploymentUrl = '' } = created.data ?? {}
  expect(slug).toBe('typed')
  const projects = await client.GET('/teams/{team_id}/projects', { params: { path } })
  expect(projects.data?.items).toContainEqual(
    expect.objectContaining({ id: project_id, devDeploymentName: deployment_name }),
  )
  const deployments = await client.GET('/projects/{project_id}/list_deployments', { params: { path: { project_id } } })
  expect(deployments.data).toMatchObject([{ kind: 'cloud', name: deployment_name, isDefault: true, deploymentUrl }])
  const key = await client.POST('/deployments/{deployment_name}/create_deploy_key', {
    params: { path: { deployment_name } },
    body: { name: 'typed' },
  })
  const { deployKey = '' } = key.data ?? {}
  expect(await post(deploymentUrl, '/api/run_function', listTables, { key: deployKey })).toMatchObject({ status: 200 })
  const removed = await client.POST('/projects/{project_id}/delete', { params: { path: { project_id } } })
  expect(removed.response.status).toBe(200)
  await expect(fetch(`${deploymentUrl}/version`)).rejects.toThrow('fetch failed')
})

it('refuses a token that it does not know, and a key of a deployment that was deleted', async () => {
  expect(await call('GET', '/token_details', undefined, 'nonsense')).toMatchObject({
    status: 401,
    body: { code: expect.any(String), message: expect.any(String) },
  })
  const created = await call('POST', `/teams/${server.teamId}/create_project`, {
    projectName: 'Brief',
    deploymentType: 'dev',
  })
  const { projectId, deploymentName } = created.body as { projectId: number; deploymentName: string }
  const key = await call('POST', `/deployments/${deploymentName}/create_deploy_key`, { name: 'brief' })
  await call('POST', `/projects/${projectId}/delete`)
  const { deployKey } = key.body as { deployKey: string }
  const resolved = await fetch(`${server.url}/api/deployment/url_for_key`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ deployKey }),
  })
  expect(resolved.status).toBe(401)
})

it('ends a deploy key at once when it is deleted', async () => {
  const project = await createProject(server, { name: 'Revoked' })
  const { deploymentName, deploymentUrl, deployKey } = project
  const list = async (key: string) => await post(deploymentUrl, '/api/run_function', listTables, { key })
  expect(await list(deployKey)).toMatchObject({ status: 200 })
  expect(await call('POST', `/deployments/${deploymentName}/delete_deploy_key`, { id: deployKey })).toMatchObject({
    status: 200,
  })
  expect(await list(deployKey)).toMatchObject({ status: 401, body: { code: 'BadDeployKey' } })
})

it('ends the live sessions of a deploy key that is deleted', async () => {
  const project = await createProject(server, { name: 'Revoked live' })
  const { deploymentName, deploymentUrl, deployKey } = project
  const socket = new WebSocket(`${deploymentUrl.replace('http', 'ws')}/api/1.48.0/sync`)
  const messages: { type: string; error?: string }[] = []
  const authenticated = Promise.withResolvers<void>()
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString('utf8')) as { type: string })
    if (messages.at(-1)?.type === 'Transition') authenticated.resolve()
  })
  await once(socket, 'open')
  const queries = { type: 'ModifyQuerySet', baseVersion: 0, newVersion: 1, modifications: [] }
  socket.send(JSON.stringify({ type: 'Authenticate', baseVersion: 0, tokenType: 'Admin', value: deployKey }))
  socket.send(JSON.stringify(queries))
  await authenticated.promise
  const closed = once(socket, 'close')
  await call('POST', `/deployments/${deploymentName}/delete_deploy_key`, { id: deployKey })
  await closed
  expect(messages.at(-1)).toEqual({
    type: 'FatalError',
    error: expect.stringContaining('The provided deploy key was invalid for deployment'),
  })
})
