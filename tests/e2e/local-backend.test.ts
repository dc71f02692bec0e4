// The launcher in the shape of the official local backend: as a program, and as what the official command line starts
// in its anonymous and local modes. Nothing but loopback is reachable for either.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type AppFolder,
  type Cli,
  makeTemporaryFolder,
  openAppFolder,
  openCli,
  pickPortRange,
  repositoryRoot,
  type RunningChild,
  selfHostedAccess,
  startChild,
} from '@concave/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { upload } from './files-api.ts'
import { mutation, post, query } from './http-calls.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const launcher = join(repositoryRoot, 'packages/cli/bin/convex-local-backend')
const operatorCommand = join(repositoryRoot, 'packages/cli/src/main.ts')
const version = 'precompiled-2026-11-22-concave'
const secret = '5e'.repeat(32)
const { first: port, last: sitePort } = pickPortRange()
const url = `http://127.0.0.1:${port}`
const system = { PATH: '/usr/bin:/bin' }
/** Nothing listens there. */
const nowhere = 'http://127.0.0.1:1'

let folder: string
const started: RunningChild[] = []

beforeAll(async () => {
  folder = await makeTemporaryFolder('local-backend')
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop('SIGKILL')))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function launch(...args: string[]): RunningChild {
  const child = startChild(args, { command: launcher, cwd: folder, env: system })
  started.push(child)
  return child
}

const instance = ['--instance-name', 'calm-otter', '--instance-secret', secret]
const serveArgs = (database: string): string[] => [
  '--port',
  String(port),
  '--site-proxy-port',
  String(sitePort),
  ...instance,
  '--local-storage',
  join(folder, 'files'),
  '--sentry-identifier',
  'x',
  '--beacon-tag',
  'x',
  '--beacon-fields',
  '{}',
  join(folder, database),
]

async function serve(database: string): Promise<RunningChild> {
  const child = launch(...serveArgs(database))
  await child.waitForOutput(/Deployment calm-otter is at/)
  return child
}

async function finish(child: RunningChild): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { code } = await child.exited
  return { code, stdout: child.stdout(), stderr: child.stderr() }
}

const readTables = async (key: string): Promise<number> =>
  (await post(url, '/api/run_function', { path: '_system/cli/tables', args: {}, format: 'json' }, { key })).status

