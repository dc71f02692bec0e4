// What code of a Node action may not do to its server, to others, and to the network around.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
let inside: Server
beforeAll(async () => {
  server = await startTestServer({ privateFetch: 'refuse' })
  app = await pushApp(server, { folder: fixtureFolder('node-actions') })
  inside = createServer((_request, response) => response.end('secret'))
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  inside.close()
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const act = async (name: string, args: object = {}) =>
  (await post(app.url, '/api/action', { path: `hostile:${name}`, args, format: 'json' })).body

describe.runIf(process.platform === 'linux')('on Linux a Node action', () => {
  it('sees nothing of the server', async () => {
    const { value } = await act('looksAround', { files: ['/etc/shadow', `${server.dataDir}/pepper`, process.execPath] })
    // Where it may, it has a /tmp of its own.
    expect((value as { folders: string[] }).folders.join()).not.toContain(basename(server.dataDir))
    expect(value).toMatchObject({
      variables: ['CONVEX_CLOUD_URL', 'CONVEX_SITE_URL', 'HOME', 'LANG', 'PATH', 'PWD', 'TMPDIR', 'TZ'],
      parent: expect.stringMatching(/^refused E/),
      files: [expect.stringMatching(/^refused/), expect.stringMatching(/^refused/), expect.anything()],
      folders: ['refused EACCES', 'refused EACCES', expect.anything()],
      signal: expect.stringMatching(/^refused/),
      writes: expect.stringMatching(/^refused/),
      descriptors: [],
      isRoot: false,
    })
  })

  it('reaches nothing inside, whatever it tries', async () => {
    const { value } = await act('connects', { port: (inside.address() as AddressInfo).port })
    const { name, ...ways } = value as Record<string, string>
    for (const [way, outcome] of Object.entries(ways))
      expect([way, outcome]).toEqual([way, expect.stringMatching(/^refused/)])
    expect(name).toBe('ok true')
  })
})

describe('a Node action', () => {
  it.each([
    [
      'eats memory outside the heap',
      'buffers',
      'JavaScript execution ran out of memory (maximum memory usage: 512 MB)',
    ],
    ['fills its heap', 'heap', 'JavaScript execution ran out of memory (maximum memory usage: 512 MB)'],
    ['talks nonsense to the server', 'garbage', 'ended unexpectedly'],
  ])('that %s is ended alone', async (_what, kind, says) => {
    const { status, errorMessage } = await act('misbehaves', { kind })
    expect(status).toBe('error')
    expect(errorMessage).toContain(says)
    expect((await act('fine')).value).toBe('fine')
  })

  it('that forges a message ends with it', async () => {
    const answer = await post(app.url, '/api/action', { path: 'hostile:misbehaves', args: { kind: 'forged' } })
    expect(answer.status).toBe(500)
    expect((await act('fine')).value).toBe('fine')
  })

  it('that never gives way leaves others alone', async () => {
    const spinning = act('misbehaves', { kind: 'spin' })
    await waitFor('the action to spin', async () => {
      const headers = { authorization: `Convex ${app.deployKey}` }
      const logs = await (await fetch(`${app.url}/api/stream_function_logs?cursor=0`, { headers })).text()
      return logs.includes("'misbehaving' 'spin'") ? true : undefined
    })
    const others = await Promise.all([act('fine'), act('fine')])
    expect(others.map(({ value }) => value)).toEqual(['fine', 'fine'])
    expect(await Promise.race([spinning, Promise.resolve('spins')])).toBe('spins')
    spinning.catch(() => undefined)
  })
})
