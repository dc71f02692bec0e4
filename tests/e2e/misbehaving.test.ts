// Functions that go wrong, in every way and of every kind: the caller gets the error that names the cause, `convex logs`
// shows it, and whoever uses the same deployment at the same moment notices nothing.
import { request as nodeRequest } from 'node:http'
import { type RunningCli, startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { jsonToConvex, type JSONValue } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
let site: string
let logs: RunningCli
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('misbehaving') })
  const urls = await fetch(`${app.url}/api/v1/get_canonical_urls`, {
    headers: { authorization: `Convex ${app.deployKey}` },
  })
  site = ((await urls.json()) as { convexSiteUrl: string }).convexSiteUrl
  logs = app.cli.start('logs', '--history', '1000', '--success')
  await logs.waitForOutput(/Watching logs/)
})
afterAll(async () => {
  await logs.stop()
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const outOfMemory = 'JavaScript execution ran out of memory (maximum memory usage: 64 MB)'
const timedOut = 'Function execution timed out (maximum duration: 1s)'
const neverResolves = 'Returned promise will never resolve'
const noComponent = 'Child component nowhere not found'
const unresolved = "Couldn't resolve _reference/childComponent/nowhere/"
const noFunction = "Could not find function for 'nowhere:read'"

type Kind = 'query' | 'mutation' | 'action' | 'http'
type Case = readonly [kind: Kind, way: string, says: string]

const everywhere: readonly (readonly [way: string, says: string])[] = [
  ['neverSettle', neverResolves],
  ['eatMemory', outOfMemory],
  ['leaveRejection', 'Uncaught Error: nobody listens'],
  ['recurse', 'Uncaught RangeError: Maximum call stack size exceeded'],
  ['callMissingFunction', noFunction],
]
const kinds: readonly Kind[] = ['query', 'mutation', 'action', 'http']
const cases: readonly Case[] = [
  ...kinds.flatMap((kind) => everywhere.map(([way, says]): Case => [kind, way, says])),
  ['query', 'loop', timedOut],
  ['mutation', 'loop', timedOut],
  ['query', 'callMissingComponent', noComponent],
  ['mutation', 'callMissingComponent', noComponent],
  ['action', 'callMissingComponent', unresolved],
  ['http', 'callMissingComponent', unresolved],
]

/** What goes wrong, as its caller hears of it. */
async function provoke(kind: Kind, way: string): Promise<string> {
  if (kind === 'http') {
    const response = await fetch(`${site}/misbehave?way=${way}`)
    return `${response.status} ${((await response.json()) as { code: string }).code}`
  }
  const path = `misbehave:as${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`
  const { status, body } = await post(app.url, `/api/${kind}`, { path, args: { way }, format: 'json' })
  return `${status} ${body.status} ${body.errorMessage}`
}

let nonce = 0

/** Others of the same deployment, until what is `going` has ended; at least a few of each kind. */
async function serveOthers(going: Promise<unknown>): Promise<void> {
  let isOver = false
  const ended = going.then(
    () => (isOver = true),
    () => (isOver = true),
  )
  const client = new ConvexHttpClient(app.url, { logger: false })
  const mark = makeFunctionReference<'mutation'>('misbehave:mark')
  const marks = makeFunctionReference<'query'>('misbehave:marks')
  const act = makeFunctionReference<'action'>('misbehave:waitAndMark')
  const work = async (): Promise<void> => {
    do {
      nonce += 1
      const text = `other ${nonce}`
      const answers = await Promise.all([
        client.mutation(mark, { text }, { skipQueue: true }),
        client.query(marks, { nonce }),
        client.action(act, { text: `${text} in an action` }),
        fetch(`${site}/misbehave?way=none`).then((response) => response.text()),
      ])
      expect(answers).toEqual([text, expect.any(Array), `${text} in an action`, 'fine'])
    } while (!isOver)
  }
  await work()
  await ended
}

/** `convex logs` names the function and says why it failed. */
async function expectInLogs(identifier: string, says: string): Promise<void> {
  const pattern = new RegExp(`\\[CONVEX [A-Z]+\\(${escape(identifier)}\\)\\][^[]*${escape(says)}`)
  await logs.waitForOutput(pattern, 15_000)
}

const escape = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

describe('what goes wrong', () => {
  it.each(cases)('(%s, %s) ends with its error, and nobody else notices', async (kind, way, says) => {
    const provoked = provoke(kind, way)
    await serveOthers(provoked)
    const said = await provoked
    expect(said).toContain(kind === 'http' ? '500 [Request ID: ' : 'error [Request ID: ')
    expect(said).toContain(says)
    const identifier = kind === 'http' ? 'GET /misbehave' : `misbehave:as${kind[0]?.toUpperCase()}${kind.slice(1)}`
    await expectInLogs(identifier, says)
    expect(await query(app.url, 'misbehave:marks', { nonce: -cases.length - nonce })).not.toContain(`undone ${way}`)
  })

  type Job = { readonly state: { readonly kind: string; readonly error?: string } }
  const jobCases = cases.flatMap(([kind, way, says]) =>
    kind === 'mutation' || kind === 'action' ? [[kind, way, says] as const] : [],
  )

  it.each(jobCases)('(scheduled %s, %s) ends the job alone', async (kind, way, says) => {
    const id = await mutation(app.url, 'misbehave:schedule', { kind, way })
    const ended = waitFor('the end of the job', async () => {
      const { state } = (await query(app.url, 'misbehave:job', { id })) as Job
      return state.kind === 'pending' || state.kind === 'inProgress' ? undefined : state
    })
    await serveOthers(ended)
    expect(await ended).toEqual({ kind: 'failed', error: expect.stringContaining(says) as string })
    await expectInLogs(`misbehave:${kind}Job`, says)
  })

  it('in a cron job fails its run alone', async () => {
    const wanted = ['neverSettle', 'eatMemory', 'leaveRejection', 'callMissingComponent'].flatMap((way) => [
      `mutation ${way}`,
      `action ${way}`,
    ])
    type CronRun = { readonly name: string; readonly status: { readonly type: string; readonly error?: string } }
    const runs = await waitFor('a run of each cron job', async () => {
      const body = { path: '_system/frontend/listCronJobRuns', args: {}, format: 'convex_encoded_json' }
      const { value } = (await post(app.url, '/api/query', body, { key: app.deployKey })).body
      const found = jsonToConvex(value as JSONValue) as unknown as readonly CronRun[]
      return wanted.every((name) => found.some((run) => run.name === name)) ? found : undefined
    })
    const errors = Object.fromEntries(runs.map(({ name, status }) => [name, status.error]))
    expect(errors).toEqual({
      'mutation neverSettle': expect.stringContaining(neverResolves) as string,
      'action neverSettle': expect.stringContaining(neverResolves) as string,
      'mutation eatMemory': expect.stringContaining(outOfMemory) as string,
      'action eatMemory': expect.stringContaining(outOfMemory) as string,
      'mutation leaveRejection': expect.stringContaining('nobody listens') as string,
      'action leaveRejection': expect.stringContaining('nobody listens') as string,
      'mutation callMissingComponent': expect.stringContaining(noComponent) as string,
      'action callMissingComponent': expect.stringContaining(unresolved) as string,
    })
  })

  it.each([
    ['throw', 'Uncaught Error: thrown'],
    ['eatMemory', outOfMemory],
    ['neverSettle', neverResolves],
  ])('while a response is sent (%s) cuts it off, and nobody else notices', async (way, says) => {
    const response = await fetch(`${site}/cut?way=${way}`)
    expect(response.status).toBe(200)
    const cut = response.text().catch((error: unknown) => String(error))
    await serveOthers(cut)
    expect(await cut).toContain('terminated')
    await expectInLogs('GET /cut', says)
  })
})

describe('a sender that stops half way', () => {
  const breakOff = async (url: string): Promise<void> => {
    const { hostname, port, pathname, search } = new URL(url)
    const sending = nodeRequest({
      hostname,
      port,
      path: `${pathname}${search}`,
      method: 'POST',
      headers: { 'content-length': '1000000' },
    })
    const closed = new Promise((resolve) => sending.once('close', resolve))
    sending.once('error', () => undefined)
    await new Promise<void>((resolve) => sending.write(Buffer.alloc(100_000), () => resolve()))
    sending.destroy()
    await closed
  }

  it('of an upload leaves no file', async () => {
    const before = await query(app.url, 'misbehave:countFiles')
    const url = (await mutation(app.url, 'misbehave:uploadUrl')) as string
    await serveOthers(breakOff(url))
    // One that is complete comes after whatever the other could have become.
    const whole = await fetch(url, { method: 'POST', body: 'whole' })
    expect(whole.status).toBe(200)
    expect(await query(app.url, 'misbehave:countFiles')).toBe((before as number) + 1)
  })

  it('of the request of an HTTP action fails who reads it', async () => {
    await serveOthers(breakOff(`${site}/read`))
    await logs.waitForOutput(/\[CONVEX HTTP\(POST \/read\)\]|POST \/read/, 15_000)
    expect(await (await fetch(`${site}/read`, { method: 'POST', body: 'whole' })).text()).toBe('5')
  })
})
