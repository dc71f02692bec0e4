// Components from npm, unmodified, in one app: each is driven through its public functions by the suite of its name.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { type ComponentApp, pushComponentApp } from './component-app.ts'
import { rateLimiterSuite } from './rate-limiter.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: ComponentApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushComponentApp(server, 'components')
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('rate-limiter', () => rateLimiterSuite(() => app))
