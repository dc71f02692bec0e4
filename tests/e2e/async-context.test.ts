// `AsyncLocalStorage` in functions of every kind, imported from `node:async_hooks` and pushed by the official CLI.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('contexts') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const looked = ['ada', 'ada', 'item ada', 'other', 'ada']

it('survives what a query awaits', async () => {
  expect(await query(app.url, 'tasks:inQuery')).toEqual([...looked, 'ada', 'ada', 'ada', 'ada', 'ada', null])
})

it('survives what a mutation awaits, and stays out of what it calls', async () => {
  expect(await mutation(app.url, 'tasks:inMutation', { text: 'a note' })).toEqual(['ada', null])
})

it('survives timers, streams and loaded modules of an action', async () => {
  const { body } = await post(app.url, '/api/action', { path: 'tasks:inAction', args: {} })
  expect(body.value).toEqual(['hello', 'ada', 'timer ada', 'ada', 'chunk ada', 'piece', 'ada', 'eve', 'dan', ...looked])
})

it('survives what an HTTP action awaits', async () => {
  const answers = await Promise.all(
    ['ada', 'bob'].map(async (body) => await (await fetch(`${app.url}/http/who`, { method: 'POST', body })).json()),
  )
  expect(answers).toEqual([
    ['ada', 'ada', 'body', 'ada'],
    ['bob', 'bob', 'body', 'bob'],
  ])
})

it('leaves alone what does not use it, WebAssembly, patterns and keys among it', async () => {
  expect(await query(app.url, 'plain:platform')).toEqual([5, '7', 32])
})

it('leaves errors their positions', async () => {
  const stackOf = async (args: object): Promise<string | undefined> =>
    (await post(app.url, '/api/query', { path: 'tasks:failing', args })).body.errorMessage
      ?.replaceAll(/^.*Uncaught /gs, '')
      .replaceAll(/[./]*\/convex\/|:\d+(?=\))/g, '')
  expect(await stackOf({ late: true })).toBe('Error: not for ada\n    at failLater (lib/requestState.ts:31)\n')
  expect(await stackOf({ late: false })).toBe(
    [
      'Error: at once',
      '    at throwAtOnce (tasks.ts:80)',
      '    at <anonymous> (tasks.ts:75)',
      '    at withUser (lib/requestState.ts:9)',
      '    at failingHandler (tasks.ts:75)\n',
    ].join('\n'),
  )
})
