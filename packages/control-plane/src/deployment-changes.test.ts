import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'

type Deployment = {
  readonly name: string
  readonly reference: string
  readonly deploymentType: string
  readonly isDefault: boolean
  readonly projectId: number
}

let plane: TestControlPlane
let project: CreatedProject
beforeAll(async () => {
  plane = await openTestControlPlane()
})
afterAll(async () => {
  await plane[Symbol.asyncDispose]()
})
let count = 0
beforeEach(async () => {
  project = await plane.createProject(`Shop ${++count}`)
})

const get = async (name: string) => await plane.succeed<Deployment>('GET', `/v1/deployments/${name}`)
const update = async (name: string, body: object) => await plane.call('PATCH', `/v1/deployments/${name}`, { body })
const create = async (body: object, headers: Readonly<Record<string, string>> = {}) =>
  await plane.call('POST', `/v1/projects/${project.id}/create_deployment`, { body, headers })
const refused = (code: string) => ({ status: 400, body: { code } })

describe('an update', () => {
  it('changes what is given and leaves the rest', async () => {
    const name = project.deploymentName
    const before = await get(name)
    expect(await update(name, { reference: 'dev/renamed', dashboardEditConfirmation: true })).toMatchObject({
      status: 200,
      text: '',
    })
    expect(await get(name)).toEqual({ ...before, reference: 'dev/renamed', dashboardEditConfirmation: true })
    await update(name, { reference: null, dashboardEditConfirmation: null })
    expect(await get(name)).toEqual(before)
  })

  it('is refused whole when a part of it is', async () => {
    const name = project.deploymentName
    expect(await update(name, { reference: 'dev/other', expiresAt: 1 })).toMatchObject(refused('InvalidExpiration'))
    expect((await get(name)).reference).toBe('dev/owner')
    await create({ type: 'dev', reference: 'dev/taken' })
    expect(await update(name, { reference: 'dev/taken' })).toMatchObject(refused('DuplicateReference'))
  })

  it('keeps one default of each type', async () => {
    const name = project.deploymentName
    const other = (await create({ type: 'dev', reference: 'dev/other' })).body as Deployment
    expect(await update(other.name, { isDefault: true })).toMatchObject(refused('DefaultDeploymentExists'))
    await update(name, { isDefault: false })
    expect((await update(other.name, { isDefault: true })).status).toBe(200)
    expect((await get(other.name)).isDefault).toBe(true)
    expect(await update(other.name, { deploymentType: 'custom' })).toMatchObject(refused('InvalidDefaultDeployment'))
    expect((await update(other.name, { deploymentType: 'custom', isDefault: false })).status).toBe(200)
  })

  it('of type or logs reaches the deployment, after a crash too', async () => {
    const name = project.deploymentName
    const settings = () => plane.provisioner.configured.filter((one) => one.name === name).at(-1)?.settings
    await update(name, { deploymentType: 'prod' })
    expect(settings()).toEqual({ type: 'prod', isRedacted: true })
    await update(name, { sendLogsToClient: true })
    expect(settings()).toEqual({ type: 'prod', isRedacted: false })
    plane.provisioner.configured.length = 0
    await plane.restart()
    await plane.controlPlane.resumePending()
    expect(settings()).toEqual({ type: 'prod', isRedacted: false })
  })

  it('of the type takes a preview from the keys of previews', async () => {
    const path = `/v1/projects/${project.id}/create_preview_deploy_key`
    const { previewDeployKey } = await plane.succeed<{ previewDeployKey: string }>('POST', path, { name: 'ci' })
    const preview = (await create({ type: 'preview' })).body as Deployment
    const verify = async () => (await plane.controlPlane.verifyDeploymentKey(preview.name, previewDeployKey)).kind
    expect(await verify()).toBe('ok')
    await update(preview.name, { deploymentType: 'custom' })
    expect(await verify()).toBe('otherDeployment')
  })
})

