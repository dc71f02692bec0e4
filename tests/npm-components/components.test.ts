// Components from npm, unmodified, in one app: each is driven through its public functions by the suite of its name.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { actionCacheSuite } from './action-cache.ts'
import { actionRetrierSuite } from './action-retrier.ts'
import { aggregateSuite } from './aggregate.ts'
import { type ComponentApp, pushComponentApp } from './component-app.ts'
import { cronsSuite } from './crons.ts'
import { migrationsSuite } from './migrations.ts'
import { persistentTextStreamingSuite } from './persistent-text-streaming.ts'
import { presenceSuite } from './presence.ts'
import { rateLimiterSuite } from './rate-limiter.ts'
import { shardedCounterSuite } from './sharded-counter.ts'
import { workpoolSuite } from './workpool.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

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

const suites = {
  'action-cache': actionCacheSuite,
  'action-retrier': actionRetrierSuite,
  aggregate: aggregateSuite,
  crons: cronsSuite,
  migrations: migrationsSuite,
  'persistent-text-streaming': persistentTextStreamingSuite,
  presence: presenceSuite,
  'rate-limiter': rateLimiterSuite,
  'sharded-counter': shardedCounterSuite,
  workpool: workpoolSuite,
}
describe.each(Object.entries(suites))('%s', (_name, suite) => {
  suite(() => app)
})
