import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { createDeferred, createLog, NotFound, Overloaded } from '@concave/base'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyReply, jsonReply, textReply } from './reply.ts'
import { Router } from './router.ts'
import { serveRoutes, type RouteHandler } from './routes.ts'
import { startServer, type RunningServer } from './server.ts'

const maxBodyBytes = 10_000
const log = createLog({ level: 'silent' })
const aborted = createDeferred<void>()
const hanging = createDeferred<void>()
const begun = createDeferred<void>()
const disconnected = createDeferred<unknown>()

const router = new Router<RouteHandler>()
  .add('POST', '/echo', async (request) => jsonReply({ received: (await request.json({ allowEmpty: true })) ?? null }))
  .add('POST', '/strict', async (request) => jsonReply(await request.json()))
  .add('POST', '/size', async (request) => jsonReply((await request.bytes()).length))
  .add('POST', '/stream', async (request) => {
    const sizes: number[] = []
    for await (const chunk of request.stream()) sizes.push(chunk.length)
    return jsonReply({ chunks: sizes.length, sizeBytes: sizes.reduce((sum, size) => sum + size, 0) })
  })
  .add('POST', '/first', async (request) => {
    for await (const chunk of request.stream()) return jsonReply(chunk.length > 0)
    return jsonReply(null)
  })
  .add('POST', '/disconnected', async (request) => {
    begun.resolve()
    try {
      for await (const _ of request.stream()) continue
      disconnected.resolve(undefined)
    } catch (error) {
      disconnected.resolve(error)
    }
    return emptyReply()
  })
  .add('GET', '/query/{name}', ({ params, query }) => jsonReply({ ...params, all: [...query] }))
  .add('GET', '/missing', () => {
    throw new NotFound('NoSuchThing', 'There is no such thing.')
  })
  .add('GET', '/broken', () => {
    throw new TypeError('secret detail')
  })
  .add('GET', '/busy', () => {
    throw new Overloaded('QueueFull', 'Try again later.', 1500)
  })
  .add('GET', '/text', () => textReply('hello'))
  .add('GET', '/empty', () => emptyReply())
  .add('GET', '/gone', () => emptyReply(204))
  .add('GET', '/stream', () => ({
    status: 200,
    body: { kind: 'stream', stream: Readable.from(['a', 'b']), contentType: 'text/plain' },
  }))
  .add('GET', '/long', () => emptyReply(200, { 'Content-Length': 1000, 'Content-Type': 'text/plain' }))
  .add('GET', '/hang', async ({ signal }) => {
    signal.addEventListener('abort', () => aborted.resolve())
    hanging.resolve()
    await aborted.promise
    return emptyReply()
  })

let server: RunningServer
beforeAll(async () => {
  const handler = serveRoutes({ router, log, maxBodyBytes, cors: { allowCredentials: true } })
  server = await startServer({ port: 0, host: '127.0.0.1', handler })
})
afterAll(async () => {
  await server.close()
})

const json = { 'Content-Type': 'application/json' }
const post = async (
  path: string,
  body: NonNullable<RequestInit['body']> | null,
  headers: Record<string, string> = json,
) => await fetch(server.url + path, { method: 'POST', headers, body })

