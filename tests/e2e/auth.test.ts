// Users who sign in: auth.config through the official CLI, tokens of a loopback OpenID provider through both clients.
import {
  createProject,
  deployKeyAccess,
  openAppFolder,
  openCli,
  startTestServer,
  type AppFolder,
  type Cli,
  type TestProject,
  type TestServer,
  waitFor,
} from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { type OidcIssuer, startOidcIssuer } from './oidc-issuer.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const notes = {
  whoami: makeFunctionReference<'query'>('notes:whoami'),
  mine: makeFunctionReference<'query'>('notes:mine'),
  write: makeFunctionReference<'mutation'>('notes:write'),
}

let issuer: OidcIssuer
let server: TestServer
let project: TestProject
let app: AppFolder
let cli: Cli
const push = ['dev', '--once', '--typecheck', 'disable']

beforeAll(async () => {
  issuer = await startOidcIssuer()
  server = await startTestServer()
  project = await createProject(server, { name: 'Auth' })
  app = await openAppFolder({ from: fixtureFolder('auth') })
  cli = await openCli(app, deployKeyAccess(server, project.deployKey))
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await issuer[Symbol.asyncDispose]()
})

function httpClient(token?: string): ConvexHttpClient {
  const client = new ConvexHttpClient(project.deploymentUrl, { logger: false })
  if (token !== undefined) client.setAuth(token)
  return client
}

describe('a push with auth.config', () => {
  it('says which environment variable is missing, and goes live once it is set', async () => {
    const refused = await cli.run(...push)
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toContain(
      'Environment variable ISSUER is used in auth config file but its value was not set',
    )
    expect(refused.stderr).toMatch(/npx convex env set .*ISSUER/)
    await cli.succeed('env', 'set', 'ISSUER', issuer.url)
    await cli.succeed(...push)
  })
})

describe('a user over HTTP', () => {
  it('is who the token says', async () => {
    const identity = await httpClient(issuer.token({ sub: 'ada', given_name: 'Ada', role: 'owner' })).query(
      notes.whoami,
      {},
    )
    expect(identity).toEqual({
      tokenIdentifier: `${issuer.url}|ada`,
      issuer: issuer.url,
      subject: 'ada',
      givenName: 'Ada',
      role: 'owner',
    })
    expect(await httpClient().query(notes.whoami, {})).toBeNull()
  })
})
