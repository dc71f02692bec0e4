// What a person does with the official command line against the control plane: log in, make projects, deployments, tokens
// and default variables, and work on them.
import { runPersonalTokenCreate, startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { manage, openWorkplace, type Workplace } from './cli-accounts.ts'
import { fixtureFolder } from './fixtures.ts'
import { query } from './http-calls.ts'

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let work: Workplace
beforeAll(async () => {
  server = await startTestServer()
  work = await openWorkplace(server, { folder: fixtureFolder('shop') })
})
afterAll(async () => {
  await work[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

type Deployment = {
  readonly name: string
  readonly reference: string
  readonly isDefault: boolean
  readonly expiresAt: number | null
  readonly deploymentUrl: string
}

const listDeployments = async () => {
  const project = await manage<{ id: number }>(server, '/teams/my-team/projects/shop')
  return await manage<Deployment[]>(server, `/projects/${project.id}/list_deployments`)
}

it('logs in with the first token, and knows who it is', async () => {
  const { cli } = work
  const before = await cli.run('login', 'status')
  expect(before.stderr + before.stdout).toContain('Not logged in')
  await cli.succeed('login', '--override-access-token', server.accessToken, '--no-open', '--device-name', 'laptop')
  const status = await cli.succeed('login', 'status')
  expect(status.stderr + status.stdout).toContain('My team')
  const tokens = await manage<{ items: { name: string }[] }>(server, `/teams/${server.teamId}/list_access_tokens`)
  expect(tokens.items.map(({ name }) => name)).toEqual(['laptop', 'First access token'])
})

it('makes a project with a deployment, and pushes', async () => {
  const args = ['--configure', 'new', '--team', 'my-team', '--project', 'Shop', '--dev-deployment', 'cloud']
  await work.cli.succeed('dev', '--once', '--typecheck', 'disable', ...args)
  const [dev, ...others] = await listDeployments()
  expect(others).toEqual([])
  expect(dev).toMatchObject({ reference: 'dev/owner', isDefault: true })
  const env = await work.app.read('.env.local')
  expect(env).toContain(`CONVEX_DEPLOYMENT=dev:${dev?.name} # team: my-team, project: shop`)
  expect(await query(dev?.deploymentUrl ?? '', 'version:current')).toBe('first')
})

it('manages default variables, with which new deployments start', async () => {
  const { cli } = work
  await cli.succeed('env', 'default', 'set', 'GREETING', 'hello')
  await cli.succeed('env', 'default', 'set', 'GREETING', 'good day', '--type', 'prod')
  expect((await cli.succeed('env', 'default', 'list')).stdout).toContain('GREETING=hello')
  expect((await cli.succeed('env', 'default', 'get', 'GREETING', '--type', 'prod')).stdout.trim()).toBe('good day')
  const created = await cli.succeed('deployment', 'create', 'dev/two', '--type', 'dev', '--expiration', 'in 7 days')
  expect(created.exitCode).toBe(0)
  expect((await cli.succeed('env', 'get', 'GREETING', '--deployment', 'dev/two')).stdout.trim()).toBe('hello')
  await cli.succeed('env', 'default', 'remove', 'GREETING')
  expect((await cli.succeed('env', 'default', 'list')).stdout).not.toContain('GREETING=')
  expect((await cli.succeed('env', 'get', 'GREETING', '--deployment', 'dev/two')).stdout.trim()).toBe('hello')
  const two = (await listDeployments()).find(({ reference }) => reference === 'dev/two')
  expect(two).toMatchObject({ isDefault: false, expiresAt: expect.any(Number) })
})

it('selects another deployment', async () => {
  const two = (await listDeployments()).find(({ reference }) => reference === 'dev/two')
  await work.cli.succeed('deployment', 'select', 'dev/two')
  expect(await work.app.read('.env.local')).toContain(`CONVEX_DEPLOYMENT=dev:${two?.name}`)
  await work.cli.succeed('deployment', 'select', 'dev')
})

it('makes a deploy key that deploys, until it is deleted', async () => {
  const { cli } = work
  const created = await cli.succeed('deployment', 'token', 'create', 'ci', '--deployment', 'dev/two')
  const key = created.stdout.trim()
  expect(key).toMatch(/^dev:[a-z]+-[a-z]+-\d+\|eyJ/)
  await using build = await openWorkplace(server, { folder: fixtureFolder('shop'), more: { CONVEX_DEPLOY_KEY: key } })
  await build.cli.succeed('deploy', '--typecheck', 'disable')
  const two = (await listDeployments()).find(({ reference }) => reference === 'dev/two')
  expect(await query(two?.deploymentUrl ?? '', 'version:current')).toBe('first')
  await cli.succeed('deployment', 'token', 'delete', 'ci', '--deployment', 'dev/two')
  const refused = await build.cli.run('deploy', '--typecheck', 'disable')
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('BadDeployKey') })
})

it('deploys to production, which is made on the way', async () => {
  await work.cli.succeed('deploy', '-y', '--typecheck', 'disable')
  const prod = (await listDeployments()).find(({ reference }) => reference === 'production')
  expect(await query(prod?.deploymentUrl ?? '', 'version:current')).toBe('first')
  const insights = await work.cli.run('insights', '--prod')
  expect(insights.exitCode).toBe(0)
})

it('makes a project alone', async () => {
  await work.cli.succeed('project', 'create', 'Second')
  const second = await manage(server, '/teams/my-team/projects/second')
  expect(second).toMatchObject({ name: 'Second' })
})

it('logs out', async () => {
  await work.cli.succeed('logout')
  const status = await work.cli.run('login', 'status')
  expect(status.stderr + status.stdout).toContain('Not logged in')
})

describe('a personal token that the operator made', () => {
  it('is a login too, and is listed and deleted', async () => {
    const made = await runPersonalTokenCreate({ dataDir: server.dataDir })
    expect(made).toMatchObject({ exitCode: 0, stderr: '' })
    const accessToken = made.stdout.trim()
    await using other = await openWorkplace(server, {
      folder: fixtureFolder('shop'),
      more: { CONVEX_OVERRIDE_ACCESS_TOKEN: accessToken },
    })
    await other.cli.succeed('project', 'create', 'Third')
    const mine = { url: server.url, accessToken }
    expect(await manage(mine, '/list_personal_access_tokens')).toMatchObject({ items: [{ name: 'laptop' }] })
    await manage(mine, '/delete_personal_access_token', { id: accessToken })
    await expect(manage(mine, '/token_details')).rejects.toThrow('401')
  })
})
