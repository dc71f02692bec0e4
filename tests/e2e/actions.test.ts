// Actions of a pushed app through the official CLI and clients.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { anyApi } from 'convex/server'
import { ConvexError } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const notes = anyApi['notes'] as Record<string, never>

let server: TestServer
let app: PushedApp
let client: ConvexHttpClient
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('actions') })
  client = new ConvexHttpClient(app.url, { logger: false })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const act = async (name: string, args: object = {}) =>
  (await post(app.url, '/api/action', { path: `notes:${name}`, args, format: 'json' })).body

describe('an action', () => {
  it('calls functions of every kind, in real time', async () => {
    const before = ((await query(app.url, 'notes:list')) as string[]).length
    expect(await client.action(notes['everyKind'] as never, { text: 'http' })).toEqual({
      before,
      after: before + 2,
      tookTime: true,
      isRandom: true,
    })
  })

  it('runs by the CLI, which shows its console lines', async () => {
    const done = await app.cli.succeed('run', 'notes:everyKind', JSON.stringify({ text: 'cli' }))
    expect(done.stdout).toContain('"tookTime": true')
    expect(done.stderr).toContain("'starting' 'cli'")
  })

  it('runs by a live client', async () => {
    const live = new ConvexClient(app.url)
    try {
      expect(await live.action(notes['catching'] as never, { text: 'live' })).toBe('added')
    } finally {
      await live.close()
    }
  })
})
