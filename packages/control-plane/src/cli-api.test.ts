import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readOnlyActions } from '@concave/protocol'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'

type Authorized = {
  adminKey: string
  url: string
  deploymentName: string
  deploymentType: string
  reference: string
  isDefault: boolean
}

let plane: TestControlPlane
let project: CreatedProject
let projectKey: string
let deployKey: string
beforeAll(async () => {
  plane = await openTestControlPlane()
  project = await plane.createProject()
  projectKey = `project:my-team:shop|${await plane.addProjectToken(project.id)}`
  const path = `/v1/deployments/${project.deploymentName}/create_deploy_key`
  deployKey = (await plane.succeed<{ deployKey: string }>('POST', path, { name: 'ci' })).deployKey
})
afterAll(async () => {
  await plane[Symbol.asyncDispose]()
})

describe('HEAD authorize', () => {
  it('accepts every kind of credential, whole or bare', async () => {
    const secret = deployKey.slice(deployKey.indexOf('|') + 1)
    const personal = await plane.controlPlane.createPersonalAccessToken({ memberId: plane.first.memberId, name: 'me' })
    for (const token of [plane.first.accessToken, personal, projectKey, deployKey, secret]) {
      const answer = await plane.call('HEAD', '/api/authorize', { token })
      expect(answer).toMatchObject({ status: 200, text: '' })
    }
  })

  it('refuses others', async () => {
    expect((await plane.call('HEAD', '/api/authorize', { token: 'dev:x|y' })).status).toBe(401)
  })
})

it('asks for no opt-ins', async () => {
  expect(await plane.succeed('POST', '/api/check_opt_ins', {})).toEqual({ optInsToAccept: [] })
  expect(await plane.succeed('POST', '/api/accept_opt_ins', { optInsAccepted: [] })).toEqual({})
})

it('lists the teams of the caller and says whether there are projects', async () => {
  const { id, name, slug } = plane.first.team
  const team = { id, name, slug, suspended: false, defaultRegion: 'aws-us-east-1' }
  for (const token of [plane.first.accessToken, projectKey]) {
    expect(await plane.succeed('GET', '/api/teams', undefined, token)).toMatchObject([team])
    expect(await plane.succeed('GET', '/api/has_projects', undefined, token)).toBe(true)
  }
})

describe('from a key in the body', () => {
  const url = '/api/deployment/url_for_key'
  const teamAndProject = '/api/deployment/team_and_project_for_key'

  it('finds the URL, as a bare string, without or with a foreign Authorization', async () => {
    for (const token of [null, 'somebody-else']) {
      const answer = await plane.call('POST', url, { token, body: { deployKey } })
      expect(answer).toMatchObject({ status: 200, body: project.deploymentUrl })
    }
  })

  it('finds team and project', async () => {
    const { id: teamId, slug: team } = plane.first.team
    const own = { team, teamId, project: project.slug, projectId: project.id }
    const byDeployKey = await plane.call('POST', teamAndProject, { token: null, body: { deployKey } })
    expect(byDeployKey.body).toMatchObject({ ...own, reference: 'dev/owner', isDefault: true })
    const byProjectKey = await plane.call('POST', teamAndProject, { token: null, body: { deployKey: projectKey } })
    expect(byProjectKey.body).toMatchObject({ ...own, reference: null })
  })

  it('refuses a key whose print names another deployment', async () => {
    const secret = deployKey.slice(deployKey.indexOf('|'))
    const answer = await plane.call('POST', url, { body: { deployKey: `prod:other-name-1${secret}` } })
    expect(answer).toMatchObject({ status: 401, body: { code: 'BadDeployKey' } })
  })

  it('refuses a project key where one deployment is meant', async () => {
    const answer = await plane.call('POST', url, { body: { deployKey: projectKey } })
    expect(answer).toMatchObject({ status: 400, body: { code: 'NotADeployKey' } })
  })
})

it('tells team and project of a deployment to a token and to its own key', async () => {
  const path = `/api/deployment/${project.deploymentName}/team_and_project`
  for (const token of [plane.first.accessToken, projectKey, deployKey]) {
    const answer = await plane.succeed('GET', path, undefined, token)
    expect(answer).toMatchObject({ team: 'my-team', project: 'shop', projectId: project.id, isDefault: true })
  }
})