describe('bodies', () => {
  it.each([
    ['br', brotliCompressSync],
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['identity', (text: string) => text],
  ])('are decoded from %s', async (encoding, encode) => {
    const response = await post('/echo', encode('{"a":1}'), { ...json, 'Content-Encoding': encoding })
    expect(await response.json()).toEqual({ received: { a: 1 } })
  })

  it('may be absent where that is tolerated, whatever the content type says', async () => {
    for (const headers of [json, {}]) {
      expect(await (await post('/echo', null, headers)).json()).toEqual({ received: null })
    }
  })

  it.each([
    ['not JSON', '{', json],
    ['empty', '', json],
    ['of no type', '{}', {}],
    ['of another type', '{}', { 'Content-Type': 'text/plain' }],
    ['not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), json],
  ])('that are %s are refused', async (_what, body, headers) => {
    const response = await post('/strict', body, headers)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'BadJsonBody' })
  })

  it('may be streamed: of any size, not decoded', async () => {
    const sizeBytes = 5_000_000
    const response = await post('/stream', new Uint8Array(sizeBytes), { 'Content-Encoding': 'gzip' })
    const received = (await response.json()) as { readonly chunks: number; readonly sizeBytes: number }
    expect(received.sizeBytes).toBe(sizeBytes)
    expect(received.chunks).toBeGreaterThan(10)
    expect(await (await post('/stream', null)).json()).toEqual({ chunks: 0, sizeBytes: 0 })
  })

  it('that are left half read are in nobody’s way', async () => {
    await using agent = await openSocket()
    for (const _ of [1, 2]) {
      agent.write(`POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n`)
      agent.write(new Uint8Array(5_000_000))
      expect(await agent.nextAnswer()).toContain('HTTP/1.1 200 OK')
    }
  })

  it('say when they end before their end', async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.write('POST /disconnected HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc')
    await begun.promise
    socket.destroy()
    expect(await disconnected.promise).toMatchObject({ status: 408, code: 'ClientDisconnected' })
  })

  it('take a charset beside their type', async () => {
    const response = await post('/strict', '{"a":"ä"}', { 'Content-Type': 'Application/JSON; charset=utf-8' })
    expect(await response.json()).toEqual({ a: 'ä' })
  })

  it('are bounded on the wire and when decoded', async () => {
    expect(await (await post('/size', 'x'.repeat(maxBodyBytes))).json()).toBe(maxBodyBytes)
    const chunked = Readable.toWeb(Readable.from([Buffer.alloc(maxBodyBytes), Buffer.alloc(maxBodyBytes)]))
    const long = await post('/size', 'x'.repeat(maxBodyBytes + 1))
    const bomb = await post('/size', gzipSync('x'.repeat(1_000_000)), { 'Content-Encoding': 'gzip' })
    const streamed = await fetch(`${server.url}/size`, {
      method: 'POST',
      body: chunked,
      duplex: 'half',
    } as RequestInit)
    for (const response of [long, bomb, streamed]) {
      expect(response.status).toBe(413)
      expect(await response.json()).toMatchObject({ code: 'RequestTooLarge' })
    }
  })

  it('that lie about their encoding are refused', async () => {
    const lying = await post('/size', 'plain', { 'Content-Encoding': 'gzip' })
    expect([lying.status, await lying.json()]).toMatchObject([400, { code: 'BadRequestBody' }])
    const unknown = await post('/size', 'plain', { 'Content-Encoding': 'zstd' })
    expect([unknown.status, await unknown.json()]).toMatchObject([415, { code: 'UnsupportedContentEncoding' }])
  })
})

