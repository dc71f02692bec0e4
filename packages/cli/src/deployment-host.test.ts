import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, systemClock, systemRandom } from '@concave/base'
import { RunnerPool } from '@concave/runtime'
import { CommitterPool } from '@concave/storage'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

function openHost(idleTimeoutMs: number): DeploymentHost {
  return new DeploymentHost({
    folder,
    host: '127.0.0.1',
    ports: { first: 26_000, last: 26_099 },
    keysOf: () => ({ verify: async () => ({ kind: 'unknown' }) }),
    clock: systemClock,
    random: systemRandom,
    log,
    runners,
    egress: { fetch: () => Promise.reject(new Error('No action is to run here.')) },
    committers,
    idleTimeoutMs,
  })
}

test('a deployment keeps its address over restarts, and goes with its folder', async () => {
  const first = openHost(60_000)
  await first.start()
  const urls = await first.create({ name: 'calm-otter-1', type: 'dev' })
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
  const { url } = await host.create({ name: 'idle-otter-2', type: 'dev' })
  const readTs = async (): Promise<unknown> => (await fetch(`${url}/api/query_ts`, { method: 'POST' })).json()
  const before = await readTs()
  await host.closeIdle()
  expect(await readTs()).toEqual(before)
  await host.close()
})
