/** `fetch`, bodies and streams of actions, against a server of this test. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ActionFixture, openActionFixture } from '../testing/action-fixture.ts'

let fixture: ActionFixture
let url: string
/** Set while a request of `/hang` is open. */
let hangingClosed: Promise<void>
/** Set while a request of `/slow-upload` is open. */
let uploadClosed: Promise<void>

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const routes: Readonly<Record<string, Handler>> = {
  '/echo': async (request, response) => {
    const body = await readAll(request)
    response.setHeader('content-type', 'application/json')
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.end(JSON.stringify({ method: request.method, headers: request.headers, body: body.toString('latin1') }))
  },
  '/bytes': (_request, response) => {
    response.end(Buffer.alloc(300_000, 7))
  },
  '/gzip': (_request, response) => {
    response.setHeader('content-encoding', 'gzip')
    response.end(gzipSync('squeezed '.repeat(100)))
  },
  '/codings': (request, response) => {
    const coding = String(request.headers['x-coding'])
    const encode = { deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync }[coding]
    response.setHeader('content-encoding', `identity, ${coding}`)
    response.end(encode?.('squeezed'))
  },
  '/slow-upload': (request) => {
    request.resume()
    uploadClosed = new Promise((resolve) => request.once('close', resolve))
  },
  '/empty': (_request, response) => {
    response.statusCode = 204
    response.end()
  },
  '/broken': (_request, response) => {
    response.setHeader('content-length', '100')
    response.write('some')
    setImmediate(() => response.destroy())
  },
  '/hang': (_request, response) => {
    response.write('first')
    hangingClosed = new Promise((resolve) => response.once('close', resolve))
  },
  '/loop': (_request, response) => {
    response.writeHead(302, { location: '/loop' })
    response.end()
  },
  '/see-other': (_request, response) => {
    response.writeHead(303, { location: '/echo' })
    response.end()
  },
  '/again': (_request, response) => {
    response.writeHead(307, { location: '/echo' })
    response.end()
  },
}

/** `/count/3` leads to `/count/2`, and so on to `/count/0`. */
function countDown(url: string, response: ServerResponse): void {
  const left = Number(url.slice('/count/'.length))
  if (left > 0) response.writeHead(302, { location: `/count/${left - 1}` })
  response.end(String(left))
}

const server = createServer((request, response) => {
  const handler = routes[request.url ?? '']
  if (request.url?.startsWith('/count/') === true) {
    countDown(request.url, response)
    return
  }
  if (handler === undefined) {
    response.statusCode = 404
    response.end('nothing here')
  } else void handler(request, response)
})

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  fixture = await openActionFixture()
}, 60_000)
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const run = (body: string): Promise<unknown> => fixture.run(body, { args: { url } })

