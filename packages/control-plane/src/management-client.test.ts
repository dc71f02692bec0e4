import type { createManagementClient } from '@convex-dev/platform'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readOnlyActions } from '@concave/protocol'
import { openTestControlPlane, type TestControlPlane } from './control-plane-fixture.ts'

// The official client: it takes its host from the environment when it is loaded.
type Client = ReturnType<typeof createManagementClient>

let plane: TestControlPlane
let client: Client
beforeAll(async () => {
  plane = await openTestControlPlane()
  process.env['CONVEX_PROVISION_HOST'] = plane.url
  const platform = await import('@convex-dev/platform')
  client = platform.createManagementClient(plane.first.accessToken)
})
afterAll(async () => {
  delete process.env['CONVEX_PROVISION_HOST']
  await plane[Symbol.asyncDispose]()
})

it('goes through the life of a project and its deployments', async () => {
  const team_id = plane.first.team.id
  const created = await client.POST('/teams/{team_id}/create_project', {
    params: { path: { team_id } },
    body: { projectName: 'Life', deploymentType: 'prod' },
  })
  const project_id = created.data?.id ?? 0
  const prod = created.data?.deploymentName ?? ''
  expect(created.data).toMatchObject({ slug: 'life', deploymentUrl: `http://${prod}.cloud.test` })

  const project = await client.GET('/projects/{project_id}', { params: { path: { project_id } } })
  expect(project.data).toMatchObject({ name: 'Life', teamSlug: 'my-team', prodDeploymentName: prod })
  const bySlug = await client.GET('/teams/{team_id_or_slug}/projects/{project_slug}', {
    params: { path: { team_id_or_slug: 'my-team', project_slug: 'life' } },
  })
  expect(bySlug.data).toEqual(project.data)

  const created2 = await client.POST('/projects/{project_id}/create_deployment', {
    params: { path: { project_id } },
    body: { type: 'dev', reference: 'dev/feature', class: 's16', region: 'aws-us-east-1' },
  })
  const dev = created2.data?.name ?? ''
  expect(created2.data).toMatchObject({
    kind: 'cloud',
    deploymentType: 'dev',
    isDefault: false,
    reference: 'dev/feature',
  })
  const found = await client.GET('/projects/{project_id}/deployment', {
    params: { path: { project_id }, query: { reference: 'dev/feature' } },
  })
  expect(found.data).toEqual(created2.data)
  const foundBySlug = await client.GET('/teams/{team_id_or_slug}/projects/{project_slug}/deployment', {
    params: { path: { team_id_or_slug: String(team_id), project_slug: 'life' }, query: { defaultProd: true } },
  })
  expect(foundBySlug.data?.name).toBe(prod)
  const byName = await client.GET('/deployments/{deployment_name}', { params: { path: { deployment_name: dev } } })
  expect(byName.data).toEqual(created2.data)

  const listed = await client.GET('/projects/{project_id}/list_deployments', {
    params: { path: { project_id }, query: { isDefault: true } },
  })
  expect(listed.data).toMatchObject([{ name: prod }])

  const removed = await client.POST('/deployments/{deployment_name}/delete', {
    params: { path: { deployment_name: dev } },
  })
  expect(removed.response.status).toBe(200)
  const gone = await client.GET('/deployments/{deployment_name}', { params: { path: { deployment_name: dev } } })
  expect(gone.response.status).toBe(404)
  expect(gone.error).toMatchObject({ code: 'DeploymentNotFound' })
  await client.POST('/projects/{project_id}/delete', { params: { path: { project_id } } })
  expect(plane.provisioner.removed).toEqual(expect.arrayContaining([dev, prod]))
})

