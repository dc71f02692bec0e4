import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, systemClock, systemRandom } from '@concave/base'
import { Collection, Database } from '@concave/database'
import { type NodeProvider, RunnerPool } from '@concave/runtime'
import { CommitterPool, SqliteStorage } from '@concave/storage'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { DeploymentHost } from './deployment-host.ts'

const log = createLog({ level: 'error' })
let folder: string
let runners: RunnerPool
let committers: CommitterPool

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'concave-host-'))
  runners = await RunnerPool.start({ log, warmRunners: 1 })
  committers = new CommitterPool({ log })
})
afterAll(async () => {
  await runners.close()
  await committers.close()
  await rm(folder, { recursive: true, force: true })
})

const noNode: NodeProvider = {
  provide: () => Promise.reject(new Error('No Node action is to run here.')),
  setUser: async () => undefined,
  removeUser: async () => undefined,
}

function openHost(idleTimeoutMs: number): DeploymentHost {
  return new DeploymentHost({
    folder,
    host: '127.0.0.1',
    ports: { first: 26_000, last: 26_099 },
    keysOf: () => ({ verify: async () => ({ kind: 'unknown' }) }),
    describe: () => Promise.reject(new Error('No control plane is here.')),
    onDeployed: () => {},
    clock: systemClock,
    random: systemRandom,
    log,
    runners,
    node: noNode,
    egress: { allowsPrivate: false, fetch: () => Promise.reject(new Error('No action is to run here.')) },
    committers,
    idleTimeoutMs,
  })
}

function newDeployment(name: string, environment: Readonly<Record<string, string>> = {}) {
  return { name, type: 'dev', isRedacted: false, environment } as const
}

test('a deployment keeps its address over restarts, and goes with its folder', async () => {
  const first = openHost(60_000)
  await first.start()
  const urls = await first.create(newDeployment('calm-otter-1'))
  expect(await (await fetch(`${urls.url}/instance_name`)).text()).toBe('calm-otter-1')
  await first.close()

  const second = openHost(60_000)
  await second.start()
  expect(second.urlOf('calm-otter-1')).toEqual(urls)
  expect(await (await fetch(`${urls.url}/instance_name`)).text()).toBe('calm-otter-1')
  await second.remove('calm-otter-1')
  await expect(fetch(`${urls.url}/instance_name`)).rejects.toThrow('fetch failed')
  expect(() => second.urlOf('calm-otter-1')).toThrow('no deployment calm-otter-1')
  await second.close()
})

test('an idle deployment is closed and opened again by the next request', async () => {
  const host = openHost(0)
  await host.start()
  const { url } = await host.create(newDeployment('idle-otter-2'))
  const readTs = async (): Promise<unknown> => (await fetch(`${url}/api/query_ts`, { method: 'POST' })).json()
  const before = await readTs()
  await host.closeIdle()
  expect(await readTs()).toEqual(before)
  await host.close()
})

describe('what the control plane wants of a deployment', () => {
  const variables = async (name: string): Promise<unknown> => {
    const database = await Database.open({
      storage: new SqliteStorage({ path: join(folder, name, 'data.sqlite'), pool: committers }),
      clock: systemClock,
      random: systemRandom,
      log,
    })
    const rows = new Collection<{ name: string; value: string }>('_environment_variables')
    const { value } = await database.read(async (tx) => await rows.list(tx))
    await database.close()
    return value.map((row) => [row.name, row.value])
  }
  const manifestOf = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, name, 'deployment.json'), 'utf8'))

  test('it starts with variables, also when its creation is repeated after a crash', async () => {
    const first = openHost(60_000)
    await first.start()
    const urls = await first.create(newDeployment('env-otter-6', { A: '1' }))
    await first.close()
    const second = openHost(60_000)
    await second.start()
    expect(await second.create(newDeployment('env-otter-6', { A: '1', B: '2' }))).toEqual(urls)
    await second.close()
    expect(await variables('env-otter-6')).toEqual([
      ['A', '1'],
      ['B', '2'],
    ])
  })

  test('it is not made with variables that it would refuse', async () => {
    const host = openHost(60_000)
    await host.start()
    const refused = { code: 'EnvironmentVariableNameInvalid' }
    await expect(host.create(newDeployment('bad-otter-7', { '1A': '1' }))).rejects.toMatchObject(refused)
    await host.remove('bad-otter-7')
    await host.close()
  })

  test('it follows new settings from the next request on, durably', async () => {
    const host = openHost(60_000)
    await host.start()
    const { url } = await host.create(newDeployment('new-otter-8'))
    expect(await (await fetch(`${url}/instance_name`)).text()).toBe('new-otter-8')
    await host.configure('new-otter-8', { type: 'prod', isRedacted: true })
    expect(await manifestOf('new-otter-8')).toMatchObject({ type: 'prod', isRedacted: true })
    expect(await (await fetch(`${url}/instance_name`)).text()).toBe('new-otter-8')
    await host.configure('new-otter-8', { type: 'prod', isRedacted: true })
    await expect(host.configure('no-otter-9', { type: 'dev', isRedacted: false })).rejects.toMatchObject({
      code: 'DeploymentNotFound',
    })
    await host.close()
  })
})