describe('answers', () => {
  it('carry parameters and query through', async () => {
    const response = await fetch(`${server.url}//query/a%20b?x=1&x=2`)
    expect(await response.json()).toEqual({
      name: 'a b',
      all: [
        ['x', '1'],
        ['x', '2'],
      ],
    })
  })

  it('word errors with code and message, and withhold what is ours', async () => {
    const missing = await fetch(`${server.url}/missing`)
    expect([missing.status, await missing.json()]).toEqual([
      404,
      { code: 'NoSuchThing', message: 'There is no such thing.' },
    ])
    const broken = await fetch(`${server.url}/broken`, { headers: { 'X-Request-Id': 'abc-1' } })
    expect([broken.status, await broken.json()]).toEqual([
      500,
      { code: 'InternalServerError', message: "Your request couldn't be completed. Try again later." },
    ])
    expect(broken.headers.get('x-request-id')).toBe('abc-1')
    const busy = await fetch(`${server.url}/busy`)
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '2'])
  })

  it('may be text, nothing, or a stream', async () => {
    expect(await (await fetch(`${server.url}/text`)).text()).toBe('hello')
    const empty = await fetch(`${server.url}/empty`)
    expect([empty.status, empty.headers.get('content-length'), await empty.text()]).toEqual([200, '0', ''])
    expect((await fetch(`${server.url}/gone`)).status).toBe(204)
    expect(await (await fetch(`${server.url}/stream`)).text()).toBe('ab')
    const head = await fetch(`${server.url}/long`, { method: 'HEAD' })
    expect([head.headers.get('content-length'), head.headers.get('content-type')]).toEqual(['1000', 'text/plain'])
    expect(await (await fetch(`${server.url}/text`, { method: 'HEAD' })).text()).toBe('')
  })

  it('to unknown places and methods are quick refusals', async () => {
    const unknown = await fetch(`${server.url}/nowhere`, { method: 'POST', body: '{}' })
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'RouteNotFound' }])
    const method = await fetch(`${server.url}/text`, { method: 'PUT' })
    expect([method.status, await method.json()]).toMatchObject([405, { code: 'MethodNotAllowed' }])
  })

  it('mirror the origin', async () => {
    const simple = await fetch(`${server.url}/text`, { headers: { Origin: 'https://app.test' } })
    expect(simple.headers.get('access-control-allow-origin')).toBe('https://app.test')
    const preflight = await fetch(`${server.url}/echo`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://app.test',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,convex-client',
      },
    })
    expect(preflight.status).toBe(204)
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.test',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'authorization,convex-client',
      'access-control-max-age': '86400',
    })
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH')
  })

  it('are given up when the client goes away', async () => {
    const controller = new AbortController()
    const request = fetch(`${server.url}/hang`, { signal: controller.signal })
    await hanging.promise
    controller.abort()
    await expect(request).rejects.toThrow('abort')
    await aborted.promise
  })
})

describe('a server that closes', () => {
  it('finishes requests in flight and refuses new ones', async () => {
    const started = createDeferred<void>()
    const mayFinish = createDeferred<void>()
    const closing = await startServer({
      port: 0,
      host: '127.0.0.1',
      handler: (_request, response) => {
        started.resolve()
        void mayFinish.promise.then(() => response.end('done'))
      },
    })
    const answer = fetch(closing.url).then(async (response) => await response.text())
    await started.promise
    const closed = closing.close()
    await expect(fetch(closing.url)).rejects.toThrow('fetch failed')
    mayFinish.resolve()
    expect(await answer).toBe('done')
    await closed
    await closing.close()
  })

  it('cuts what is left at the deadline: requests without an answer and upgraded sockets', async () => {
    const started = createDeferred<void>()
    const upgraded = createDeferred<void>()
    const closing = await startServer({
      port: 0,
      host: '127.0.0.1',
      drainMs: 1,
      handler: () => started.resolve(),
      onUpgrade: () => upgraded.resolve(),
    })
    const socket = connect(closing.port, '127.0.0.1')
    const socketClosed = new Promise((resolve) => {
      socket.on('close', resolve)
    })
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    await upgraded.promise
    const unanswered = fetch(closing.url).then(
      () => 'answered',
      () => 'cut',
    )
    await started.promise
    await closing.close()
    expect(await unanswered).toBe('cut')
    await socketClosed
  })

  it('says when a port cannot be had', async () => {
    const handler = (): void => {}
    await expect(startServer({ port: server.port, host: '127.0.0.1', handler })).rejects.toThrow('EADDRINUSE')
  })
})

/** One connection, used for one request after the other. */
async function openSocket(): Promise<
  AsyncDisposable & { write(data: string | Uint8Array): void; nextAnswer(): Promise<string> }
> {
  const socket = connect(server.port, '127.0.0.1')
  let received = ''
  let arrival = createDeferred<void>()
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text
    arrival.resolve()
  })
  return {
    write: (data) => void socket.write(data),
    nextAnswer: async () => {
      while (!received.includes('true')) {
        await arrival.promise
        arrival = createDeferred<void>()
      }
      const answer = received
      received = ''
      return answer
    },
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  }
}
