// Preview deployments and default environment variables through the official command line.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { manage, openWorkplace, type Workplace } from './cli-accounts.ts'
import { fixtureFolder } from './fixtures.ts'
import { post, query } from './http-calls.ts'

type Listed = {
  readonly name: string
  readonly deploymentType: string
  readonly previewIdentifier: string | null
  readonly reference: string
  readonly expiresAt: number | null
  readonly deploymentUrl: string
  readonly lastDeployTime: number | null
}

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let projectId: number
let previewKey: string
let build: Workplace
beforeAll(async () => {
  server = await startTestServer()
  const created = await manage<{ id: number }>(server, `/teams/${server.teamId}/create_project`, {
    projectName: 'Shop',
  })
  projectId = created.id
  const path = `/projects/${projectId}/create_preview_deploy_key`
  previewKey = (await manage<{ previewDeployKey: string }>(server, path, { name: 'ci' })).previewDeployKey
  const more = { CONVEX_DEPLOY_KEY: previewKey }
  build = await openWorkplace(server, { folder: fixtureFolder('shop'), more })
})
afterAll(async () => {
  await build[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const listPreviews = async () => await manage<Listed[]>(server, `/projects/${projectId}/list_deployments`)
const deploy = async (...args: string[]) => await build.cli.succeed('deploy', '--typecheck', 'disable', ...args)

it('makes a preview for a branch, with the default variables of its type, and deploys to it', async () => {
  expect(previewKey).toMatch(/^preview:my-team:shop\|eyJ/)
  const changes = [
    { name: 'GREETING', deploymentType: 'preview', value: 'hello' },
    { name: 'GREETING', deploymentType: 'prod', value: 'dear customer' },
  ]
  await manage(server, `/projects/${projectId}/update_default_environment_variables`, { changes })
  await deploy('--preview-create', 'feature/x', '--preview-run', 'version:current', '--cmd', 'true')
  const [preview, ...others] = await listPreviews()
  expect(others).toEqual([])
  expect(preview).toMatchObject({
    deploymentType: 'preview',
    previewIdentifier: 'feature/x',
    reference: 'preview/feature-x',
    expiresAt: expect.any(Number),
    lastDeployTime: expect.any(Number),
  })
  expect(await query(preview?.deploymentUrl ?? '', 'version:current')).toBe('first')
  const variables = await fetch(`${preview?.deploymentUrl}/api/v1/list_environment_variables`, {
    headers: { authorization: `Convex ${server.accessToken}` },
  })
  expect(await variables.json()).toEqual({ environmentVariables: { GREETING: 'hello' } })
})

it('deploys to it again, and opens it for other commands', async () => {
  const [before] = await listPreviews()
  await deploy('--preview-name', 'feature/x')
  expect((await listPreviews()).map(({ name }) => name)).toEqual([before?.name])
  const ran = await build.cli.succeed('run', '--preview-name', 'feature/x', 'counters:readInternally', '{"name":"a"}')
  expect(ran.stdout.trim()).toBe('0')
  const unknown = await build.cli.run('run', '--preview-name', 'feature/y', 'version:current')
  expect(unknown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no preview deployment of feature/y') })
})

it('takes the place of the one before when it is created anew, under the same reference', async () => {
  const [before] = await listPreviews()
  await deploy('--preview-create', 'feature/x')
  const [after, ...others] = await listPreviews()
  expect(others).toEqual([])
  expect(after?.name).not.toBe(before?.name)
  expect(after?.reference).toBe('preview/feature-x')
  await expect(fetch(`${before?.deploymentUrl}/version`)).rejects.toThrow('fetch failed')
})

it('refuses commands that want another kind of deployment, and says why', async () => {
  const refused = await build.cli.run('run', 'version:current')
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--preview-name') })
})

it('ends at once with its key', async () => {
  const [preview] = await listPreviews()
  const claim = {
    projectSelection: { kind: 'teamAndProjectSlugs', teamSlug: 'my-team', projectSlug: 'shop' },
    identifier: 'feature/x',
    reuse: true,
  }
  const response = await fetch(`${server.url}/api/claim_preview_deployment`, {
    method: 'POST',
    headers: { authorization: `Bearer ${previewKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(claim),
  })
  const { adminKey } = (await response.json()) as { adminKey: string }
  const read = async (key: string) =>
    await post(preview?.deploymentUrl ?? '', '/api/function', { path: '_system/cli/tables', args: {} }, { key })
  expect(await read(adminKey)).toMatchObject({ status: 200 })
  expect(await read(previewKey)).toMatchObject({ status: 200 })
  await manage(server, `/projects/${projectId}/delete_preview_deploy_key`, { id: previewKey })
  expect(await read(adminKey)).toMatchObject({ status: 401, body: { code: 'BadDeployKey' } })
  expect(await read(previewKey)).toMatchObject({ status: 401, body: { code: 'BadDeployKey' } })
  const refused = await build.cli.run('deploy', '--preview-name', 'feature/x', '--typecheck', 'disable')
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('AccessTokenInvalid') })
})