describe('fetch', () => {
  test('sends method, headers and body, and gives status, headers and body back', async () => {
    const value = (await run(`
      const response = await fetch(args.url + '/echo', { method: 'post', headers: { 'x-own': 'ä' }, body: 'grüße' })
      return { ok: response.ok, status: response.status, url: response.url, type: response.headers.get('content-type'),
        cookies: response.headers.getSetCookie(), echo: await response.json(), used: response.bodyUsed }
    `)) as { echo: { headers: Record<string, string> } }
    expect(value).toMatchObject({
      ok: true,
      status: 200,
      url: `${url}/echo`,
      type: 'application/json',
      cookies: ['a=1', 'b=2'],
      used: true,
      echo: { method: 'POST', body: Buffer.from('grüße').toString('latin1') },
    })
    expect(value.echo.headers).toMatchObject({
      'x-own': 'ä',
      'content-type': 'text/plain;charset=UTF-8',
      'content-length': '7',
      accept: '*/*',
    })
  })

  test('does not throw for a status that says no, and has no body where there can be none', async () => {
    expect(
      await run(`
        const missing = await fetch(args.url + '/nowhere')
        const empty = await fetch(args.url + '/empty')
        const head = await fetch(args.url + '/bytes', { method: 'HEAD' })
        return [missing.ok, missing.status, await missing.text(), empty.body, await head.text()]
      `),
    ).toEqual([false, 404, 'nothing here', null, ''])
  })

  test('unpacks what is compressed', async () => {
    expect(await run(`return (await (await fetch(args.url + '/gzip')).text()).length`)).toBe(900)
  })

  test('reads a body piece by piece', async () => {
    expect(
      await run(`
        const response = await fetch(args.url + '/bytes')
        let pieces = 0, bytes = 0, right = true
        for await (const piece of response.body) { pieces += 1; bytes += piece.length; right &&= piece.every((b) => b === 7) }
        return { several: pieces > 1, bytes, right }
      `),
    ).toEqual({ several: true, bytes: 300_000, right: true })
  })

  test('sends a stream as it is produced', async () => {
    const value = await run(`
      const body = new ReadableStream({
        start(controller) { this.n = 0 },
        async pull(controller) {
          await sleep(1)
          if (this.n++ === 3) return controller.close()
          controller.enqueue(new TextEncoder().encode('piece ' + this.n + ';'))
        },
      })
      const echo = await (await fetch(args.url + '/echo', { method: 'PUT', body, duplex: 'half' })).json()
      return [echo.method, echo.body, echo.headers['transfer-encoding']]
    `)
    expect(value).toEqual(['PUT', 'piece 1;piece 2;piece 3;', 'chunked'])
  })

  test('sends and reads forms', async () => {
    expect(
      await run(`
        const form = new FormData()
        form.append('name', 'value "quoted"')
        form.append('file', new File([new Uint8Array([0, 1, 255])], 'a.bin', { type: 'application/x-own' }))
        const echo = await (await fetch(args.url + '/echo', { method: 'POST', body: form })).json()
        const bytes = Uint8Array.from(echo.body, (c) => c.charCodeAt(0))
        const read = await new Response(bytes, { headers: { 'content-type': echo.headers['content-type'] } }).formData()
        const file = read.get('file')
        return [read.get('name'), file.name, file.type, [...new Uint8Array(await file.arrayBuffer())]]
      `),
    ).toEqual(['value "quoted"', 'a.bin', 'application/x-own', [0, 1, 255]])
  })

  test('follows redirects as it is told', async () => {
    expect(
      await run(`
        const seen = []
        const other = await fetch(args.url + '/see-other', { method: 'POST', body: 'x' })
        seen.push([other.redirected, (await other.json()).method])
        const again = await fetch(args.url + '/again', { method: 'POST', body: 'x' })
        seen.push([again.redirected, (await again.json()).body])
        seen.push((await fetch(args.url + '/loop', { redirect: 'manual' })).status)
        for (const init of [{ redirect: 'error' }, {}]) {
          try { await fetch(args.url + '/loop', init) } catch (error) { seen.push([error.name, error.message]) }
        }
        return seen
      `),
    ).toEqual([
      [true, 'GET'],
      [true, 'x'],
      302,
      ['TypeError', 'fetch attempted redirect'],
      ['TypeError', 'fetch too many redirects'],
    ])
  })

  test('follows twenty redirects and shows the first when it is to follow none', async () => {
    expect(
      await run(`
        const twenty = await fetch(args.url + '/count/20')
        const more = await fetch(args.url + '/count/21').catch((error) => error.message)
        const first = await fetch(args.url + '/count/20', { redirect: 'manual' })
        return [await twenty.text(), twenty.url, more, first.status, first.headers.get('location'), first.redirected]
      `),
    ).toEqual(['0', `${url}/count/0`, 'fetch too many redirects', 302, '/count/19', false])
  })

  test.each(['deflate', 'br', 'zstd'])('unpacks %s', async (coding) => {
    expect(
      await run(`return await (await fetch(args.url + '/codings', { headers: { 'x-coding': '${coding}' } })).text()`),
    ).toBe('squeezed')
  })

  test('takes a request, whose body it uses, and what is said beside it', async () => {
    expect(
      await run(`
        const request = new Request(args.url + '/echo', { method: 'POST', body: 'sent', headers: { 'x-own': 'a', 'x-other': 'b' }, keepalive: true })
        const echo = await (await fetch(request)).json()
        const again = await fetch(request).catch((error) => error.name)
        const other = await (await fetch(new Request(args.url + '/echo', { headers: { 'x-own': 'a' } }), { method: 'PUT', body: 'put', headers: { 'x-other': 'b' } })).json()
        return [echo.body, echo.headers['x-own'], request.bodyUsed, again, other.method, other.body, other.headers['x-own'] ?? null, other.headers['x-other']]
      `),
    ).toEqual(['sent', 'a', true, 'TypeError', 'PUT', 'put', null, 'b'])
  })

  test('gives headers that nobody can change', async () => {
    expect(
      await run(`
        const { headers } = await fetch(args.url + '/echo')
        const attempts = [() => headers.set('a', 'b'), () => headers.append('a', 'b'), () => headers.delete('content-type')]
        const names = attempts.map((attempt) => { try { attempt() } catch (error) { return error.name } })
        const own = new Headers(headers); own.set('a', 'b')
        return [names, headers.has('a'), own.get('a'), new Response(null, { headers }).headers.get('content-type')]
      `),
    ).toEqual([['TypeError', 'TypeError', 'TypeError'], false, 'b', 'application/json'])
  })

  test('is ended by its signal while it sends a body', async () => {
    expect(
      await run(`
        const controller = new AbortController()
        let pieces = 0, cancelled
        const body = new ReadableStream({
          async pull(c) { await sleep(1); c.enqueue(new Uint8Array(10)); if (++pieces === 3) controller.abort(new Error('enough')) },
          cancel(reason) { cancelled = reason?.message ?? 'cancelled' },
        })
        const outcome = await fetch(args.url + '/slow-upload', { method: 'POST', body, duplex: 'half', signal: controller.signal }).catch((error) => error.message)
        while (cancelled === undefined) await sleep(1)
        return outcome
      `),
    ).toBe('enough')
    await uploadClosed
  })

  test('fails with a TypeError when nobody answers, the scheme is another, or the body breaks off', async () => {
    expect(
      await run(`
        const seen = []
        for (const attempt of [() => fetch('http://127.0.0.1:1'), () => fetch('ftp://x'), () => fetch('nonsense'),
          async () => await (await fetch(args.url + '/broken')).text()]) {
          try { await attempt(); seen.push('fine') } catch (error) { seen.push(error.name + ': ' + error.message) }
        }
        return seen
      `),
    ).toEqual([
      'TypeError: fetch failed: ECONNREFUSED',
      'TypeError: Unsupported URL scheme -- http and https are supported (scheme was ftp)',
      'TypeError: Failed to parse URL from nonsense',
      'TypeError: terminated',
    ])
  })

  test('is ended by its signal, before the answer and within the body', async () => {
    expect(
      await run(`
        const seen = []
        try { await fetch(args.url + '/hang', { signal: AbortSignal.abort('early') }) } catch (e) { seen.push(e) }
        const controller = new AbortController()
        const response = await fetch(args.url + '/hang', { signal: controller.signal })
        const reader = response.body.getReader()
        seen.push(new TextDecoder().decode((await reader.read()).value))
        setTimeout(() => controller.abort(new Error('enough')), 5)
        try { await reader.read() } catch (e) { seen.push(e.message) }
        try { const r = await fetch(args.url + '/hang', { signal: AbortSignal.timeout(5) }); await r.text() } catch (e) { seen.push(e.name) }
        return seen
      `),
    ).toEqual(['early', 'first', 'enough', 'TimeoutError'])
    await hangingClosed
  })

  test('closes the connections of an action that has ended', async () => {
    expect(await run(`await fetch(args.url + '/hang'); return 'left'`)).toBe('left')
    await hangingClosed
  })
})
