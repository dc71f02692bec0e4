// Scheduled functions and cron jobs of a server that is killed: nothing acknowledged is lost, and nothing runs twice.
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  type ServerProcess,
  startServerProcess,
  waitFor,
} from '@concave/testing'
import { jsonToConvex, type JSONValue } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

type Tick = { readonly at: number; readonly jobId: string | null }

const deploymentPorts = pickPortRange()
let folder: string
let server: ServerProcess
let port = 0
let app: PushedApp

const start = async (): Promise<void> => {
  const dataDir = join(folder, 'data')
  server = await startServerProcess({ dataDir, port, deploymentPorts, bootstrapFile: join(folder, 'bootstrap.json') })
  port = Number(new URL(server.url).port)
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('scheduler-restart')
  await start()
  const bootstrap = await readBootstrapFile(join(folder, 'bootstrap.json'))
  app = await pushApp(bootstrap, { folder: fixtureFolder('clockwork') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const ticks = async (name: string): Promise<readonly Tick[]> => (await query(app.url, 'ticks:list', { name })) as Tick[]

describe.each(['SIGKILL', 'SIGTERM'] as const)('%s', (signal) => {
  it('while chains run breaks none and repeats no link', async () => {
    const names = ['a', 'b', 'c'].map((name) => `${name} ${randomUUID()}`)
    const links = 100
    for (const name of names) await mutation(app.url, 'jobs:startChain', { name, left: links - 1 })
    for (const part of [0.2, 0.5]) {
      await waitFor('a part of the chains', async () => {
        const lengths = await Promise.all(names.map(async (name) => (await ticks(name)).length))
        return Math.max(...lengths) >= links * part ? true : undefined
      })
      await server.stop(signal)
      await start()
    }
    for (const name of names) {
      await waitFor('the end of a chain', async () => ((await ticks(name)).length >= links ? true : undefined), 30_000)
    }
    // One more scheduled mutation, whose end comes after whatever else is due.
    const last = (await mutation(app.url, 'jobs:runAfter', { delayMs: 0, name: `last ${signal}` })) as string
    await waitFor('the last job', async () => ((await ticks(`last ${signal}`)).length > 0 ? true : undefined))
    expect(await query(app.url, 'jobs:get', { id: last })).toMatchObject({ state: { kind: 'success' } })
    for (const name of names) expect(await ticks(name)).toHaveLength(links)
  })

  it('while jobs are scheduled loses none that was acknowledged, also of those that come due meanwhile', async () => {
    const acknowledged: { readonly id: string; readonly name: string }[] = []
    let isOver = false
    const work = async (): Promise<void> => {
      while (!isOver) {
        const name = randomUUID()
        const delayMs = acknowledged.length % 2 === 0 ? 0 : 300
        const id = await mutation(app.url, 'jobs:runAfter', { delayMs, name }).catch((error: unknown) => error)
        if (typeof id === 'string') acknowledged.push({ id, name })
      }
    }
    const workers = Promise.all([work(), work(), work()])
    await waitFor('scheduled jobs', () => (acknowledged.length >= 60 ? true : undefined))
    await server.stop(signal)
    isOver = true
    await workers
    await start()
    for (const { id, name } of acknowledged) {
      const job = await waitFor('the end of a job', async () => {
        const found = (await query(app.url, 'jobs:get', { id })) as { completedTime?: number; state: unknown }
        return found.completedTime === undefined ? undefined : found
      })
      expect(job.state).toEqual({ kind: 'success' })
      expect(await ticks(name)).toMatchObject([{ jobId: id }])
    }
  })

  it('does not stop cron jobs', async () => {
    const before = (await ticks('pulse')).length
    await server.stop(signal)
    await start()
    await waitFor('pulses after the restart', async () =>
      (await ticks('pulse')).length >= before + 2 ? true : undefined,
    )
    const body = { path: '_system/frontend/listCronJobRuns', args: {}, format: 'convex_encoded_json' }
    const { value } = (await post(app.url, '/api/query', body, { key: app.deployKey })).body
    const runs = (jsonToConvex(value as JSONValue) as { name: string; ts: bigint; status: { type: string } }[]).filter(
      ({ name, status }) => name === 'pulse' && status.type === 'success',
    )
    // The beat is kept, and no occurrence ran twice.
    expect(runs.length).toBeGreaterThan(1)
    expect(new Set(runs.map(({ ts }) => ts)).size).toBe(runs.length)
    expect(new Set(runs.map(({ ts }) => ts % 1_000_000_000n)).size).toBe(1)
  })
})
