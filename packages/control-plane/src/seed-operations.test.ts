import { assert } from '@concave/base'
import { createSchemaCheck } from '@concave/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'
import { findPublishedContract, type PublishedContract } from './published-contracts.ts'

const seed = findPublishedContract('management-seed')
const today = findPublishedContract('management')

describe.skipIf(seed === undefined)('the six early operations as management-seed.json has them (if it is here)', () => {
  judgeEarlyOperations(seed, 'PlatformProjectDetails')
})

describe.skipIf(today === undefined)('the six early operations as management.json has them (if it is here)', () => {
  judgeEarlyOperations(today, 'ProjectResponse')
})

function judgeEarlyOperations(contract: PublishedContract | undefined, projectSchema: string): void {
  let plane: TestControlPlane
  let team: string
  beforeAll(async () => {
    plane = await openTestControlPlane()
    team = `/v1/teams/${plane.first.team.id}`
  })
  afterAll(async () => {
    await plane[Symbol.asyncDispose]()
  })

  const expectValid = (schema: string | object, value: unknown): void => {
    assert(contract !== undefined, 'Skipped without the contract.')
    const wanted = typeof schema === 'string' ? reference(schema) : schema
    expect(createSchemaCheck(contract)(wanted, value)).toBeUndefined()
  }

  it.each(['dev', 'prod'])('creates a project with a %s deployment', async (deploymentType) => {
    const body = { projectName: 'Hello, World!', deploymentType }
    expectValid('PlatformCreateProjectArgs', body)
    const created = await plane.succeed<CreatedProject>('POST', `${team}/create_project`, body)
    expectValid('PlatformCreateProjectResponse', created)
    expect(created.deploymentName).toMatch(/^[a-z]+-[a-z]+-[0-9]+$/)
    expect(created.deploymentUrl).toBe(plane.provisioner.urlOf(created.deploymentName).url)
    expect(created.projectId).toBe(created.id)
  })

  it('lists projects as a bare array', async () => {
    const created = await plane.createProject('Book Shop')
    const answer = await plane.call('GET', `${team}/list_projects`)
    expectValid({ type: 'array', items: reference(projectSchema) }, answer.body)
    const { id, slug, deploymentName } = created
    expect(answer.body).toContainEqual(expect.objectContaining({ id, slug, devDeploymentName: deploymentName }))
    expect(answer.headers.get('deprecation')).toBe('true')
    expect(answer.headers.get('link')).toBe(`<${team}/projects>; rel="successor-version"`)
  })

  it('lists deployments as a bare array', async () => {
    const created = await plane.createProject()
    const deployments = await plane.succeed('GET', `/v1/projects/${created.id}/list_deployments`)
    expectValid({ type: 'array', items: reference('PlatformDeploymentResponse') }, deployments)
    expect(deployments).toMatchObject([
      { kind: 'cloud', name: created.deploymentName, deploymentType: 'dev', isDefault: true, reference: 'dev/owner' },
    ])
  })

  it('creates a deploy key that starts with type and name', async () => {
    const created = await plane.createProject()
    const body = { name: 'ci' }
    expectValid('PlatformCreateDeployKeyArgs', body)
    const path = `/v1/deployments/${created.deploymentName}/create_deploy_key`
    const key = await plane.succeed<{ deployKey: string }>('POST', path, body)
    expectValid('PlatformCreateDeployKeyResponse', key)
    expect(key.deployKey).toMatch(new RegExp(`^dev:${created.deploymentName}\\|eyJ2MiI6I[A-Za-z0-9]+$`))
  })

  it('tells the team of the token', async () => {
    const details = await plane.succeed('GET', '/v1/token_details')
    expectValid('PlatformTokenDetailsResponse', details)
    expect(details).toMatchObject({ type: 'teamToken', teamId: plane.first.team.id, name: 'First access token' })
  })

  it('tells the project of a project token', async () => {
    const { id } = await plane.createProject()
    const token = await plane.addProjectToken(id)
    const details = await plane.succeed('GET', '/v1/token_details', undefined, `project:my-team:shop|${token}`)
    expectValid('PlatformTokenDetailsResponse', details)
    expect(details).toMatchObject({ type: 'projectToken', projectId: id })
  })

  it('deletes a project with an empty answer, once', async () => {
    const created = await plane.createProject()
    const answer = await plane.call('POST', `/v1/projects/${created.id}/delete`)
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('')
    expect(answer.headers.get('content-length')).toBe('0')
    expect(plane.provisioner.removed).toContain(created.deploymentName)
    const again = await plane.call('POST', `/v1/projects/${created.id}/delete`)
    expect(again).toMatchObject({ status: 404, body: { code: 'ProjectNotFound' } })
  })
}

function reference(schema: string): object {
  return { $ref: `#/components/schemas/${schema}` }
}
