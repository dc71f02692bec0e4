// What a deployment answers, against its own documents and the published ones.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ContractDocument, createSchemaCheck } from '@concave/http'
import { repositoryRoot, startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('shop') })
  await mutation(app.url, 'counters:add', { name: 'logged', amount: 1 })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const call = async (path: string, method = 'GET', body?: object) =>
  await fetch(`${app.url}${path}`, {
    method,
    headers: {
      authorization: `Convex ${app.deployKey}`,
      'convex-client': 'npm-cli-1.48.0',
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const own = async (path: string): Promise<ContractDocument> => (await (await fetch(app.url + path)).json()) as never

/** Undefined if this checkout has no published documents beside it. */
function published(name: string): ContractDocument | undefined {
  const file = join(repositoryRoot, '../shared/openapi', `${name}.json`)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ContractDocument) : undefined
}

const reads = ['/list_environment_variables', '/get_canonical_urls', '/deployment_info']

describe.each(reads)('GET /api/v1%s', (path) => {
  const check = async (document: ContractDocument | undefined): Promise<string | undefined> => {
    const schema = document?.paths[path]?.['get']?.responses['200']?.content?.['application/json'].schema
    if (document === undefined || schema === undefined) throw new Error('The document describes the answer.')
    return createSchemaCheck(document)(schema, await (await call(`/api/v1${path}`)).json())
  }
  it('answers what our document says', async () => {
    expect(await check(await own('/api/v1/openapi.json'))).toBeUndefined()
  })
  it.skipIf(published('deployment') === undefined)(
    'answers what the published document says (if it is here)',
    async () => {
      expect(await check(published('deployment'))).toBeUndefined()
    },
  )
})

describe('function logs', () => {
  const read = async () => await (await call('/api/stream_function_logs?cursor=0')).json()
  it('are what our document says', async () => {
    const document = await own('/api/function_logs_openapi.json')
    const page = (await read()) as { entries: unknown[] }
    expect(page.entries.length).toBeGreaterThan(0)
    expect(createSchemaCheck(document)({ $ref: '#/components/schemas/FunctionLogPage' }, page)).toBeUndefined()
  })
  const theirs = published('function-logs')
  it.skipIf(theirs === undefined)('are what the published document says (if it is here)', async () => {
    if (theirs === undefined) throw new Error('Skipped without it.')
    const schema = { $ref: '#/components/schemas/StreamUdfExecutionResponse' }
    expect(createSchemaCheck(theirs)(schema, await read())).toBeUndefined()
  })
})

it('changes environment variables with an empty answer', async () => {
  const changed = await call('/api/v1/update_environment_variables', 'POST', { changes: [{ name: 'A', value: '1' }] })
  expect([changed.status, await changed.text()]).toEqual([200, ''])
  expect(await (await call('/api/v1/list_environment_variables')).json()).toEqual({ environmentVariables: { A: '1' } })
})

it('refuses what it does not have by name, at once', async () => {
  const refused = await call('/api/v1/pause_deployment', 'POST', {})
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { code: 'FeatureNotAvailable', message: 'The operation "pause_deployment" is not available on this server yet.' },
  ])
  const usage = await app.cli.run('deployment', 'usage')
  expect(usage).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('FeatureNotAvailable') })
})
