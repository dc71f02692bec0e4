// Every operation against every kind of credential, and against owners that are somebody else's: what one may not see
// does not exist.
import { loadContract } from '@concave/http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'
import { operations } from './operations.ts'

const contract = loadContract(new URL('../../../contracts/management.openapi.json', import.meta.url))

type Known = {
  readonly id: string
  readonly method: string
  readonly template: string
  readonly schemes: readonly string[]
}

const known: readonly Known[] = Object.entries(contract.paths).flatMap(([template, methods]) =>
  Object.entries(methods).map(([method, { operationId, security = [] }]) => ({
    id: operationId,
    method: method.toUpperCase(),
    template,
    schemes: security.flatMap((requirement) => Object.keys(requirement)),
  })),
)

/** A valid body for each operation that has one, and the query that one needs. */
const bodies: Readonly<Record<string, object>> = {
  'create project': { projectName: 'Stolen' },
  'update project': { name: 'Stolen' },
  'create deployment': { type: 'custom' },
  'ensure deployment': { type: 'custom', reference: 'stolen' },
  'update deployment': { reference: 'stolen' },
  'transfer deployment': { destinationProjectId: 1 },
  'create deploy key': { name: 'stolen' },
  'delete deploy key': { id: 'ci' },
  'rotate deploy key': { id: 'ci' },
  'create preview deploy key': { name: 'stolen' },
  'delete preview deploy key': { id: 'previews' },
  'rotate preview deploy key': { id: 'previews' },
  'create personal access token': { name: 'stolen' },
  'delete personal access token': { id: 'stolen' },
  'rotate personal access token': { id: 'stolen' },
  'create team access token': { name: 'stolen' },
  'delete team access token': { id: 'First access token' },
  'rotate team access token': { id: 'First access token' },
  'create team': { name: 'Stolen', defaultRegion: 'aws-us-east-1' },
  'update default environment variables': { changes: [] },
}
const queries: Readonly<Record<string, string>> = {
  'get deployment in project by project id': '?defaultDev=true',
  'get deployment in project by project slug': '?defaultDev=true',
}

let plane: TestControlPlane
let project: CreatedProject
let tokens: { readonly [kind: string]: string }
beforeAll(async () => {
  plane = await openTestControlPlane()
  project = await plane.createProject()
  const other = await plane.createProject('Other')
  const strangers = await plane.addTeam('Strangers')
  const otherProject = await plane.addProjectToken(other.id)
  const path = `/v1/deployments/${project.deploymentName}/create_deploy_key`
  const { deployKey } = await plane.succeed<{ deployKey: string }>('POST', path, { name: 'ci' })
  const previewPath = `/v1/projects/${project.id}/create_preview_deploy_key`
  const { previewDeployKey } = await plane.succeed<{ previewDeployKey: string }>('POST', previewPath, {
    name: 'previews',
  })
  tokens = { strangers: strangers.token, otherProject, deployKey, previewDeployKey }
})
afterAll(async () => {
  await plane[Symbol.asyncDispose]()
})

async function attempt({ id, method, template }: Known, token: string | null) {
  const path = template
    .replace('{team_id}', String(plane.first.team.id))
    .replace('{team_id_or_slug}', plane.first.team.slug)
    .replace('{project_id}', String(project.id))
    .replace('{project_slug}', project.slug)
    .replace('{deployment_name}', project.deploymentName)
  const body = bodies[id]
  return await plane.call(method, `/v1${path}${queries[id] ?? ''}`, { token, ...(body === undefined ? {} : { body }) })
}

const ofSomebody = known.filter(({ template }) => template.includes('{'))

it('knows a body for every operation', () => {
  expect(known.map(({ id }) => id).toSorted()).toEqual(operations.map(({ id }) => id).toSorted())
  const posts = known.filter(({ id, method }) => method !== 'GET' && !/^delete (project|deployment)$/.test(id))
  expect(posts.map(({ id }) => id).toSorted()).toEqual(Object.keys(bodies).toSorted())
})

it.each(known)('$id refuses no token and nonsense', async (operation) => {
  for (const token of [null, 'nonsense', `${plane.first.accessToken.slice(0, -8)}AAAAAAAA`]) {
    expect(await attempt(operation, token)).toMatchObject({ status: 401, body: { code: 'AccessTokenInvalid' } })
  }
})

const isTeams = ({ schemes }: Known): boolean => schemes.includes('Team Token')
const isProjects = ({ schemes }: Known): boolean => schemes.includes('OAuth Project Token')
const not =
  (test: (operation: Known) => boolean) =>
  (operation: Known): boolean =>
    !test(operation)
const wrongKind = { status: 403, body: { code: 'AccessTokenForbidden' } }

describe("another team's token", () => {
  it.each(ofSomebody.filter(isTeams))('does not find it: $id', async (operation) => {
    const code: unknown = expect.stringMatching(/^(Team|Project|Deployment)NotFound$/)
    expect(await attempt(operation, tokens['strangers'] ?? '')).toMatchObject({ status: 404, body: { code } })
  })
  it.each(ofSomebody.filter(not(isTeams)))('is the wrong kind: $id', async (operation) => {
    expect(await attempt(operation, tokens['strangers'] ?? '')).toMatchObject(wrongKind)
  })
})

describe("another project's token", () => {
  it.each(ofSomebody.filter(isProjects))('does not find it: $id', async (operation) => {
    expect(await attempt(operation, tokens['otherProject'] ?? '')).toMatchObject({ status: 404 })
  })
  it.each(ofSomebody.filter(not(isProjects)))('is the wrong kind: $id', async (operation) => {
    expect(await attempt(operation, tokens['otherProject'] ?? '')).toMatchObject(wrongKind)
  })
})

describe.each([
  ['Deploy Key', 'deployKey'],
  ['Preview Deploy Key', 'previewDeployKey'],
])('a %s', (scheme, token) => {
  it.each(known.filter(({ schemes }) => schemes.includes(scheme)))(
    'can do what the contract says: $id',
    async (one) => {
      expect((await attempt(one, tokens[token] ?? '')).status).toBe(200)
    },
  )
  it.each(known.filter(({ schemes }) => !schemes.includes(scheme)))('can do nothing else: $id', async (one) => {
    const message: unknown = expect.stringContaining(one.schemes[0] ?? '')
    expect(await attempt(one, tokens[token] ?? '')).toMatchObject({
      status: 403,
      body: { code: 'AccessTokenForbidden', message },
    })
  })
})

it('has left everything as it was', async () => {
  expect(await plane.succeed('GET', `/v1/deployments/${project.deploymentName}/list_deploy_keys`)).toMatchObject([
    { name: 'ci' },
  ])
  expect(await plane.succeed('GET', `/v1/projects/${project.id}`)).toMatchObject({ name: 'Shop' })
  expect(await plane.succeed('GET', `/v1/projects/${project.id}/list_deployments`)).toHaveLength(1)
})
