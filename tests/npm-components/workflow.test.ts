// Workflows of steps, on a server that is killed and started again while they run.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  type ServerProcess,
  startServerProcess,
} from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ComponentApp, pushComponentApp } from './component-app.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

type Status = {
  readonly type: string
  readonly result?: unknown
  readonly running?: readonly { readonly name: string }[]
}

let folder: string
let server: ServerProcess
let app: ComponentApp
const deploymentPorts = pickPortRange()

async function startServer(port: number): Promise<void> {
  server = await startServerProcess({
    dataDir: join(folder, 'data'),
    port,
    deploymentPorts,
    bootstrapFile: join(folder, 'bootstrap.json'),
  })
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('workflow')
  await startServer(0)
  const bootstrap = await readBootstrapFile(join(folder, 'bootstrap.json'))
  app = await pushComponentApp({ ...bootstrap, url: server.url }, 'workflow')
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

const events = async (subject: string): Promise<unknown[]> => await app.query<unknown[]>('events:list', { subject })
const completed = async (subject: string): Promise<unknown> => {
  const found = await app.queryUntil<unknown[]>(
    'events:list',
    { subject: `${subject} completed` },
    ({ length }) => length > 0,
  )
  expect(found).toHaveLength(1)
  return found[0]
}
const waitForEvent = async (workflowId: string): Promise<void> => {
  await app.queryUntil<Status>('orders:status', { workflowId }, ({ running }) =>
    (running ?? []).some(({ name }) => name === 'approval'),
  )
}
const result = { total: 110, approvedBy: 'ann', packed: ['left', 'right'], child: 'told' }
/** `charging` thrice, the others once. */
const all = new Set(['charging', 'packed left', 'packed right', 'notified', 'shipped'])

it('runs steps, tries again, waits for an event, and says what came of it', async () => {
  const subject = 'order'
  const workflowId = await app.mutation<string>('orders:start', { subject, price: 100 })
  await waitForEvent(workflowId)
  expect((await events(subject)).slice(0, 3)).toEqual(['charging', 'charging', 'charging'])
  await app.mutation('orders:approve', { workflowId, by: 'ann' })
  expect(await completed(subject)).toEqual({ kind: 'success', returnValue: result })
  expect(await app.query('orders:status', { workflowId })).toMatchObject({ type: 'completed', result })
  expect(new Set(await events(subject))).toEqual(all)
  expect(await events(subject)).toHaveLength(7)
  expect(await app.query('orders:steps', { workflowId })).toEqual(
    expect.arrayContaining(['orders:tax', 'orders:charge', 'orders:pack', 'approval', 'orders:notify']),
  )
  expect(await app.mutation('orders:cleanup', { workflowId })).toBe(true)
})

it('goes on where it was after the server was killed', async () => {
  const start = async (subject: string): Promise<string> => {
    const workflowId = await app.mutation<string>('orders:start', { subject, price: 100 })
    await waitForEvent(workflowId)
    return workflowId
  }
  const [waiting, midway] = await Promise.all([start('waiting'), start('midway')])
  // One waits for its event, the other has it and is somewhere among the steps that follow.
  await app.mutation('orders:approve', { workflowId: midway, by: 'ann' })
  await server.stop('SIGKILL')
  await startServer(Number(new URL(server.url).port))
  expect(await completed('midway')).toEqual({ kind: 'success', returnValue: result })
  await app.mutation('orders:approve', { workflowId: waiting, by: 'ann' })
  expect(await completed('waiting')).toEqual({ kind: 'success', returnValue: result })
  for (const subject of ['midway', 'waiting']) {
    expect(new Set(await events(subject))).toEqual(all)
    expect(await events(subject)).toHaveLength(7)
  }
})

it('tells of failure and of cancelling', async () => {
  await app.mutation('orders:startDoomed', { subject: 'doomed' })
  expect(await completed('doomed')).toMatchObject({ kind: 'failed', error: expect.stringContaining('no way') })
  const workflowId = await app.mutation<string>('orders:start', { subject: 'cancelled', price: 100 })
  await app.mutation('orders:cancel', { workflowId })
  expect(await completed('cancelled')).toMatchObject({ kind: 'canceled' })
  expect(await app.query('orders:status', { workflowId })).toEqual({ type: 'canceled' })
})
