// Scheduled functions and cron jobs of components on a server that is killed: as for the app, nothing is lost and nothing
// runs twice.
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
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

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
const restart = async (): Promise<void> => {
  await server.stop('SIGKILL')
  await start()
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('components-restart')
  await start()
  const bootstrap = await readBootstrapFile(join(folder, 'bootstrap.json'))
  app = await pushApp(bootstrap, { folder: fixtureFolder('component-services') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

async function call(componentPath: string, path: string, args: object): Promise<unknown> {
  const body = { path, componentPath, args, format: 'json' }
  const answer = await post(app.url, '/api/function', body, { key: app.deployKey })
  if (answer.body.status === 'success') return answer.body.value
  throw new Error(`${componentPath} ${path} failed: ${JSON.stringify(answer)}`)
}

const countMarks = async (componentPath: string, name: string): Promise<number> =>
  ((await call(componentPath, 'jobs:marks', { name })) as object[]).length

it('repeats and breaks no link of chains that go through app and component', async () => {
  const left = 100
  const names = ['a', 'b', 'c']
  const linksOf = async (name: string): Promise<readonly [number, number]> => [
    ((await query(app.url, 'jobs:marks', { name })) as object[]).length,
    await countMarks('one', name),
  ]
  for (const name of names) await mutation(app.url, 'jobs:startChain', { name, left })
  for (const part of [0.2, 0.5]) {
    await waitFor('a part of the chains', async () => {
      const lengths = await Promise.all(names.map(async (name) => (await linksOf(name))[1]))
      return Math.max(...lengths) >= (left / 2) * part ? true : undefined
    })
    await restart()
  }
  for (const name of names) {
    await waitFor('the end of a chain', async () => ((await linksOf(name))[0] > left / 2 ? true : undefined), 30_000)
  }
  // One more, whose end comes after whatever else is due.
  await mutation(app.url, 'jobs:letOneRun', { name: 'last' })
  await waitFor('the last job', async () =>
    ((await query(app.url, 'jobs:marks', { name: 'last' })) as object[]).length === 1 ? true : undefined,
  )
  for (const name of names) expect(await linksOf(name)).toEqual([left / 2 + 1, left / 2])
})

it('loses none that was acknowledged, of whichever component', async () => {
  const acknowledged: { readonly path: string; readonly name: string; readonly id: string }[] = []
  let isOver = false
  const work = async (path: string): Promise<void> => {
    for (let count = 0; !isOver; count += 1) {
      const name = `${path} ${count}`
      const args = { name, delayMs: count % 2 === 0 ? 0 : 300 }
      const id = await call(path, 'jobs:run', args).catch((error: unknown) => error)
      if (typeof id === 'string') acknowledged.push({ path, name, id })
    }
  }
  const workers = Promise.all(['one', 'two', 'three'].map(work))
  await waitFor('scheduled jobs', () => (acknowledged.length >= 40 ? true : undefined))
  await server.stop('SIGKILL')
  isOver = true
  await workers
  await start()
  for (const { path, name, id } of acknowledged) {
    await waitFor('the end of a job', async () => ((await countMarks(path, name)) > 0 ? true : undefined))
    expect(await call(path, 'jobs:marks', { name })).toMatchObject([{ jobId: id }])
  }
})

it('never runs an action of a component again', async () => {
  const id = (await call('two', 'jobs:runAction', { name: 'lost', isWaiting: true })) as string
  await waitFor('the action', async () => ((await countMarks('two', 'lost started')) > 0 ? true : undefined))
  await restart()
  await waitFor('the end of the job', async () => {
    const job = (await call('two', 'jobs:get', { id })) as { state: { kind: string } }
    return job.state.kind === 'inProgress' ? undefined : job
  })
  expect(await call('two', 'jobs:get', { id })).toMatchObject({
    state: { kind: 'failed', error: 'Transient error while executing action' },
  })
  await call('two', 'jobs:run', { name: 'lost go', delayMs: 0 })
  await waitFor('what comes after it', async () => ((await countMarks('two', 'lost go')) > 0 ? true : undefined))
  expect(await countMarks('two', 'lost started')).toBe(1)
  expect(await countMarks('two', 'lost ended')).toBe(0)
})

it('does not stop the cron jobs of components', async () => {
  const pulses = async () =>
    await Promise.all([
      countMarks('one', 'pulse of one first null null'),
      countMarks('two', 'pulse of two second null null'),
    ])
  const before = await pulses()
  await restart()
  const after = await waitFor('pulses after the restart', async () => {
    const now = await pulses()
    return now.every((count, position) => count > (before[position] ?? 0) + 1) ? now : undefined
  })
  expect(after).toHaveLength(2)
})
