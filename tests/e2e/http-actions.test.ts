// HTTP actions of a pushed app, at the site's address and below the API's.
import { type IncomingMessage, request as nodeRequest } from 'node:http'
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
/** Where HTTP actions are served. */
let site: string
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('actions') })
  site = await siteOf(app)
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** As the CLI and the app's own code learn it. */
async function siteOf({ url, deployKey }: PushedApp): Promise<string> {
  const response = await fetch(`${url}/api/v1/get_canonical_urls`, {
    headers: { authorization: `Convex ${deployKey}` },
  })
  return ((await response.json()) as { convexSiteUrl: string }).convexSiteUrl
}

describe('a route', () => {
  it('runs queries and mutations of the app', async () => {
    const added = await fetch(`${site}/notes`, { method: 'POST', body: JSON.stringify({ text: 'by http' }) })
    expect(added.status).toBe(201)
    expect(added.headers.get('x-count')).toBe(await added.text())
    const listed = await fetch(`${site}/notes?wanted=all%20of%20them`)
    expect(await listed.json()).toMatchObject({
      texts: expect.arrayContaining(['by http']) as unknown,
      url: `${site}/notes?wanted=all%20of%20them`,
      wanted: 'all of them',
    })
    expect(await query(app.url, 'notes:list')).toContain('by http')
  })

  it.each(['PUT', 'PATCH', 'DELETE'])('answers %s with its body', async (method) => {
    const response = await fetch(`${site}/any`, { method, body: 'content' })
    expect(await response.text()).toBe(`${method} content`)
  })

  it('answers OPTIONS itself: the server adds no header of its own', async () => {
    const response = await fetch(`${site}/any`, { method: 'OPTIONS', headers: { origin: 'https://app.example' } })
    expect(await response.text()).toBe('OPTIONS ')
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
  })

  it('is found exactly, then by its longest prefix', async () => {
    const textOf = async (path: string) => await (await fetch(`${site}${path}`)).text()
    expect(await textOf('/below/some/where')).toBe('/below/some/where')
    expect(await textOf('/below/further/on')).toBe('longest')
    expect(await textOf('/below/exact')).toBe('exact')
  })

  it('is served below /http of the API as well, without that prefix', async () => {
    const response = await fetch(`${app.url}/http/below/here`)
    expect(await response.text()).toBe('/below/here')
  })

  it('answers HEAD without a body', async () => {
    const response = await fetch(`${site}/notes`, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.text()).toBe('')
  })

  it('that does not exist is a 404', async () => {
    const response = await fetch(`${site}/nowhere`)
    expect([response.status, await response.text()]).toEqual([404, 'No matching routes found'])
    const wrongMethod = await fetch(`${site}/notes`, { method: 'PUT', body: 'x' })
    expect(wrongMethod.status).toBe(404)
  })

  it('sees the address that the client used, and sends repeated headers', async () => {
    const response = await fetch(`${site}/headers`, { headers: { 'x-own': 'grün' } })
    expect(response.status).toBe(204)
    expect(response.headers.get('x-own')).toBe('grün')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    const proxied = await fetch(`${site}/notes`, { headers: { 'x-forwarded-proto': 'https' } })
    expect(await proxied.json()).toMatchObject({ url: `${site.replace('http:', 'https:')}/notes` })
  })
})

describe('bodies', () => {
  it('go through as they are, in both directions at once', async () => {
    const sent = Buffer.alloc(3_000_000, Buffer.from([0, 1, 2, 128, 255, 10, 13]))
    const response = await fetch(`${site}/echo`, {
      method: 'POST',
      body: sent,
      headers: { 'content-type': 'application/x-own' },
    })
    expect(response.headers.get('content-type')).toBe('application/x-own')
    expect(Buffer.from(await response.arrayBuffer()).equals(sent)).toBe(true)
  })

  it('are sent while the request is still coming', async () => {
    const { hostname, port } = new URL(site)
    const request = nodeRequest({ hostname, port, path: '/echo', method: 'POST' })
    const answered = new Promise<IncomingMessage>((resolve) => request.once('response', resolve))
    request.write('first')
    const response = await answered
    const pieces = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    expect(String((await pieces.next()).value)).toBe('first')
    request.end('second')
    expect(String((await pieces.next()).value)).toBe('second')
    expect((await pieces.next()).done).toBe(true)
  })

  it('are streamed as they are produced', async () => {
    const response = await fetch(`${site}/stream`)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const decoder = new TextDecoder()
    let received = ''
    const readUntil = async (text: string): Promise<void> => {
      while (!received.includes(text)) {
        const { value, done } = await reader.read()
        if (done) throw new Error(`The stream ended before ${text}.`)
        received += decoder.decode(value, { stream: true })
      }
    }
    await mutation(app.url, 'notes:add', { text: 'while it runs' })
    await readUntil('while it runs')
    await mutation(app.url, 'notes:add', { text: 'end' })
    await readUntil('end')
    expect((await reader.read()).done).toBe(true)
  })

  it('above 20 MiB are cut off', async () => {
    const response = await fetch(`${site}/large`)
    expect((await response.arrayBuffer()).byteLength).toBe(20 * 1_048_576)
  })
})

describe('a failing handler', () => {
  it('answers 500 with what went wrong', async () => {
    const response = await fetch(`${site}/fail`)
    expect(response.status).toBe(500)
    expect(await response.json()).toEqual({
      code: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: a handler broke$/),
      trace: expect.stringMatching(/^Uncaught Error: a handler broke\n {4}at .*convex\/http\.ts:\d+:\d+\)/),
    })
  })

  it('tells the data of a ConvexError, and when there is no response', async () => {
    expect(await (await fetch(`${site}/fail?kind=convex`)).json()).toMatchObject({ data: { why: 'refused' } })
    const none = await fetch(`${site}/fail?kind=nothing`)
    expect(((await none.json()) as { code: string }).code).toContain('HTTP actions must return a Response')
  })

  it('breaks the connection when the response is under way', async () => {
    const response = await fetch(`${site}/fail?kind=late`)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow('terminated')
  })

  it('says nothing of itself in production', async () => {
    await using prod = await pushApp(server, { folder: fixtureFolder('actions'), type: 'prod', name: 'Site' })
    const response = await fetch(`${await siteOf(prod)}/fail?kind=convex`)
    expect(await response.json()).toEqual({
      code: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error$/),
    })
  })
})

describe('the caller', () => {
  it('that goes away aborts the signal; the action goes on', async () => {
    const controller = new AbortController()
    const gone = fetch(`${site}/hang`, { method: 'POST', body: 'x', signal: controller.signal })
    const noted = async (text: string): Promise<true> =>
      await waitFor(`the note "${text}"`, async () =>
        ((await query(app.url, 'notes:list')) as string[]).includes(text) ? true : undefined,
      )
    await noted('client there')
    controller.abort()
    await expect(gone).rejects.toThrow('aborted')
    await noted('client gone')
  })

  it('without a token is nobody; a token that is refused fails who asks for it', async () => {
    expect(await (await fetch(`${site}/who`)).json()).toEqual({ identity: null })
    expect(await (await fetch(`${site}/who`, { headers: { authorization: 'Basic abc' } })).json()).toEqual({
      identity: null,
    })
    const refused = await fetch(`${site}/who`, { headers: { authorization: 'Bearer nonsense' } })
    expect(refused.status).toBe(500)
    const others = await fetch(`${site}/below/exact`, { headers: { authorization: 'Bearer nonsense' } })
    expect(others.status).toBe(200)
  })
})