describe('a transfer', () => {
  const transfer = async (name: string, destinationProjectId: number, token = plane.first.accessToken) =>
    await plane.call('POST', `/v1/deployments/${name}/transfer`, { token, body: { destinationProjectId } })

  it('moves a deployment with its keys, and ends sessions', async () => {
    const { id } = await plane.succeed<{ id: number }>('POST', '/v1/teams/my-team/create_project', {
      projectName: 'Target',
    })
    const name = project.deploymentName
    const keyPath = `/v1/deployments/${name}/create_deploy_key`
    const { deployKey } = await plane.succeed<{ deployKey: string }>('POST', keyPath, { name: 'ci' })
    const opened = await plane.succeed<{ adminKey: string }>('POST', '/api/deployment/provision_and_authorize', {
      teamSlug: 'my-team',
      projectSlug: project.slug,
      deploymentType: 'dev',
    })
    expect(await transfer(name, id)).toMatchObject({ status: 204, text: '' })
    expect((await get(name)).projectId).toBe(id)
    const verify = async (key: string) => (await plane.controlPlane.verifyDeploymentKey(name, key)).kind
    expect([await verify(deployKey), await verify(opened.adminKey)]).toEqual(['ok', 'unknown'])
    expect((await transfer(name, id)).status).toBe(204)
    await plane.call('POST', `/v1/projects/${project.id}/delete`)
    expect((await get(name)).name).toBe(name)
  })

  it('is refused where it would break a rule of the other project', async () => {
    const other = await plane.createProject(`Other ${count}`)
    const name = project.deploymentName
    expect(await transfer(name, other.id)).toMatchObject(refused('DefaultDeploymentExists'))
    await update(name, { isDefault: false })
    expect(await transfer(name, other.id)).toMatchObject(refused('DuplicateReference'))
  })

  it('needs both projects', async () => {
    const other = await plane.createProject(`Other ${count}`)
    const token = await plane.addProjectToken(project.id)
    expect(await transfer(project.deploymentName, other.id, token)).toMatchObject({
      status: 404,
      body: { code: 'ProjectNotFound' },
    })
    const personal = await plane.controlPlane.createPersonalAccessToken({ memberId: plane.first.memberId, name: 'me' })
    const team = await plane.call('POST', '/v1/teams/create_team', {
      token: personal,
      body: { name: '2024', defaultRegion: 'aws-us-east-1' },
    })
    expect(team).toMatchObject({ status: 201, body: { slug: expect.stringMatching(/^team-2024/) } })
    const path = `/v1/teams/${(team.body as { slug: string }).slug}/create_project`
    const foreign = await plane.succeed<{ id: number }>('POST', path, { projectName: 'Foreign' }, personal)
    expect(await transfer(project.deploymentName, foreign.id, personal)).toMatchObject(refused('DifferentTeam'))
  })
})

describe('marked creations', () => {
  it('create one deployment, however often they are repeated', async () => {
    const mark = { 'Idempotency-Key': `deployment ${count}`.replace(' ', '-') }
    const body = { type: 'custom', reference: 'qa/one' }
    const answers = [await create(body, mark), await create(body, mark)]
    expect(answers[1]?.body).toEqual(answers[0]?.body)
    expect(await create({ ...body, reference: 'qa/two' }, mark)).toMatchObject({
      status: 422,
      body: { code: 'IdempotencyKeyReused' },
    })
    const together = { 'Idempotency-Key': `together-${count}` }
    const both = await Promise.all([create({ type: 'custom' }, together), create({ type: 'custom' }, together)])
    expect(both[0]?.body).toEqual(both[1]?.body)
    expect(both[0]?.status).toBe(200)
  })

  it('create one project with its deployment, also across a crash', async () => {
    const headers = { 'Idempotency-Key': `project-${count}` }
    const body = { projectName: 'Marked', deploymentType: 'dev' }
    const make = async () => await plane.call('POST', '/v1/teams/my-team/create_project', { body, headers })
    const first = await make()
    await plane.restart()
    expect((await make()).body).toEqual(first.body)
    const { id } = first.body as { id: number }
    await plane.call('POST', `/v1/projects/${id}/delete`)
    expect(await make()).toMatchObject({ status: 404, body: { code: 'ProjectNotFound' } })
  })

  it('may be tried again when they failed', async () => {
    const mark = { 'Idempotency-Key': `failed-${count}` }
    const { onCreate } = plane.provisioner
    plane.provisioner.onCreate = async () => {
      throw new Error('No port is free.')
    }
    expect((await create({ type: 'custom' }, mark)).status).toBe(500)
    plane.provisioner.onCreate = onCreate
    expect((await create({ type: 'custom' }, mark)).status).toBe(200)
  })

  it.each(['', 'with space', 'ü', 'x'.repeat(256)])('refuse the key %j', async (key) => {
    const url = `${plane.url}/v1/projects/${project.id}/create_deployment`
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${plane.first.accessToken}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: '{"type":"custom"}',
    })
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'InvalidIdempotencyKey' }])
  })
})

it('finds or makes a deployment by its reference, also when asked twice at once', async () => {
  const ensure = async (body: object) =>
    await plane.succeed<Deployment & { isNew: boolean }>('POST', `/v1/projects/${project.id}/ensure_deployment`, body)
  const body = { type: 'custom', reference: 'qa/ensured' }
  const both = await Promise.all([ensure(body), ensure(body)])
  expect(new Set(both.map(({ isNew }) => isNew))).toEqual(new Set([false, true]))
  expect(both[0]?.name).toBe(both[1]?.name)
  expect(await ensure({ ...body, expiresAt: null })).toMatchObject({ name: both[0]?.name, isNew: false })
})

it('hands new deployments the default variables of their type, and later changes reach only later ones', async () => {
  const path = `/v1/projects/${project.id}/update_default_environment_variables`
  const set = async (value: string | null) =>
    await plane.call('POST', path, { body: { changes: [{ name: 'COLOR', deploymentType: 'custom', value }] } })
  const environmentOf = async (): Promise<unknown> => {
    const { name } = (await create({ type: 'custom' })).body as Deployment
    return plane.provisioner.created.find((request) => request.name === name)?.environment
  }
  expect(await environmentOf()).toEqual({})
  await set('blue')
  expect(await environmentOf()).toEqual({ COLOR: 'blue' })
  await set(null)
  expect(await environmentOf()).toEqual({})
  expect((await set(null)).status).toBe(200)
})

