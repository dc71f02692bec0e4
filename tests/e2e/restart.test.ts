// The server as a process: what it prints and writes at its first start, what survives a signal and a kill.
import { randomUUID } from 'node:crypto'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  runAdminKeyCreate,
  type ServerProcess,
  startServerProcess,
  waitFor,
} from '@concave/testing'
import { ConvexClient } from 'convex/browser'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'
import { counters } from './shop-api.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const deploymentPorts = pickPortRange()
let folder: string
let dataDir: string
let bootstrapFile: string
let server: ServerProcess
let port = 0
let app: PushedApp

const start = async (): Promise<void> => {
  server = await startServerProcess({ dataDir, port, deploymentPorts, bootstrapFile })
  port = Number(new URL(server.url).port)
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('restart')
  dataDir = join(folder, 'data')
  bootstrapFile = join(folder, 'bootstrap.json')
  await start()
  app = await pushApp(await readBootstrapFile(bootstrapFile), { folder: fixtureFolder('shop') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

it('prints where it is and its secrets at the first start, and writes the bootstrap file for its owner only', async () => {
  const written = await readBootstrapFile(bootstrapFile)
  expect(written).toEqual({
    url: server.url,
    teamId: expect.any(Number),
    teamSlug: expect.stringMatching(/^[a-z0-9-]+$/),
    accessToken: expect.stringMatching(/^\S{40,}$/),
  })
  expect((await stat(bootstrapFile)).mode & 0o777).toBe(0o600)
  const printed = server.stdout()
  expect(printed).toContain(`Control plane  ${server.url}`)
  expect(printed).toContain(`(id ${written.teamId}, slug ${written.teamSlug})`)
  expect(printed).toContain(written.accessToken)
  expect(printed).toContain(`${server.url}/claim#`)
})

describe.each(['SIGTERM', 'SIGKILL'] as const)('%s while mutations run', (signal) => {
  it('loses nothing that was acknowledged; a client goes on by itself, exactly once; no secret is printed again', async () => {
    const client = new ConvexClient(app.url, { logger: false })
    const name = `after ${signal} ${randomUUID()}`
    let watched = 0
    client.onUpdate(counters.read, { name }, (value) => (watched = value as number))
    let acknowledged = 0
    let isOver = false
    const work = async (): Promise<void> => {
      while (!isOver) {
        await client.mutation(counters.add, { name, amount: 1 })
        acknowledged += 1
      }
    }
    const workers = Promise.all([work(), work(), work()])
    await waitFor('mutations before the end', () => (acknowledged >= 20 ? true : undefined))

    const exit = await server.stop(signal)
    expect(exit).toEqual(signal === 'SIGTERM' ? { code: 0, signal: null } : { code: null, signal })
    const acknowledgedBefore = acknowledged
    await start()
    expect(await query(app.url, 'counters:read', { name })).toBeGreaterThanOrEqual(acknowledgedBefore)

    await waitFor(
      'mutations after the start',
      () => (acknowledged >= acknowledgedBefore + 20 ? true : undefined),
      30_000,
    )
    isOver = true
    await workers
    expect(await query(app.url, 'counters:read', { name })).toBe(acknowledged)
    await waitFor('the watched query', () => (watched === acknowledged ? true : undefined))
    await client.close()

    expect(server.stdout()).not.toMatch(/[Tt]oken|claim/)
    const { accessToken } = await readBootstrapFile(bootstrapFile)
    expect(server.stdout()).not.toContain(accessToken)
  })
})

describe('after a restart', () => {
  it('tokens, deploy keys, variables and code are as before', async () => {
    const changes = [{ name: 'GREETING', value: 'kept' }]
    const changed = await post(app.url, '/api/update_environment_variables', { changes }, { key: app.deployKey })
    expect(changed.status).toBe(200)
    await server.stop('SIGKILL')
    await start()
    expect(await query(app.url, 'outcomes:greeting')).toBe('kept')
    const { accessToken, teamId } = await readBootstrapFile(bootstrapFile)
    const details = await fetch(`${server.url}/v1/token_details`, {
      headers: { authorization: `Bearer ${accessToken}` },
    })
    expect(await details.json()).toMatchObject({ type: 'teamToken', teamId })
    const run = await app.cli.succeed('run', 'version:current')
    expect(run.stdout.trim()).toBe('"first"')
  })

  it('a key made while the server was stopped works, as one made while it runs', async () => {
    const tables = { path: '_system/cli/tables', args: {}, format: 'json' }
    await server.stop()
    const stopped = await runAdminKeyCreate({ deployment: app.deploymentName, dataDir })
    expect(stopped).toMatchObject({ exitCode: 0, stderr: '' })
    await start()
    const running = await runAdminKeyCreate({ deployment: app.deploymentName, dataDir, isReadOnly: true })
    expect(running).toMatchObject({ exitCode: 0, stderr: '' })
    for (const { stdout } of [stopped, running]) {
      expect(await post(app.url, '/api/run_function', tables, { key: stdout.trim() })).toMatchObject({ status: 200 })
    }
  })

  it('the data folder belongs to one server at a time, and a port to one program', async () => {
    const sameData = startServerProcess({ dataDir, port: 0, deploymentPorts: pickPortRange() })
    await expect(sameData).rejects.toThrow(/Ended without printing[\s\S]*StorageInUse: The data at .* is in use/)
    const samePort = startServerProcess({ dataDir: join(folder, 'other'), port, deploymentPorts: pickPortRange() })
    await expect(samePort).rejects.toThrow(new RegExp(`Ended without printing[^]*PortInUse: Port ${port} of 127.0.0.1`))
    expect(await query(app.url, 'version:current')).toBe('first')
  })
})
