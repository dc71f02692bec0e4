// What one call of user code can leave behind for the next, and what one function can do to its neighbours.
import { prepareModule } from '@concave/runtime'
import {
  createProject,
  openAppFolder,
  openCli,
  selfHostedAccess,
  startTestServer,
  type TestServer,
} from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { benchFolder, exampleFolder, fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'
import { findPushedModules, openRecordingProxy } from './recording-proxy.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

describe('state of modules', () => {
  let app: PushedApp
  beforeAll(async () => {
    app = await pushApp(server, { folder: fixtureFolder('stateful') })
  })
  afterAll(async () => {
    await app[Symbol.asyncDispose]()
  })

  const calls = 5

  it.each([
    ['a variable', 'letCounter'],
    ['a map', 'constMap'],
    ['a variable of a closure', 'closure'],
    ['a patched prototype', 'prototype'],
    ['a property', 'property'],
    ['the global object', 'globals'],
    ['a private field', 'instance'],
    ['another module', 'imported'],
  ])('in %s does not survive a call', async (_what, module) => {
    for (let call = 0; call < calls; call += 1) {
      expect(await mutation(app.url, `${module}:write`)).toBe(1)
      // Another argument each time, so that no answer comes from the cache.
      expect(await query(app.url, `${module}:read`, { nonce: call })).toBe(1)
    }
  })

  it('is only kept by a module that asks for it', async () => {
    const seen = []
    for (let nonce = 0; nonce < calls; nonce += 1) seen.push(await query(app.url, 'optIn:read', { nonce }))
    expect(Math.max(...(seen as number[]))).toBeGreaterThan(1)
  })
})

describe('the check for stateless modules', () => {
  it.each([
    ['the chat example', exampleFolder('chat')],
    ['the benchmark', benchFolder()],
  ])('passes %s', async (_what, folder) => {
    const project = await createProject(server)
    await using proxy = await openRecordingProxy(project.deploymentUrl)
    await using app = await openAppFolder({ from: folder })
    const cli = await openCli(app, selfHostedAccess(proxy.url, project.deployKey))
    await cli.succeed('dev', '--once', '--typecheck', 'disable')
    const modules = findPushedModules(proxy.requests)
    expect(modules.length).toBeGreaterThan(0)
    expect(modules.map(({ path, source }) => ({ path, verdict: prepareModule(source, path).verdict }))).toEqual(
      modules.map(({ path }) => ({ path, verdict: { tier: 'stateless' } })),
    )
  })

  it('does not pass a module with state', async () => {
    expect(prepareModule('let calls = 0\nexport const count = () => (calls += 1)', 'm.js').verdict.tier).toBe('fresh')
  })
})

describe('a function that does not stop', () => {
  let app: PushedApp
  let neighbour: PushedApp
  beforeAll(async () => {
    app = await pushApp(server, { folder: fixtureFolder('hostile'), name: 'Hostile' })
    neighbour = await pushApp(server, { folder: fixtureFolder('hostile'), name: 'Neighbour' })
  })
  afterAll(async () => {
    await app[Symbol.asyncDispose]()
    await neighbour[Symbol.asyncDispose]()
  })

  it.each([
    ['loops in a query', 'query', 'loopForEver', 'Function execution timed out (maximum duration: 1s)'],
    ['loops in a mutation', 'mutation', 'loopInMutation', 'Function execution timed out (maximum duration: 1s)'],
    ['eats memory', 'query', 'eatMemory', 'JavaScript execution ran out of memory (maximum memory usage: 64 MB)'],
    ['never settles', 'query', 'neverSettle', 'Returned promise will never resolve'],
    ['calls itself for ever', 'query', 'deep', 'Maximum call stack size exceeded'],
  ])('because it %s ends with its error while others are served', async (_what, kind, name, says) => {
    const failing = post(app.url, `/api/${kind}`, { path: `hostile:${name}`, args: {} })
    const served = await Promise.all([
      mutation(neighbour.url, 'hostile:mark', { text: name }),
      query(app.url, 'hostile:marks', { nonce: name }),
      mutation(app.url, 'hostile:mark', { text: name }),
    ])
    expect(served.every((count) => typeof count === 'number')).toBe(true)
    const failed = await failing
    expect(failed.body.status).toBe('error')
    expect(failed.body.errorMessage).toContain(says)
    expect(await query(app.url, 'hostile:marks', { after: name })).toBe(served[2])
  })

  it('has nothing of the host within reach', async () => {
    expect(await query(app.url, 'hostile:globals')).toEqual({
      process: ['env'],
      env: [],
      require: 'undefined',
      deno: 'undefined',
    })
    const fetched = await post(app.url, '/api/query', { path: 'hostile:fetchIt', args: {} })
    expect(fetched.body.status).toBe('error')
    expect(fetched.body.errorMessage).toContain('fetch')
  })
})