describe('the launcher', () => {
  test('shows help, whatever else it is told', async () => {
    const { code, stdout } = await finish(launch(...serveArgs('any'), '--help'))
    expect(code).toBe(0)
    expect(stdout).toContain('--site-proxy-port')
  })

  test.each([
    [['--port', 'x'], '--port "x"'],
    [['--port', '70000'], '--port "70000": must be up to 65535'],
    [['--port', '3210', '--site-proxy-port', '3210'], '--site-proxy-port 3210: must differ'],
    [['--instance-name', 'a|b'], '--instance-name "a|b": may hold letters'],
    [['--instance-secret', 'abc'], '--instance-secret: must be 32 bytes'],
    [['--convex-origin', 'ftp://x'], '--convex-origin "ftp://x": must be an http(s) URL'],
    [['--convex-site', 'http://x.test/path'], 'must have no path'],
    [['--interface', '0.0.0.0'], 'InsecureInstanceSecret: Everybody knows'],
    [['--no-such-flag'], 'unknown option'],
    [['a', 'b'], 'too many arguments'],
    [['keygen', 'admin-key'], "required option '--instance-name <value>'"],
    [['keygen', 'admin-key', '--instance-name', 'a', '--instance-secret', '00'], '--instance-secret: must be 32 bytes'],
  ])('ends with code 2 for %j', async (args, says) => {
    const { code, stderr } = await finish(launch(...args))
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(says) })
    expect(stderr).not.toContain('    at ')
  })

  test('serves a deployment to the keys of its secret', async () => {
    const child = await serve('keys.sqlite3')
    expect(await (await fetch(`${url}/instance_name`)).text()).toBe('calm-otter')
    expect(await (await fetch(`${url}/version`)).text()).toMatch(/^concave-/)
    const { stdout } = await finish(launch('keygen', 'admin-key', ...instance))
    expect(await readTables(stdout.trim())).toBe(200)
    const other = ['--instance-name', 'calm-otter', '--instance-secret', '6f'.repeat(32)]
    expect(await readTables((await finish(launch('keygen', 'admin-key', ...other))).stdout.trim())).toBe(401)
    expect(await child.stop()).toEqual({ code: 0, signal: null })
  })

  test('refuses data and ports that others have, and data of others', async () => {
    await serve('used.sqlite3')
    const elsewhere = ['--port', String(port + 2), '--site-proxy-port', String(port + 3)]
    const sameData = await finish(launch(...elsewhere, join(folder, 'used.sqlite3')))
    expect(sameData).toMatchObject({ code: 1, stderr: expect.stringContaining('StorageInUse: The data at') })
    const ownDatabase = join(folder, 'free.sqlite3')
    const sameFiles = await finish(launch(...elsewhere, '--local-storage', join(folder, 'files'), ownDatabase))
    expect(sameFiles).toMatchObject({ code: 1, stderr: expect.stringContaining(`StorageInUse: The data at ${folder}`) })
    const samePort = await finish(launch('--port', String(port), '--site-proxy-port', String(port + 3), 'free.sqlite3'))
    expect(samePort).toMatchObject({ code: 1, stderr: expect.stringContaining(`PortInUse: Port ${port} of 127.0.0.1`) })
    const foreign = new DatabaseSync(join(folder, 'foreign.sqlite3'))
    foreign.exec('CREATE TABLE documents (id)')
    foreign.close()
    const refused = await finish(launch(...elsewhere, join(folder, 'foreign.sqlite3')))
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/StorageOpenFailed.*not a deployment's data/),
    })
  })

  test('keeps what was acknowledged when it is killed', async () => {
    const child = await serve('killed.sqlite3')
    const key = (await finish(launch('keygen', 'admin-key', ...instance))).stdout.trim()
    await using app = await openAppFolder({ from: fixtureFolder('shop') })
    const cli = await openCli(app, selfHostedAccess(url, key))
    await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(await mutation(url, 'counters:add', { name: 'kept', amount: 3 })).toBe(3)
    expect(await child.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
    const restarted = await serve('killed.sqlite3')
    expect(await query(url, 'counters:read', { name: 'kept' })).toBe(3)
    expect(await readTables(key)).toBe(200)

    await using filesApp = await openAppFolder({ from: fixtureFolder('files') })
    await (await openCli(filesApp, selfHostedAccess(url, key))).succeed('dev', '--once', '--typecheck', 'disable')
    const { body } = await upload((await mutation(url, 'files:uploadUrl')) as string, 'kept too')
    expect(await restarted.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
    await serve('killed.sqlite3')
    const fileUrl = (await query(url, 'files:url', { id: body.storageId })) as string
    expect(await (await fetch(fileUrl)).text()).toBe('kept too')
    expect((await readdir(join(folder, 'files'), { recursive: true })).length).toBeGreaterThan(1)
  })
})

