// The command line's local mode against this control plane: the backend runs on the developer's machine, the control plane
// names it, knows of it, and hands it the project's default variables.
import { join } from 'node:path'
import { pickPortRange, repositoryRoot, startChild, startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { manage, openWorkplace, type Workplace } from './cli-accounts.ts'
import { fixtureFolder } from './fixtures.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const operatorCommand = join(repositoryRoot, 'packages/cli/src/main.ts')
const version = 'precompiled-2026-11-22-concave'
const { first: port, last: sitePort } = pickPortRange()

/** What the service answers that says which backend is the newest; its address is fixed in the command line. */
const service = `const next = globalThis.fetch; globalThis.fetch = (url, init) =>
  String(url) === 'https://version.convex.dev/v1/local_backend_version'
    ? Promise.resolve(Response.json({ version: '${version}' })) : next(url, init)`

let server: TestServer
let work: Workplace
beforeAll(async () => {
  server = await startTestServer()
  const more = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(service)}` }
  work = await openWorkplace(server, { folder: fixtureFolder('shop'), isLoggedIn: true, more })
  const args = ['--disable-warning=ExperimentalWarning', operatorCommand, 'local-backend', 'install']
  const home = join(work.app.path, '.home')
  const env = { PATH: '/usr/bin:/bin', HOME: home, CONVEX_PROVISION_HOST: server.url }
  const installing = startChild(args, { cwd: repositoryRoot, env })
  if ((await installing.exited).code !== 0) throw new Error(`Could not install it: ${installing.stderr()}`)
})
afterAll(async () => {
  await work[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const dev = ['dev', '--once', '--typecheck', 'disable', '--local-backend-version', version]
const ports = ['--local-cloud-port', String(port), '--local-site-port', String(sitePort)]

type Local = { readonly name: string; readonly port: number; readonly isActive: boolean }
const listLocal = async () =>
  (await manage<{ items: Local[] }>(server, `/teams/${server.teamId}/list_local_deployments`)).items

it('runs on this machine for a project of the control plane', async () => {
  const { id } = await manage<{ id: number }>(server, `/teams/${server.teamId}/create_project`, { projectName: 'Shop' })
  const changes = [{ name: 'GREETING', deploymentType: 'dev', value: 'hello' }]
  await manage(server, `/projects/${id}/update_default_environment_variables`, { changes })
  const chosen = ['--configure', 'existing', '--team', 'my-team', '--project', 'shop', '--dev-deployment', 'local']
  await work.cli.succeed(...dev, ...ports, ...chosen)
  expect(await work.app.read('.env.local')).toContain('CONVEX_DEPLOYMENT=local:local-my_team-shop')
  expect(await listLocal()).toEqual([
    expect.objectContaining({ kind: 'local', name: 'local-my_team-shop', port, isActive: false }),
  ])
})

it('has the default variables of the project, and answers other commands', async () => {
  const { cli } = work
  expect((await cli.succeed('env', 'get', 'GREETING')).stdout.trim()).toBe('hello')
  expect((await cli.succeed('run', 'counters:add', '{"name":"local","amount":2}')).stdout.trim()).toBe('2')
})

it('is active while it runs, and keeps its name and data', async () => {
  const running = work.cli.start(...dev.filter((arg) => arg !== '--once'))
  await running.waitForOutput(/Convex functions ready/)
  expect(await listLocal()).toMatchObject([{ name: 'local-my_team-shop', isActive: true }])
  await running.stop('SIGINT')
  expect(await listLocal()).toMatchObject([{ name: 'local-my_team-shop', isActive: false }])
  expect((await work.cli.succeed('run', 'counters:read', '{"name":"local"}')).stdout.trim()).toBe('2')
})