describe('a deployment with something scheduled', () => {
  type Job = { readonly state: { readonly type: string }; readonly completedTs?: bigint; readonly nextTs?: bigint }
  const jobs = new Collection<Job & { udfPath: string; args: string; originalScheduledTs: bigint }>('_scheduled_jobs')
  const openDatabase = async (name: string): Promise<Database> =>
    await Database.open({
      storage: new SqliteStorage({ path: join(folder, name, 'data.sqlite'), pool: committers }),
      clock: systemClock,
      random: systemRandom,
      log,
    })
  /** While the deployment is closed. The function does not exist: the job that runs fails. */
  const addJob = async (name: string, dueMs: number): Promise<void> => {
    const database = await openDatabase(name)
    const ts = BigInt(dueMs) * 1_000_000n
    const job = { udfPath: 'm.js:gone', args: '{}', originalScheduledTs: ts, nextTs: ts, state: { type: 'pending' } }
    await database.mutate('test', async (tx) => await jobs.insert(tx, job))
    await database.close()
  }
  const readJob = async (name: string): Promise<Job | undefined> => {
    const database = await openDatabase(name)
    const { value } = await database.read(async (tx) => await jobs.list(tx))
    await database.close()
    return value[0]
  }
  const stateOf = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, name, 'state.json'), 'utf8'))
  const becomes = async (name: string, state: object): Promise<void> =>
    await vi.waitFor(async () => expect(await stateOf(name)).toEqual(state), { timeout: 10_000, interval: 10 })

  test('that was idle is opened when it is due, without any request', async () => {
    const host = openHost(60_000)
    await host.start()
    const { url } = await host.create(newDeployment('due-otter-3'))
    await (await fetch(`${url}/instance_name`)).text()
    expect(await stateOf('due-otter-3')).toEqual({ isOpen: true })
    await host.close()
    expect(await stateOf('due-otter-3')).toEqual({ isOpen: false, nextDueMs: null })

    const dueMs = systemClock.nowMs() + 1500
    await addJob('due-otter-3', dueMs)
    const second = openHost(50)
    await second.start()
    await (await fetch(`${url}/instance_name`)).text()
    await becomes('due-otter-3', { isOpen: false, nextDueMs: dueMs })
    await becomes('due-otter-3', { isOpen: false, nextDueMs: null })
    await second.close()
    const job = await readJob('due-otter-3')
    expect(job?.state).toMatchObject({ type: 'failed', error: expect.stringContaining('m:gone') })
    expect(job?.completedTs).toBeGreaterThanOrEqual(BigInt(dueMs) * 1_000_000n)
  })

  test('is known after a restart, whether it was closed cleanly or not', async () => {
    const host = openHost(60_000)
    await host.start()
    await host.create(newDeployment('clean-otter-4'))
    await host.create(newDeployment('crashed-otter-5'))
    await host.close()
    for (const name of ['clean-otter-4', 'crashed-otter-5']) await addJob(name, systemClock.nowMs() - 1000)
    const closed = { isOpen: false, nextDueMs: systemClock.nowMs() - 1000 }
    await writeFile(join(folder, 'clean-otter-4', 'state.json'), JSON.stringify(closed))
    await writeFile(join(folder, 'crashed-otter-5', 'state.json'), JSON.stringify({ isOpen: true }))

    const second = openHost(50)
    await second.start()
    for (const name of ['clean-otter-4', 'crashed-otter-5']) await becomes(name, { isOpen: false, nextDueMs: null })
    await second.close()
    for (const name of ['clean-otter-4', 'crashed-otter-5']) {
      expect((await readJob(name))?.state.type).toBe('failed')
    }
  })
})