describe('the official command line', () => {
  let app: AppFolder
  const dev = ['dev', '--once', '--typecheck', 'disable', '--local-backend-version', version]
  const ports = ['--local-cloud-port', String(port), '--local-site-port', String(sitePort)]
  const configPath = '.convex/local/default/config.json'

  async function install(host: string, ...more: string[]): Promise<void> {
    const args = ['--disable-warning=ExperimentalWarning', operatorCommand, 'local-backend', 'install', ...more]
    const env = { ...system, HOME: join(app.path, '.home'), CONVEX_PROVISION_HOST: host }
    expect(await finish(startChild(args, { cwd: folder, env }))).toMatchObject({ code: 0, stderr: '' })
  }

  beforeAll(async () => {
    app = await openAppFolder({ from: fixtureFolder('shop') })
  })
  afterEach(async () => await app.remove('.convex'))
  afterEach(async () => await app.remove('.env.local'))
  afterAll(async () => await app[Symbol.asyncDispose]())

  const readDeployment = async (cli: Cli): Promise<string> => {
    expect((await cli.succeed('run', 'counters:add', '{"name":"cli","amount":2}')).stdout.trim()).toBe('2')
    return (await cli.succeed('run', 'counters:read', '{"name":"cli"}')).stdout.trim()
  }

  test('anonymous: starts it for an app that was set up, for one command and for longer', async () => {
    await install(nowhere, '--project', app.path)
    expect(await readFile(join(app.path, '.convex/.gitignore'), 'utf8')).toBe('/*\n')
    const cli = await openCli(app, { CONVEX_PROVISION_HOST: nowhere, CONVEX_VERSION_API_ORIGIN: nowhere })
    await cli.succeed(...dev, ...ports)
    expect(await app.read('.env.local')).toContain(`CONVEX_URL=${url}`)
    expect(await app.read('.env.local')).toMatch(/CONVEX_DEPLOYMENT=anonymous:anonymous-/)
    expect(await readDeployment(cli)).toBe('2')

    const watching = cli.start(...dev.filter((arg) => arg !== '--once'), ...ports)
    started.push(watching)
    await watching.waitForOutput(/Convex functions ready/)
    expect(await query(url, 'counters:read', { name: 'cli' })).toBe(2)
    await watching.stop('SIGINT')
    await vi.waitFor(async () => await expect(fetch(url)).rejects.toThrow('fetch failed'), { timeout: 10_000 })
  })

  test('anonymous: asks it for a key where nothing was set up', async () => {
    await install(nowhere)
    // What the service answers that says which backend is the newest; its address is fixed in the command line.
    const service = `const next = globalThis.fetch; globalThis.fetch = (url, init) =>
      String(url) === 'https://version.convex.dev/v1/local_backend_version'
        ? Promise.resolve(Response.json({ version: '${version}' })) : next(url, init)`
    const cli = await openCli(app, {
      CONVEX_PROVISION_HOST: nowhere,
      CONVEX_VERSION_API_ORIGIN: nowhere,
      CONVEX_AGENT_MODE: 'anonymous',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(service)}`,
    })
    await cli.succeed('dev', '--once', '--typecheck', 'disable', ...ports)
    expect(JSON.parse(await app.read(configPath))).toMatchObject({
      deploymentName: 'anonymous-agent',
      adminKey: expect.stringMatching(/^anonymous-agent\|01[0-9a-f]+$/),
      backendVersion: version,
    })
    expect(await readDeployment(cli)).toBe('2')
  })

  test('local: starts it for a project of a control plane', async () => {
    const asked: string[] = []
    const project = { id: 7, slug: 'shop', name: 'Shop', teamId: 1, teamSlug: 'ours', createTime: 0 }
    const answers: Readonly<Record<string, unknown>> = {
      'HEAD /api/authorize': null,
      'POST /api/check_opt_ins': { optInsToAccept: [] },
      'GET /api/teams': [{ id: 1, name: 'Ours', slug: 'ours', suspended: false, referralCode: '' }],
      'GET /v1/teams/1/projects': { items: [project], pagination: { hasMore: false } },
      'GET /v1/teams/ours/projects/shop': project,
      'GET /api/deployment/local-ours-shop/team_and_project': {
        team: 'ours',
        project: 'shop',
        teamId: 1,
        projectId: 7,
      },
      'GET /api/dashboard/teams/1/usage/team_usage_state': { usageState: 'Default' },
      'GET /api/dashboard/teams/1/get_spending_limits': { disableThresholdCents: null, state: null },
      'POST /api/local_deployment/start': { deploymentName: 'local-ours-shop', projectId: 7 },
      'POST /api/local_deployment/pause': null,
      'POST /api/local_deployment/record_activity': null,
    }
    const controlPlane = createServer((request, response) => {
      const call = `${request.method} ${request.url?.split('?')[0]}`
      asked.push(call)
      request.resume()
      response.writeHead(call in answers ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answers[call] ?? { code: 'NotHere', message: call }))
    })
    await new Promise<void>((resolve) => controlPlane.listen(0, '127.0.0.1', resolve))
    const host = `http://127.0.0.1:${(controlPlane.address() as AddressInfo).port}`
    try {
      await install(host, '--project', app.path)
      const named = ['--instance-name', 'local-ours-shop', '--instance-secret', secret]
      const adminKey = (await finish(launch('keygen', 'admin-key', ...named))).stdout.trim()
      const saved = JSON.parse(await app.read(configPath)) as object
      const config = { ...saved, deploymentName: 'local-ours-shop', instanceSecret: secret, adminKey }
      await writeFile(join(app.path, configPath), JSON.stringify(config))
      const cli = await openCli(app, {
        CONVEX_PROVISION_HOST: host,
        CONVEX_VERSION_API_ORIGIN: host,
        CONVEX_OVERRIDE_ACCESS_TOKEN: 'secret-token',
      })
      const chosen = ['--configure', 'existing', '--team', 'ours', '--project', 'shop', '--dev-deployment', 'local']
      await cli.succeed(...dev, ...ports, ...chosen)
      expect(asked).toContain('POST /api/local_deployment/start')
      expect(await app.read('.env.local')).toContain('CONVEX_DEPLOYMENT=local:local-ours-shop')
      expect(JSON.parse(await app.read(configPath))).toMatchObject({ adminKey, ports: { cloud: port, site: sitePort } })
      expect(await readDeployment(cli)).toBe('2')
      await cli.succeed(...dev)
      expect(asked).toContain('POST /api/local_deployment/pause')
    } finally {
      controlPlane.closeAllConnections()
      await new Promise<void>((resolve) => controlPlane.close(() => resolve()))
    }
  })
})
