// Apps with components, pushed by the official CLI: what is mounted where, and what the CLI is told.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

type Listed = {
  readonly id: string | null
  readonly path: string
  readonly name: string | null
  readonly state: string
}

async function listComponents({ url, deployKey }: PushedApp): Promise<readonly Listed[]> {
  const path = '_system/frontend/components:list'
  const { body } = await post(url, '/api/query', { path, args: {}, format: 'json' }, { key: deployKey })
  return body.value as readonly Listed[]
}

describe('an app with components', () => {
  let subject: PushedApp
  beforeAll(async () => {
    subject = await pushApp(server, { folder: fixtureFolder('components'), name: 'Components' })
  })
  afterAll(async () => {
    await subject[Symbol.asyncDispose]()
  })

  it('has every component of the tree mounted, and its own functions work', async () => {
    const { url } = subject
    expect((await listComponents(subject)).map(({ path, state }) => [path, state])).toEqual([
      ['', 'active'],
      ['counter', 'active'],
      ['counter2', 'active'],
      ['greeter', 'active'],
      ['greeter/tally', 'active'],
    ])
    await mutation(url, 'notes:add', { text: 'one' })
    expect(await query(url, 'notes:list')).toEqual(['one'])
  })
})
