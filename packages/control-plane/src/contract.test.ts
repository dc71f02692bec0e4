import { assert } from '@concave/base'
import { createSchemaCheck, loadContract } from '@concave/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'
import { readOnlyActions } from '@concave/protocol'
import { notImplemented } from './not-implemented.ts'
import { operations } from './operations.ts'
import { findPublishedContract } from './published-contracts.ts'

const ours = loadContract(new URL('../../../contracts/management.openapi.json', import.meta.url))
const today = findPublishedContract('management')

type Listed = { readonly id: string; readonly method: string; readonly path: string }

function listOperations(paths: typeof ours.paths): Listed[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => ({
      id: operationId,
      method: method.toUpperCase(),
      path,
    })),
  )
}

it('has exactly the operations that have handlers', () => {
  const ids = listOperations(ours.paths).map(({ id }) => id)
  expect(ids.toSorted()).toEqual(operations.map(({ id }) => id).toSorted())
})

it('declares who may call every operation', () => {
  for (const [path, methods] of Object.entries(ours.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      expect({ method, path, security: operation.security ?? [] }).not.toMatchObject({ security: [] })
    }
  }
})

describe.skipIf(today === undefined)('beside the published contract (if it is here)', () => {
  it('names each published operation, implemented or not', () => {
    assert(today !== undefined, 'Skipped without it.')
    const others = [
      // Of the early contract.
      { id: 'list all projects', method: 'GET', path: '/teams/{team_id}/list_projects' },
      // Ours.
      { id: 'ensure deployment', method: 'POST', path: '/projects/{project_id}/ensure_deployment' },
      { id: 'rotate deploy key', method: 'POST', path: '/deployments/{deployment_name}/rotate_deploy_key' },
      { id: 'rotate preview deploy key', method: 'POST', path: '/projects/{project_id}/rotate_preview_deploy_key' },
      { id: 'rotate team access token', method: 'POST', path: '/teams/{team_id}/rotate_access_token' },
      { id: 'rotate personal access token', method: 'POST', path: '/rotate_personal_access_token' },
    ]
    const known = [...listOperations(ours.paths), ...notImplemented]
    const order = (all: readonly Listed[]): string[] =>
      all.map(({ id, method, path }) => `${method} ${path} ${id}`).toSorted()
    expect(order(known)).toEqual(order([...listOperations(today.paths), ...others]))
  })

  describe('answers what it describes', () => {
    let plane: TestControlPlane
    let project: CreatedProject
    let personal: string
    beforeAll(async () => {
      plane = await openTestControlPlane()
      project = await plane.createProject()
      const path = `/v1/deployments/${project.deploymentName}/create_deploy_key`
      await plane.succeed('POST', path, { name: 'ci', allowedActions: readOnlyActions })
      personal = await plane.controlPlane.createPersonalAccessToken({ memberId: plane.first.memberId, name: 'me' })
      await plane.succeed('POST', '/api/local_deployment/start', {
        port: 3210,
        teamSlug: plane.first.team.slug,
        projectSlug: project.slug,
        instanceName: null,
      })
      const changes = [{ name: 'GREETING', deploymentType: 'dev', value: 'hello' }]
      await plane.succeed('POST', `/v1/projects/${project.id}/update_default_environment_variables`, { changes })
      await plane.succeed('POST', `/v1/projects/${project.id}/create_preview_deploy_key`, { name: 'previews' })
    })
    afterAll(async () => {
      await plane[Symbol.asyncDispose]()
    })

    it.each<[template: string, query: string, body?: object]>([
      ['/teams/{team_id}/projects', ''],
      ['/projects/{project_id}', ''],
      ['/teams/{team_id_or_slug}/projects/{project_slug}', ''],
      ['/projects/{project_id}/list_deployments', '?includeLocal=true'],
      ['/projects/{project_id}/deployment', '?defaultDev=true'],
      ['/teams/{team_id_or_slug}/projects/{project_slug}/deployment', '?reference=dev/owner'],
      [
        '/projects/{project_id}/create_deployment',
        '',
        { type: 'custom', class: null, region: null, reference: 'qa/1' },
      ],
      ['/deployments/{deployment_name}', ''],
      ['/teams/{team_id}/list_deployment_classes', ''],
      ['/teams/{team_id}/list_deployment_regions', ''],
      ['/deployments/{deployment_name}/create_deploy_key', '', { name: 'other' }],
      ['/deployments/{deployment_name}/list_deploy_keys', ''],
      ['/teams/{team_id}/create_project', '', { projectName: 'Bare', deploymentType: null, deploymentRegion: null }],
      ['/teams/{team_id}/list_deployments', '?sortBy=reference&limit=1'],
      ['/teams/{team_id}/list_local_deployments', ''],
      ['/projects/{project_id}/create_preview_deploy_key', '', { name: 'other' }],
      ['/projects/{project_id}/list_preview_deploy_keys', '?includeManaged=true'],
      ['/list_personal_access_tokens', '?limit=1'],
      ['/create_personal_access_token', '', { name: 'other' }],
      ['/teams/{team_id}/create_access_token', '', { name: null }],
      ['/teams/{team_id}/list_access_tokens', '?limit=1'],
      ['/teams/create_team', '', { name: 'Others', defaultRegion: 'aws-us-east-1' }],
      ['/projects/{project_id}/list_default_environment_variables', '?deploymentType=dev'],
    ])('%s%s', async (template, query, body) => {
      assert(today !== undefined, 'Skipped without it.')
      const path = template
        .replace('{team_id}', String(plane.first.team.id))
        .replace('{team_id_or_slug}', plane.first.team.slug)
        .replace('{project_id}', String(project.id))
        .replace('{project_slug}', project.slug)
        .replace('{deployment_name}', project.deploymentName)
      const method = body === undefined ? 'GET' : 'POST'
      const answer = await plane.call(method, `/v1${path}${query}`, { body, token: personal })
      const described = today.paths[template]?.[method.toLowerCase()]?.responses[String(answer.status)]
      const schema = described?.content?.['application/json'].schema
      assert(schema !== undefined, `The published contract describes the answer ${answer.status}: ${answer.text}`)
      expect(createSchemaCheck(today)(schema, answer.body)).toBeUndefined()
    })
  })
})

it('is served to everyone', async () => {
  await using plane = await openTestControlPlane()
  const answer = await plane.call('GET', '/v1/openapi.json', { token: null, headers: { Origin: 'https://app.test' } })
  expect(answer).toMatchObject({ status: 200, body: { openapi: '3.1.0', servers: [{ url: '/v1' }] } })
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.test')
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
})