it('creates, lists and deletes deploy keys', async () => {
  const { deploymentName: deployment_name } = await plane.createProject('Keys')
  const path = { params: { path: { deployment_name } } }
  const expiresAt = plane.clock.nowMs() + 3_600_000
  const created = await client.POST('/deployments/{deployment_name}/create_deploy_key', {
    ...path,
    body: { name: 'ci', allowedActions: [...readOnlyActions], expiresAt },
  })
  const deployKey = created.data?.deployKey ?? ''
  await plane.controlPlane.verifyDeploymentKey(deployment_name, deployKey)
  const listed = await client.GET('/deployments/{deployment_name}/list_deploy_keys', path)
  expect(listed.data).toMatchObject([
    { name: 'ci', allowedActions: readOnlyActions, expiresAt, lastUsedTime: plane.clock.nowMs() },
  ])
  const secret = deployKey.slice(deployKey.indexOf('|') + 1)
  const removed = await client.POST('/deployments/{deployment_name}/delete_deploy_key', {
    ...path,
    body: { id: secret },
  })
  expect(removed.response.status).toBe(200)
  expect((await client.GET('/deployments/{deployment_name}/list_deploy_keys', path)).data).toEqual([])
  const again = await client.POST('/deployments/{deployment_name}/delete_deploy_key', { ...path, body: { id: 'ci' } })
  expect(again.response.status).toBe(404)
})

it('pages through projects, newest first, and searches them', async () => {
  const team_id = plane.first.team.id
  for (const name of ['Page one', 'Page two', 'Page three']) await plane.createProject(name)
  const get = async (query: { cursor?: string; limit?: number; q?: string }) =>
    (await client.GET('/teams/{team_id}/projects', { params: { path: { team_id }, query } })).data
  const firstPage = await get({ limit: 2, q: 'PAGE' })
  expect(firstPage?.items).toMatchObject([{ name: 'Page three' }, { name: 'Page two' }])
  expect(firstPage?.pagination.hasMore).toBe(true)
  const lastPage = await get({ limit: 2, q: 'PAGE', cursor: firstPage?.pagination.nextCursor ?? '' })
  expect(lastPage?.items).toMatchObject([{ name: 'Page one' }])
  expect(lastPage?.pagination).toEqual({ hasMore: false })
})

it('renames projects, within what is free', async () => {
  const { id: project_id } = await plane.createProject('Old name')
  const { slug: taken } = await plane.createProject('Taken')
  const rename = async (body: { name?: string; slug?: string | null }) =>
    await client.PATCH('/projects/{project_id}', { params: { path: { project_id } }, body })
  expect((await rename({ name: 'New name', slug: null })).data).toMatchObject({ name: 'New name', slug: 'old-name' })
  expect((await rename({ slug: 'new-name' })).data).toMatchObject({ name: 'New name', slug: 'new-name' })
  expect((await rename({ slug: 'new-name' })).response.status).toBe(200)
  const refused = await rename({ slug: taken })
  expect([refused.response.status, refused.error]).toMatchObject([409, { code: 'SlugAlreadyExists' }])
})

it('lists classes and regions, and takes the other names of the official ones', async () => {
  const team_id = plane.first.team.id
  const classes = await client.GET('/teams/{team_id}/list_deployment_classes', { params: { path: { team_id } } })
  expect(classes.data).toEqual({ items: [{ type: 's16', available: true }] })
  const regions = await client.GET('/teams/{team_id}/list_deployment_regions', { params: { path: { team_id } } })
  expect(regions.data?.items).toMatchObject([{ name: 'aws-us-east-1', available: true }])
  const created = await client.POST('/teams/{team_id}/create_project', {
    params: { path: { team_id } },
    body: {
      projectName: 'Elsewhere',
      deploymentType: 'dev',
      deploymentClass: 'd1024',
      deploymentRegion: 'aws-eu-west-1',
    },
  })
  expect(created.response.status).toBe(200)
})

it('creates a personal access token with a personal access token', async () => {
  const personal = await plane.controlPlane.createPersonalAccessToken({ memberId: plane.first.memberId, name: 'mine' })
  const created = await plane.succeed<{ accessToken: string }>(
    'POST',
    '/v1/create_personal_access_token',
    { name: 'laptop', anonymousId: null },
    personal,
  )
  const details = await plane.succeed('GET', '/v1/token_details', undefined, created.accessToken)
  expect(details).toMatchObject({ type: 'personalToken', memberId: plane.first.memberId, name: 'laptop' })
})