describe('authorizing', () => {
  const provision = '/api/deployment/provision_and_authorize'
  const slugs = { teamSlug: 'my-team', projectSlug: 'shop' }

  it('opens the existing default dev deployment with a key that the deployment accepts', async () => {
    const opened = await plane.succeed<Authorized>('POST', provision, { ...slugs, deploymentType: 'dev' })
    expect(opened).toMatchObject({
      deploymentName: project.deploymentName,
      deploymentType: 'dev',
      url: project.deploymentUrl,
      reference: 'dev/owner',
      isDefault: true,
    })
    const verdict = await plane.controlPlane.verifyDeploymentKey(project.deploymentName, opened.adminKey)
    expect(verdict).toMatchObject({ kind: 'ok', isReadOnly: false, creator: plane.first.memberId })
    const listed = await plane.succeed('GET', `/v1/deployments/${project.deploymentName}/list_deploy_keys`)
    expect(listed).toMatchObject([{ name: 'ci' }])
  })

  it('takes the project of a project key, whose slugs are null', async () => {
    const body = { teamSlug: null, projectSlug: null, deploymentType: 'dev' }
    const opened = await plane.succeed<Authorized>('POST', provision, body, projectKey)
    expect(opened.deploymentName).toBe(project.deploymentName)
  })

  it('makes the default prod deployment once, also when asked twice at once', async () => {
    const other = await plane.createProject('Racy')
    const body = { teamSlug: 'my-team', projectSlug: other.slug, deploymentType: 'prod' }
    const both = await Promise.all([
      plane.succeed<Authorized>('POST', provision, body),
      plane.succeed<Authorized>('POST', provision, body),
      plane.succeed<Authorized>('POST', '/api/deployment/authorize_prod', { deploymentName: other.deploymentName }),
    ])
    expect(new Set(both.map(({ deploymentName }) => deploymentName)).size).toBe(1)
    expect(both[0]).toMatchObject({ deploymentType: 'prod', reference: 'production', isDefault: true })
    const prod = plane.provisioner.created.filter(({ projectId, type }) => projectId === other.id && type === 'prod')
    expect(prod).toHaveLength(1)
  })

  it('refuses to provision with the key of one deployment', async () => {
    for (const body of [{ ...slugs, deploymentType: 'dev' }, { deploymentType: 'dev' }]) {
      const answer = await plane.call('POST', provision, { token: deployKey, body })
      expect([400, 404]).toContain(answer.status)
    }
  })

  it('opens a deployment of the current project and no other', async () => {
    const path = '/api/deployment/authorize_within_current_project'
    const other = await plane.createProject('Other')
    const selections = [
      { kind: 'teamAndProjectSlugs', ...slugs },
      { kind: 'deploymentName', deploymentName: project.deploymentName, deploymentType: null },
    ]
    for (const projectSelection of selections) {
      const inside = { selectedDeploymentName: project.deploymentName, projectSelection }
      expect(await plane.succeed('POST', path, inside)).toMatchObject({ deploymentName: project.deploymentName })
      const outside = { selectedDeploymentName: other.deploymentName, projectSelection }
      const answer = await plane.call('POST', path, { body: outside })
      expect(answer).toMatchObject({ status: 404, body: { code: 'DeploymentNotFound' } })
    }
  })

  it('hands a deploy key back to its holder instead of minting a wider one', async () => {
    const path = `/v1/deployments/${project.deploymentName}/create_deploy_key`
    const readOnly = await plane.succeed<{ deployKey: string }>('POST', path, {
      name: 'reader',
      allowedActions: readOnlyActions,
    })
    const opened = await plane.succeed<Authorized>(
      'POST',
      '/api/deployment/authorize_within_current_project',
      {
        selectedDeploymentName: project.deploymentName,
        projectSelection: { kind: 'deploymentName', deploymentName: project.deploymentName },
      },
      readOnly.deployKey,
    )
    expect(opened.adminKey).toBe(readOnly.deployKey)
  })

  it('does not let a dev key reach prod', async () => {
    const answer = await plane.call('POST', '/api/deployment/authorize_prod', {
      token: deployKey,
      body: { deploymentName: project.deploymentName },
    })
    expect(answer).toMatchObject({ status: 404, body: { code: 'ProjectNotFound' } })
  })
})

it('says whether the caller has a default dev deployment', async () => {
  const path = '/api/deployment/existing_dev'
  const bare = await plane.succeed<{ slug: string }>('POST', '/v1/teams/my-team/create_project', {
    projectName: 'Bare',
  })
  expect(await plane.succeed('POST', path, { teamSlug: 'my-team', projectSlug: 'shop' })).toEqual({ kind: 'Exists' })
  expect(await plane.succeed('POST', path, { teamSlug: 'my-team', projectSlug: bare.slug })).toEqual({
    kind: 'DoesNotExist',
  })
})

it('has no limits, no bill and no news', async () => {
  const team = `/api/dashboard/teams/${plane.first.team.id}`
  expect(await plane.succeed('GET', `${team}/usage/team_usage_state`)).toMatchObject({ usageState: 'Default' })
  expect(await plane.succeed('GET', `${team}/get_spending_limits`)).toEqual({
    disableThresholdCents: null,
    warningThresholdCents: null,
    state: null,
  })
  expect(await plane.call('GET', '/v1/version', { token: null })).toMatchObject({
    status: 200,
    body: { message: null },
  })
})

it('describes its routes, with what they read', async () => {
  const document = await plane.call('GET', '/api/openapi.json', { token: null })
  expect(document).toMatchObject({
    status: 200,
    body: {
      openapi: '3.1.0',
      servers: [{ url: '/api' }],
      paths: {
        '/claim_preview_deployment': {
          post: {
            requestBody: {
              content: { 'application/json': { schema: { required: ['projectSelection', 'identifier'] } } },
            },
            security: [{ 'Any Credential': [] }],
          },
        },
        '/deployment/url_for_key': { post: { security: [] } },
        '/deployment/{name}/team_and_project': { get: { parameters: [{ name: 'name', in: 'path' }] } },
      },
    },
  })
})

it('tolerates doubled slashes and empty bodies', async () => {
  expect((await plane.call('POST', '//api//check_opt_ins')).status).toBe(200)
  expect((await plane.call('HEAD', '//api/authorize')).status).toBe(200)
})
