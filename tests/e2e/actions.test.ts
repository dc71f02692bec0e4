// Actions of a pushed app through the official CLI and clients.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { anyApi, type FunctionReference } from 'convex/server'
import { ConvexError } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

type ActionReference = FunctionReference<'action', 'public', Record<string, unknown>, unknown>
const notes = anyApi['notes'] as unknown as Readonly<Record<string, ActionReference>>

/** A function of `notes.ts`. */
function reference(name: string): ActionReference {
  return notes[name] as ActionReference
}

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
    expect(await client.action(reference('everyKind'), { text: 'http' })).toEqual({
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

  it('can be run internally by an admin only', async () => {
    expect((await act('twice', { text: 'x' })).errorMessage).toContain(
      "Could not find public function for 'notes:twice'",
    )
    const asAdmin = await post(
      app.url,
      '/api/action',
      { path: 'notes:twice', args: { text: 'admin' }, format: 'json' },
      { key: app.deployKey },
    )
    expect(asAdmin.body.status).toBe('success')
  })

  it('reaches nothing of the system, whoever runs it', async () => {
    await app.cli.succeed('env', 'set', 'SECRET_OF_APP', 'not for components')
    const body = { path: 'notes:readVariables', args: {}, format: 'json' }
    for (const options of [{ key: app.deployKey }, undefined]) {
      expect((await post(app.url, '/api/action', body, options)).body).toMatchObject({
        status: 'error',
        errorMessage: expect.stringContaining("Could not find function for '_system/cli/environmentVariables'"),
      })
    }
  })

  it('catches the errors of what it calls', async () => {
    expect(await act('catching', { text: 'refused' })).toMatchObject({
      value: { data: { reason: 'not this one', code: '7' } },
    })
    const { value } = await act('catching', { text: 'broken' })
    expect((value as { message: string }).message).toMatch(/^Uncaught Error: a mutation broke\n {4}at handler \(/)
    expect(await query(app.url, 'notes:list')).not.toContain('broken')
  })

  it.each([
    ['throws', 'error', 'Uncaught Error: an action broke\n    at handler ('],
    ['calls what is not there', 'missing', "Could not find function for 'notes:nowhere'"],
    ['calls a function as what it is not', 'wrongKind', 'as Query, but it is defined as Mutation'],
    ['calls with wrong arguments', 'wrongArgs', 'ArgumentValidationError: Value does not match validator.'],
    ['leaves a rejection to nobody', 'unhandled', 'Uncaught Error: nobody listens'],
    ['waits for nothing', 'never', 'Returned promise will never resolve'],
    ['names what is not there by a handle', 'handle', "Could not find function for 'notes:nowhere'"],
  ])('that %s ends with its error', async (_what, kind, says) => {
    const failed = await act('failing', { kind })
    expect(failed.status).toBe('error')
    expect(failed.errorMessage).toMatch(/^\[Request ID: [0-9a-f]{16}\] Server Error\n/)
    expect(failed.errorMessage).toContain(says)
    expect(failed.logLines).toEqual(["[LOG] 'about to fail'"])
  })

  it('hands the data of a ConvexError to the client', async () => {
    const failed: unknown = await client
      .action(reference('failing'), { kind: 'convex' })
      .catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(ConvexError)
    expect((failed as ConvexError<{ code: string }>).data).toEqual({ code: 'refused' })
  })

  it('checks its own arguments and its result', async () => {
    expect((await act('everyKind', { text: 1 })).errorMessage).toContain('ArgumentValidationError')
    expect((await act('wrongResult')).errorMessage).toContain('ReturnsValidationError')
    expect((await act('everyKind', {})).errorMessage).toContain('missing the required field `text`')
    const asMutation = await post(app.url, '/api/mutation', { path: 'notes:everyKind', args: {} })
    expect(asMutation.body.errorMessage).toContain('as Mutation, but it is defined as Action')
  })

  it('says so when it leaves work behind', async () => {
    const { value, logLines } = await act('dangling')
    expect(value).toBe('left')
    expect(logLines?.[0]).toMatch(/^\[WARN\] 1 unawaited operation: \[query\]\. Async operations should be awaited/)
  })

  it('passes the identity on to what it calls', async () => {
    expect((await act('whoAmI')).value).toEqual({ own: null, seen: null })
    const acting = Buffer.from(JSON.stringify({ issuer: 'https://convex.test', subject: 'ada' })).toString('base64')
    const asAda = await post(
      app.url,
      '/api/action',
      { path: 'notes:whoAmI', args: {}, format: 'json' },
      { key: `${app.deployKey}:${acting}` },
    )
    expect(asAda.body.value).toEqual({ own: 'ada', seen: 'ada' })
  })

  it('reads environment variables as they are now', async () => {
    expect((await act('environment')).value).toBeNull()
    await app.cli.succeed('env', 'set', 'GREETING', 'hello')
    expect((await act('environment')).value).toBe('hello')
  })

  it('stores files and reads them', async () => {
    expect((await act('storing', { text: 'kept' })).value).toEqual({
      text: 'kept',
      type: 'text/plain',
      served: 'kept',
      isGone: true,
    })
  })

  it('loads a module when it needs it', async () => {
    expect((await act('lazy')).value).toBe('heavy, loaded late')
  })

  it('fetches, even from its own deployment', async () => {
    expect((await act('fetching')).value).toEqual({ status: 200, text: '/below/fetched' })
    expect((await act('fetching', { url: 'http://127.0.0.1:1/' })).errorMessage).toContain(
      'Uncaught TypeError: fetch failed: ECONNREFUSED',
    )
  })

  it('fetches nothing from inside where the operator says so', async () => {
    await using careful = await startTestServer({ privateFetch: 'refuse' })
    await using pushed = await pushApp(careful, { folder: fixtureFolder('actions') })
    const { body } = await post(pushed.url, '/api/action', { path: 'notes:fetching', args: {} })
    expect(body.errorMessage).toContain('which actions of this server may not reach')
  })

  it('is found in the specification and in the logs', async () => {
    const spec = JSON.parse((await app.cli.succeed('function-spec')).stdout) as { functions: Record<string, unknown>[] }
    expect(spec.functions).toContainEqual(
      expect.objectContaining({ identifier: 'notes.js:everyKind', functionType: 'Action' }),
    )
    expect(spec.functions).toContainEqual({ functionType: 'HttpAction', method: 'GET', path: '/notes' })
    const logs = await fetch(`${app.url}/api/stream_function_logs?cursor=0`, {
      headers: { authorization: `Convex ${app.deployKey}` },
    })
    const { entries } = (await logs.json()) as { entries: Record<string, unknown>[] }
    expect(entries).toContainEqual(
      expect.objectContaining({ kind: 'Progress', udfType: 'Action', logLines: ["[LOG] 'starting' 'http'"] }),
    )
    expect(entries).toContainEqual(
      expect.objectContaining({ kind: 'Completion', udfType: 'Action', identifier: 'notes:everyKind', logLines: [] }),
    )
    expect(entries).toContainEqual(expect.objectContaining({ udfType: 'Mutation', caller: 'Action' }))
  })
})

describe('a live client', () => {
  it('runs several actions beside its mutations', async () => {
    await using live = openLive()
    const waiting = live.action(reference('waitFor'), { text: 'go on' })
    expect(await live.action(reference('catching'), { text: 'live' })).toBe('added')
    await mutation(app.url, 'notes:add', { text: 'go on' })
    expect(await waiting).toBeGreaterThan(0)
  })

  it('hears of the error of its action', async () => {
    await using live = openLive()
    await expect(live.action(reference('failing'), { kind: 'error' })).rejects.toThrow('an action broke')
  })

  it('that loses its connection hears so, and the action runs once, to its end', async () => {
    await using live = openLive()
    const lost = live.action(reference('signalling'), {
      start: 'started once',
      until: 'reconnected',
      end: 'ended once',
    })
    lost.catch(() => undefined)
    await noted('started once')
    live.cutConnection()
    await expect(lost).rejects.toThrow('Connection lost while action was in flight')
    await mutation(app.url, 'notes:add', { text: 'reconnected' })
    await noted('ended once')
    const texts = (await query(app.url, 'notes:list')) as string[]
    expect(texts.filter((text) => text === 'started once' || text === 'ended once')).toHaveLength(2)
  })
})

async function noted(text: string): Promise<void> {
  await waitFor(`the note "${text}"`, async () =>
    ((await query(app.url, 'notes:list')) as string[]).includes(text) ? true : undefined,
  )
}

/** A client whose connection can be cut, as a network does it. */
function openLive(): AsyncDisposable & Pick<ConvexClient, 'action'> & { cutConnection(): void } {
  const sockets: WebSocket[] = []
  class Cuttable extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      sockets.push(this)
    }
  }
  const live = new ConvexClient(app.url, { webSocketConstructor: Cuttable, logger: false })
  return {
    action: live.action.bind(live),
    cutConnection: () => sockets.at(-1)?.close(),
    [Symbol.asyncDispose]: async () => await live.close(),
  }
}
