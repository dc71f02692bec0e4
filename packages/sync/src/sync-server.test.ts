import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { addQuery, modifyQuerySet, openServer } from './testing/sync-fixture.ts'

let server: Awaited<ReturnType<typeof openServer>>

beforeEach(async () => {
  server = await openServer()
})

afterEach(async () => {
  await server.close()
})

function open(path: string, protocols: string[] = []): WebSocket {
  return new WebSocket(server.url.replace('http', 'ws') + path, protocols)
}

/** Types of the messages that a session gets which watches one large result, up to the response of an action. */
async function typesAt(path: string): Promise<readonly string[]> {
  server.backend.render = () => JSON.stringify('x'.repeat(6_000_000))
  const socket = open(path)
  const types: string[] = []
  socket.on('message', (data: Buffer) => types.push((JSON.parse(data.toString()) as { type: string }).type))
  await once(socket, 'open')
  socket.send(JSON.stringify(modifyQuerySet(0, addQuery(0, 'kv:get', { key: 'a' }))))
  await vi.waitFor(() => expect(types).not.toEqual([]), { timeout: 10_000 })
  // Its response comes after whatever the transition was sent as.
  socket.send(JSON.stringify({ type: 'Action', requestId: 0, udfPath: 'kv:echo', args: [{ value: 1 }] }))
  await vi.waitFor(() => expect(types).toContain('ActionResponse'), { timeout: 10_000 })
  socket.terminate()
  return types.slice(0, types.indexOf('ActionResponse') + 1)
}

describe('a handshake', () => {
  test.each(['/api/1.48.0/sync', '//api/1.48.0/sync', '/api/sync', '/api/not-a-version/sync?x=1'])(
    'at %s is accepted',
    async (path) => {
      const socket = open(path)
      await once(socket, 'open')
      expect(socket.extensions).toBe('permessage-deflate')
      socket.terminate()
    },
  )

  test.each(['/', '/sync', '/api/a/b/sync', '/api/1.48.0/sync/more'])('at %s is refused', async (path) => {
    const socket = open(path)
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toBe('Unexpected server response: 404')
  })

  test('names no subprotocol', async () => {
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    const request = [
      'GET /api/sync HTTP/1.1',
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      'Sec-WebSocket-Protocol: anything',
    ]
    socket.write(`${request.join('\r\n')}\r\n\r\n`)
    const [head] = (await once(socket, 'data')) as [Buffer]
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /)
    expect(head.toString()).not.toMatch(/sec-websocket-protocol/i)
    socket.destroy()
  })
})

describe('a large transition', () => {
  test('is cut for clients that know chunks', async () => {
    const types = await typesAt('/api/1.28.0/sync')
    expect(types).toEqual(['TransitionChunk', 'TransitionChunk', 'ActionResponse'])
  })

  test.each(['/api/1.27.9/sync', '/api/sync'])('is one message at %s', async (path) => {
    const types = await typesAt(path)
    expect(types).toEqual(['Transition', 'ActionResponse'])
  })
})

test.each([
  ['small', 10, false],
  ['large', 100_000, true],
])('a %s message is compressed: %s characters, %s', async (_name, length, isCompressed) => {
  const socket = open('/api/sync')
  let received = 0
  socket.once('upgrade', (response) => response.socket.on('data', (data: Buffer) => (received += data.length)))
  await once(socket, 'open')
  socket.send(
    JSON.stringify({ type: 'Action', requestId: 0, udfPath: 'kv:echo', args: [{ value: 'x'.repeat(length) }] }),
  )
  const [message] = (await once(socket, 'message')) as [Buffer]
  expect(received < message.length).toBe(isCompressed)
  socket.terminate()
})

test('a server that stops says when to come back, and accepts nobody', async () => {
  const socket = open('/api/sync')
  await once(socket, 'open')
  server.sync.close()
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  expect([code, reason.toString()]).toEqual([1012, 'ServerShutdown'])
  const late = open('/api/sync')
  const [error] = (await once(late, 'error')) as [Error]
  expect(error.message).toBe('Unexpected server response: 503')
})
