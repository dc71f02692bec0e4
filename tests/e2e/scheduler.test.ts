// Scheduled functions of a pushed app: `ctx.scheduler` and what `ctx.db.system` shows of it, through the official clients.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

type Job = {
  readonly _id: string
  readonly _creationTime: number
  readonly name: string
  readonly args: readonly unknown[]
  readonly scheduledTime: number
  readonly completedTime?: number
  readonly state: { readonly kind: string; readonly error?: string }
}

let server: TestServer
let app: PushedApp
let client: ConvexHttpClient
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('clockwork') })
  client = new ConvexHttpClient(app.url, { logger: false })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const mutate = async (path: string, args: Record<string, unknown>): Promise<unknown> =>
  await client.mutation(makeFunctionReference<'mutation'>(path), args)
const query = async (path: string, args: Record<string, unknown>): Promise<unknown> =>
  await client.query(makeFunctionReference<'query'>(path), args)
const schedule = async (path: string, args: Record<string, unknown>): Promise<string> =>
  (await mutate(path, args)) as string
const getJob = async (id: string): Promise<Job> => (await query('jobs:get', { id })) as Job
const ticks = async (name: string): Promise<readonly { readonly jobId: string | null }[]> =>
  (await query('ticks:list', { name })) as { jobId: string | null }[]
const ended = async (id: string): Promise<Job> =>
  await waitFor('the end of a job', async () => {
    const job = await getJob(id)
    return job.completedTime === undefined ? undefined : job
  })

describe('a scheduled mutation', () => {
  it('runs once, and its document tells of it', async () => {
    const before = Date.now()
    const id = await schedule('jobs:runAfter', { delayMs: 0, name: 'now' })
    expect(id).toMatch(/^kc2/)
    const job = await ended(id)
    expect(job).toEqual({
      _id: id,
      _creationTime: expect.any(Number),
      name: 'ticks.js:tick',
      args: [{ name: 'now' }],
      scheduledTime: expect.any(Number),
      completedTime: expect.any(Number),
      state: { kind: 'success' },
    })
    expect(job.scheduledTime).toBeGreaterThanOrEqual(before)
    expect(job.completedTime).toBeGreaterThanOrEqual(job.scheduledTime)
    expect(await ticks('now')).toMatchObject([{ jobId: id }])
  })
})
