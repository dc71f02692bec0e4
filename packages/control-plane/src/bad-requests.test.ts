import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'

let plane: TestControlPlane
let project: CreatedProject
beforeAll(async () => {
  plane = await openTestControlPlane()
  project = await plane.createProject()
})
afterAll(async () => {
  await plane[Symbol.asyncDispose]()
})

const ownProject = { kind: 'teamAndProjectSlugs', teamSlug: 'my-team', projectSlug: 'shop' }

type Case = readonly [method: string, path: string, body: unknown, status: number, code: string]

const cases: readonly Case[] = [
  ['POST', '/v1/teams/TEAM/create_project', { deploymentType: 'dev' }, 400, 'BadJsonBody'],
  ['POST', '/v1/teams/TEAM/create_project', { projectName: 'x', extra: 1 }, 400, 'BadJsonBody'],
  ['POST', '/v1/teams/TEAM/create_project', { projectName: 'x', deploymentType: 'test' }, 400, 'BadJsonBody'],
  ['POST', '/v1/teams/TEAM/create_project', { projectName: 7 }, 400, 'BadJsonBody'],
  ['POST', '/v1/teams/TEAM/create_project', '{"projectName": "x"', 400, 'BadJsonBody'],
  ['POST', '/v1/teams/TEAM/create_project', undefined, 400, 'BadJsonBody'],
  ['POST', '/v1/teams/TEAM/create_project', { projectName: '   ' }, 400, 'InvalidProjectName'],
  ['POST', '/v1/teams/TEAM/create_project', { projectName: 'x'.repeat(201) }, 400, 'InvalidProjectName'],
  ['POST', '/v1/teams/TEAM/create_project', { projectName: 'x', deploymentRegion: 'mars' }, 400, 'RegionNotAvailable'],
  ['POST', '/v1/teams/999/create_project', { projectName: 'x' }, 404, 'TeamNotFound'],
  ['POST', '/v1/teams/%ff/create_project', { projectName: 'x' }, 400, 'BadPathArgs'],
  ['GET', '/v1/teams/nobody/list_projects', undefined, 404, 'TeamNotFound'],
  ['GET', '/v1/teams/TEAM/projects?limit=0', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/projects?limit=101', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/projects?limit=many', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/projects?cursor=abc', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/999/projects', undefined, 404, 'TeamNotFound'],
  ['GET', '/v1/projects/abc', undefined, 400, 'BadPathArgs'],
  ['GET', '/v1/projects/-1', undefined, 400, 'BadPathArgs'],
  ['GET', '/v1/projects/999', undefined, 404, 'ProjectNotFound'],
  ['PATCH', '/v1/projects/PROJECT', { slug: 'a b' }, 400, 'InvalidSlug'],
  ['PATCH', '/v1/projects/PROJECT', { name: '' }, 400, 'InvalidProjectName'],
  ['PATCH', '/v1/projects/PROJECT', { teamId: 1 }, 400, 'BadJsonBody'],
  ['PATCH', '/v1/projects/999', { name: 'x' }, 404, 'ProjectNotFound'],
  ['GET', '/v1/teams/my-team/projects/nothing', undefined, 404, 'ProjectNotFound'],
  ['GET', '/v1/teams/nobody/projects/shop', undefined, 404, 'TeamNotFound'],
  ['POST', '/v1/projects/999/delete', undefined, 404, 'ProjectNotFound'],
  ['POST', '/v1/projects/x/delete', undefined, 400, 'BadPathArgs'],
  ['GET', '/v1/projects/999/list_deployments', undefined, 404, 'ProjectNotFound'],
  ['GET', '/v1/projects/PROJECT/list_deployments?isDefault=perhaps', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/projects/PROJECT/list_deployments?deploymentType=test', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/projects/PROJECT/deployment', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/projects/PROJECT/deployment?defaultDev=true&defaultProd=true', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/projects/PROJECT/deployment?defaultProd=true', undefined, 404, 'DeploymentNotFound'],
  ['GET', '/v1/projects/PROJECT/deployment?reference=none', undefined, 404, 'DeploymentNotFound'],
  ['GET', '/v1/teams/my-team/projects/shop/deployment?reference=none', undefined, 404, 'DeploymentNotFound'],
  ['GET', '/v1/teams/my-team/projects/shop/deployment', undefined, 400, 'BadQueryArgs'],
  ['POST', '/v1/projects/PROJECT/create_deployment', {}, 400, 'BadJsonBody'],
  ['POST', '/v1/projects/PROJECT/create_deployment', { type: 'dev', size: 1 }, 400, 'BadJsonBody'],
  ['POST', '/v1/projects/PROJECT/create_deployment', { type: 'dev' }, 400, 'DefaultDeploymentExists'],
  [
    'POST',
    '/v1/projects/PROJECT/create_deployment',
    { type: 'custom', isDefault: true },
    400,
    'InvalidDefaultDeployment',
  ],
  [
    'POST',
    '/v1/projects/PROJECT/create_deployment',
    { type: 'dev', reference: 'dev/owner' },
    400,
    'DuplicateReference',
  ],
  ['POST', '/v1/projects/PROJECT/create_deployment', { type: 'dev', reference: 'prod' }, 400, 'InvalidReference'],
  ['POST', '/v1/projects/PROJECT/create_deployment', { type: 'dev', reference: 'a-b-1' }, 400, 'InvalidReference'],
  [
    'POST',
    '/v1/projects/PROJECT/create_deployment',
    { type: 'dev', class: 'huge' },
    400,
    'DeploymentClassNotAvailable',
  ],
  ['POST', '/v1/projects/PROJECT/create_deployment', { type: 'custom', expiresAt: 9e12 }, 400, 'InvalidExpiration'],
  ['POST', '/v1/projects/PROJECT/create_deployment', { type: 'preview', expiresAt: 1 }, 400, 'InvalidExpiration'],
  [
    'POST',
    '/v1/projects/PROJECT/create_deployment',
    { type: 'preview', isDefault: true },
    400,
    'InvalidDefaultDeployment',
  ],
  ['POST', '/v1/projects/999/create_deployment', { type: 'dev' }, 404, 'ProjectNotFound'],
  ['GET', '/v1/deployments/no-such-1', undefined, 404, 'DeploymentNotFound'],
  ['POST', '/v1/deployments/no-such-1/delete', undefined, 404, 'DeploymentNotFound'],
  ['GET', '/v1/teams/999/list_deployment_classes', undefined, 404, 'TeamNotFound'],
  ['GET', '/v1/teams/999/list_deployment_regions', undefined, 404, 'TeamNotFound'],
  ['POST', '/v1/deployments/no-such-1/create_deploy_key', { name: 'x' }, 404, 'DeploymentNotFound'],
  ['POST', '/v1/deployments/DEPLOYMENT/create_deploy_key', {}, 400, 'BadJsonBody'],
  ['POST', '/v1/deployments/DEPLOYMENT/create_deploy_key', { name: '' }, 400, 'InvalidTokenName'],
  ['POST', '/v1/deployments/DEPLOYMENT/create_deploy_key', { name: 'x', allowedActions: ['all'] }, 400, 'BadJsonBody'],
  ['POST', '/v1/deployments/DEPLOYMENT/create_deploy_key', { name: 'x', expiresAt: 1 }, 400, 'InvalidExpiration'],
  ['GET', '/v1/deployments/no-such-1/list_deploy_keys', undefined, 404, 'DeploymentNotFound'],
  ['POST', '/v1/deployments/DEPLOYMENT/delete_deploy_key', { id: 'nothing' }, 404, 'DeployKeyNotFound'],
  ['POST', '/v1/deployments/DEPLOYMENT/delete_deploy_key', { id: 'x', name: 'x' }, 400, 'BadJsonBody'],
  ['POST', '/v1/deployments/DEPLOYMENT/delete_deploy_key', {}, 400, 'BadJsonBody'],
  ['GET', '/v1/list_personal_access_tokens', undefined, 403, 'AccessTokenForbidden'],
  ['GET', '/v1/teams/TEAM/list_members', undefined, 404, 'FeatureNotAvailable'],
  ['POST', '/v1/teams/create_team', { name: 'x', defaultRegion: 'aws-us-east-1' }, 403, 'AccessTokenForbidden'],
  ['GET', '/v1/teams/TEAM/list_deployments?sortBy=name', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/list_deployments?sortOrder=up', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/list_deployments?limit=0', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/list_deployments?cursor=abc', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/list_deployments?cursor=W10', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/list_access_tokens?cursor=x', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/teams/TEAM/list_access_tokens?limit=101', undefined, 400, 'BadQueryArgs'],
  ['POST', '/v1/teams/TEAM/delete_access_token', { id: 'nothing' }, 404, 'AccessTokenNotFound'],
  ['POST', '/v1/teams/TEAM/delete_access_token', { id: 7 }, 400, 'BadJsonBody'],
  ['POST', '/v1/deployments/DEPLOYMENT/transfer', {}, 400, 'BadJsonBody'],
  ['POST', '/v1/deployments/DEPLOYMENT/transfer', { destinationProjectId: 999 }, 404, 'ProjectNotFound'],
  ['POST', '/v1/deployments/no-such-1/transfer', { destinationProjectId: 1 }, 404, 'DeploymentNotFound'],
  ['PATCH', '/v1/deployments/no-such-1', {}, 404, 'DeploymentNotFound'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { name: 'x' }, 400, 'BadJsonBody'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { reference: 'UPPER' }, 400, 'InvalidReference'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { expiresAt: 1 }, 400, 'InvalidExpiration'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { deploymentType: 'custom' }, 400, 'InvalidDefaultDeployment'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { deploymentType: 'test' }, 400, 'BadJsonBody'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { class: 'huge' }, 400, 'DeploymentClassNotAvailable'],
  ['PATCH', '/v1/deployments/DEPLOYMENT', { sendLogsToClient: 'yes' }, 400, 'BadJsonBody'],
  ['POST', '/v1/projects/PROJECT/ensure_deployment', { type: 'dev' }, 400, 'BadJsonBody'],
  [
    'POST',
    '/v1/projects/PROJECT/ensure_deployment',
    { type: 'prod', reference: 'dev/owner' },
    409,
    'DeploymentTypeMismatch',
  ],
  ['POST', '/v1/projects/PROJECT/ensure_deployment', { type: 'dev', reference: 'x' }, 400, 'InvalidReference'],
  ['POST', '/v1/projects/PROJECT/create_preview_deploy_key', { name: ' ' }, 400, 'InvalidTokenName'],
  ['POST', '/v1/projects/PROJECT/create_preview_deploy_key', {}, 400, 'BadJsonBody'],
  ['POST', '/v1/projects/PROJECT/delete_preview_deploy_key', { id: 'x' }, 404, 'PreviewDeployKeyNotFound'],
  ['POST', '/v1/projects/PROJECT/update_default_environment_variables', {}, 400, 'BadJsonBody'],
  [
    'POST',
    '/v1/projects/PROJECT/update_default_environment_variables',
    { changes: [{ name: '1X', deploymentType: 'dev', value: '' }] },
    400,
    'EnvironmentVariableNameInvalid',
  ],
  [
    'POST',
    '/v1/projects/PROJECT/update_default_environment_variables',
    { changes: [{ name: 'X'.repeat(257), deploymentType: 'dev', value: '' }] },
    400,
    'EnvironmentVariableNameTooLong',
  ],
  [
    'POST',
    '/v1/projects/PROJECT/update_default_environment_variables',
    { changes: [{ name: 'X', deploymentType: 'dev', value: 'v'.repeat(8193) }] },
    400,
    'EnvironmentVariableValueTooLarge',
  ],
  [
    'POST',
    '/v1/projects/PROJECT/update_default_environment_variables',
    {
      changes: [
        { name: 'X', deploymentType: 'dev', value: '1' },
        { name: 'X', deploymentType: 'dev' },
      ],
    },
    400,
    'EnvVarNameNotUnique',
  ],
  [
    'POST',
    '/v1/projects/PROJECT/update_default_environment_variables',
    { changes: Array.from({ length: 513 }, (_, n) => ({ name: `X${n}`, deploymentType: 'dev', value: '1' })) },
    400,
    'EnvVarLimitMet',
  ],
  ['GET', '/v1/projects/PROJECT/list_default_environment_variables?deploymentType=x', undefined, 400, 'BadQueryArgs'],
  ['GET', '/v1/projects/999/list_default_environment_variables', undefined, 404, 'ProjectNotFound'],
  ['GET', '/v1/no_such_operation', undefined, 404, 'RouteNotFound'],
  ['DELETE', '/v1/projects/PROJECT', undefined, 405, 'MethodNotAllowed'],
  ['POST', '/api/deployment/url_for_key', {}, 400, 'BadJsonBody'],
  ['POST', '/api/deployment/url_for_key', { deployKey: 'dev:x|nonsense' }, 401, 'BadDeployKey'],
  ['POST', '/api/deployment/team_and_project_for_key', { deployKey: 7 }, 400, 'BadJsonBody'],
  ['GET', '/api/deployment/no-such-1/team_and_project', undefined, 404, 'DeploymentNotFound'],
  ['POST', '/api/deployment/provision_and_authorize', { deploymentType: 'dev' }, 400, 'BadJsonBody'],
  [
    'POST',
    '/api/deployment/provision_and_authorize',
    { teamSlug: 'my-team', projectSlug: 'none', deploymentType: 'dev' },
    404,
    'ProjectNotFound',
  ],
  ['POST', '/api/deployment/authorize_prod', { deploymentName: 'no-such-1' }, 404, 'DeploymentNotFound'],
  ['POST', '/api/deployment/authorize_within_current_project', { selectedDeploymentName: 'x' }, 400, 'BadJsonBody'],
  ['POST', '/api/deployment/existing_dev', { teamSlug: 'my-team', projectSlug: 'none' }, 404, 'ProjectNotFound'],
  ['GET', '/api/dashboard/teams/999/usage/team_usage_state', undefined, 404, 'TeamNotFound'],
  ['POST', '/api/deployment/authorize_preview', {}, 400, 'BadJsonBody'],
  ['POST', '/api/claim_preview_deployment', {}, 400, 'BadJsonBody'],
  [
    'POST',
    '/api/claim_preview_deployment',
    { projectSelection: ownProject, identifier: '' },
    400,
    'InvalidPreviewIdentifier',
  ],
  [
    'POST',
    '/api/claim_preview_deployment',
    { projectSelection: ownProject, identifier: 'x'.repeat(201) },
    400,
    'InvalidPreviewIdentifier',
  ],
  [
    'POST',
    '/api/deployment/authorize_preview',
    { projectSelection: ownProject, previewName: 'none' },
    404,
    'DeploymentNotFound',
  ],
  [
    'POST',
    '/api/deployment/authorize_preview',
    { projectSelection: { ...ownProject, projectSlug: 'none' }, previewName: 'none' },
    404,
    'ProjectNotFound',
  ],
  ['POST', '/api/local_deployment/start', { teamSlug: 'my-team', projectSlug: 'shop' }, 400, 'BadJsonBody'],
  [
    'POST',
    '/api/local_deployment/start',
    { teamSlug: 'my-team', projectSlug: 'none', port: 1, instanceName: null },
    404,
    'ProjectNotFound',
  ],
  ['POST', '/api/local_deployment/pause', { teamSlug: 'my-team', projectSlug: 'none' }, 404, 'ProjectNotFound'],
  ['POST', '/api/local_deployment/record_activity', { instanceName: 'local-x' }, 404, 'DeploymentNotFound'],
  ['GET', '/api/teams/nobody/projects', undefined, 404, 'TeamNotFound'],
  ['POST', '/api/workos/provision_associated_workos_team', {}, 404, 'FeatureNotAvailable'],
]