it('lists the deployments of a team in pages, sorted and filtered', async () => {
  for (const reference of ['zz/b', 'zz/a', 'zz/c']) await create({ type: 'custom', reference })
  type Page = { items: Deployment[]; pagination: { hasMore: boolean; nextCursor?: string } }
  const list = async (query: string) =>
    await plane.succeed<Page>('GET', `/v1/teams/my-team/list_deployments?projectId=${project.id}&${query}`)
  const references = ({ items }: Page) => items.map(({ reference }) => reference)
  const first = await list('q=ZZ&sortBy=reference&sortOrder=asc&limit=2')
  expect([references(first), first.pagination.hasMore]).toEqual([['zz/a', 'zz/b'], true])
  const rest = await list(`q=ZZ&sortBy=reference&sortOrder=asc&limit=2&cursor=${first.pagination.nextCursor}`)
  expect([references(rest), rest.pagination]).toEqual([['zz/c'], { hasMore: false }])
  expect(references(await list('deploymentType=dev'))).toEqual(['dev/owner'])
  expect(references(await list('isDefault=false&limit=1'))).toEqual(['zz/c'])
  expect(references(await list(`creator=${plane.first.memberId + 1}`))).toEqual([])
  await plane.controlPlane.noteDeploy(project.deploymentName)
  expect(references(await list('sortBy=lastDeployTime&limit=1'))).toEqual(['dev/owner'])
})

describe('local deployments', () => {
  const slugs = () => ({ teamSlug: 'my-team', projectSlug: project.slug })
  const start = async (instanceName: string | null = null, token = plane.first.accessToken) =>
    await plane.succeed<{ deploymentName: string; projectId: number }>(
      'POST',
      '/api/local_deployment/start',
      { ...slugs(), port: 3210, instanceName },
      token,
    )
  const list = async () =>
    (
      await plane.succeed<{ items: { name: string; projectId: number; isActive: boolean }[] }>(
        'GET',
        '/v1/teams/my-team/list_local_deployments',
      )
    ).items.filter(({ projectId }) => projectId === project.id)

  it('are named as the command line looks for them, and keep their name', async () => {
    const { deploymentName, projectId } = await start()
    expect([deploymentName, projectId]).toEqual([`local-my_team-${project.slug.replaceAll('-', '_')}`, project.id])
    expect((await start(deploymentName)).deploymentName).toBe(deploymentName)
    expect((await start()).deploymentName).toBe(`${deploymentName}-2`)
    expect((await start(`${deploymentName}-9`)).deploymentName).toBe(`${deploymentName}-9`)
    expect((await start('somebody-elses')).deploymentName).toBe(`${deploymentName}-3`)
  })

  it('are active while they say so', async () => {
    const { deploymentName } = await start()
    expect(await list()).toMatchObject([{ kind: 'local', name: deploymentName, port: 3210, isActive: true }])
    plane.clock.timeMs += 170_000
    await plane.succeed('POST', '/api/local_deployment/record_activity', {
      instanceName: deploymentName,
      adminKey: 'x',
    })
    plane.clock.timeMs += 170_000
    expect(await list()).toMatchObject([{ isActive: true }])
    plane.clock.timeMs += 20_000
    expect(await list()).toMatchObject([{ isActive: false }])
    await start(deploymentName)
    expect(await plane.succeed('POST', '/api/local_deployment/pause', slugs())).toEqual({})
    expect(await list()).toMatchObject([{ isActive: false }])
  })

  it('stand for their project, for those who started them', async () => {
    const { deploymentName } = await start()
    const path = `/api/deployment/${deploymentName}/team_and_project`
    expect(await plane.succeed('GET', path)).toMatchObject({ project: project.slug, projectId: project.id })
    const { token } = await plane.addTeam(`Strangers ${count}`)
    expect((await plane.call('GET', path, { token })).status).toBe(404)
    const selection = { kind: 'deploymentName', deploymentName, deploymentType: 'local' }
    const opened = await plane.succeed('POST', '/api/deployment/authorize_within_current_project', {
      selectedDeploymentName: project.deploymentName,
      projectSelection: selection,
    })
    expect(opened).toMatchObject({ deploymentName: project.deploymentName })
  })

  it('are listed with the others when asked for', async () => {
    await start()
    const kinds = async (query: string) =>
      (await plane.succeed<{ kind: string }[]>('GET', `/v1/projects/${project.id}/list_deployments${query}`)).map(
        ({ kind }) => kind,
      )
    expect(await kinds('')).toEqual(['cloud'])
    expect(await kinds('?includeLocal=true')).toEqual(['cloud', 'local'])
    expect(await kinds('?includeLocal=true&deploymentType=prod')).toEqual([])
    expect(await kinds('?includeLocal=true&isDefault=true')).toEqual(['cloud'])
  })
})