it.each(cases)('refuses %s %s with %j as %d %s', async (method, template, body, status, code) => {
  const path = template
    .replace('TEAM', String(plane.first.team.id))
    .replace('PROJECT', String(project.id))
    .replace('DEPLOYMENT', project.deploymentName)
  const answer = await plane.call(method, path, { body })
  expect(answer).toMatchObject({ status, body: { code, message: expect.any(String) } })
  expect(answer.headers.get('x-request-id')).toMatch(/./)
  expect(answer.headers.get('cache-control')).toBe('no-store')
})

describe('credentials', () => {
  const paths = ['/v1/token_details', '/v1/projects/1', '/api/teams', '/api/has_projects']

  it.each(paths)('refuses %s without a good one', async (path) => {
    for (const token of [null, 'nonsense', `${plane.first.accessToken.slice(0, -8)}AAAAAAAA`]) {
      const answer = await plane.call('GET', path, { token })
      expect(answer).toMatchObject({ status: 401, body: { code: 'AccessTokenInvalid' } })
    }
  })

  it('refuses a body that is not declared as JSON', async () => {
    const answer = await plane.call('POST', `/v1/teams/${plane.first.team.id}/create_project`, {
      body: '{"projectName":"x"}',
      headers: { 'Content-Type': 'text/plain' },
    })
    expect(answer).toMatchObject({ status: 400, body: { code: 'BadJsonBody' } })
  })
})
