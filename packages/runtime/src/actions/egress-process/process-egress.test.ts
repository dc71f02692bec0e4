import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { createLog } from '@concave/base'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EgressRequest, EgressResponse } from '../egress.ts'
import { ProcessEgress } from './process-egress.ts'

// A process is started for each, which takes longer where other work shares the machine.
vi.setConfig({ testTimeout: 30_000 })

const log = createLog({ level: 'silent' })
const bombBytes = 1_073_741_824
const bomb = gzipSync(Buffer.alloc(bombBytes / 64))
const { signal } = new AbortController()

let server: Server
let origin: string
let egress: ProcessEgress
let expire: () => void

beforeEach(async () => {
  server = createServer((request, response) => {
    if (request.url === '/echo') request.pipe(response)
    else if (request.url === '/half') response.write('half')
    else if (request.url === '/bomb') {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      for (let part = 0; part < 64; part += 1) response.write(bomb)
      response.end()
    } else response.end('served')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expire = () => undefined
  const timers = {
    after: (_delayMs: number, task: () => void) => {
      expire = task
      return () => (expire = () => undefined)
    },
  }
  egress = new ProcessEgress({ allowsPrivate: true, log, timers })
})
afterEach(async () => {
  await egress[Symbol.asyncDispose]()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const get = (url: string, body?: EgressRequest['body']): EgressRequest => ({
  url,
  method: body === undefined ? 'GET' : 'POST',
  headers: [],
  redirect: 'follow',
  body,
})

async function textOf({ body }: EgressResponse): Promise<string> {
  const pieces: Uint8Array[] = []
  for (let piece = await body?.read(); piece !== undefined; piece = await body?.read()) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

test('sends and receives bodies in pieces', async () => {
  const sent = ['one ', 'two ', 'x'.repeat(300_000)]
  const pieces = [...sent]
  const body = {
    read: async () => (pieces.length === 0 ? undefined : Buffer.from(pieces.shift() as string)),
    cancel: () => undefined,
  }
  expect(await textOf(await egress.fetch(get(`${origin}/echo`, body), signal))).toBe(sent.join(''))
  expect(await textOf(await egress.fetch(get(`${origin}/echo`, Buffer.from('bytes')), signal))).toBe('bytes')
})

test('a body that its sender breaks off fails the request', async () => {
  const body = {
    read: async () => {
      throw new Error('broken off')
    },
    cancel: () => undefined,
  }
  await expect(egress.fetch(get(`${origin}/echo`, body), signal)).rejects.toThrow('fetch failed')
})

test('a process that ends fails what it was about, and the next request starts another', async () => {
  const half = await egress.fetch(get(`${origin}/half`), signal)
  expect(Buffer.from((await half.body?.read()) as Uint8Array).toString()).toBe('half')
  const pid = (await egress.findPid()) as number
  const rest = Promise.allSettled([half.body?.read()])
  process.kill(pid, 'SIGKILL')
  expect(await rest).toMatchObject([{ status: 'rejected', reason: { name: 'FailedTransfer' } }])
  expect(await textOf(await egress.fetch(get(`${origin}/`), signal))).toBe('served')
  expect(await egress.findPid()).not.toBe(pid)
})

test('a process that nobody uses ends', async () => {
  const response = await egress.fetch(get(`${origin}/`), signal)
  const pid = (await egress.findPid()) as number
  expire()
  expect(await egress.findPid()).toBe(pid)
  expect(await textOf(response)).toBe('served')
  expire()
  expect(await egress.findPid()).toBeUndefined()
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'))
  expect(await textOf(await egress.fetch(get(`${origin}/`), signal))).toBe('served')
})

test('an abort ends the request', async () => {
  const controller = new AbortController()
  const aborted = egress.fetch(
    get(`${origin}/echo`, { read: () => new Promise(() => undefined), cancel: () => undefined }),
    controller.signal,
  )
  controller.abort()
  await expect(aborted).rejects.toThrow('fetch failed')
})

test('keeps to the rule about addresses', async () => {
  await using careful = new ProcessEgress({ allowsPrivate: false, log })
  await expect(careful.fetch(get(`${origin}/`), signal)).rejects.toThrow('which actions of this server may not reach')
  await expect(careful.fetch(get(origin.replace('127.0.0.1', 'localhost')), signal)).rejects.toThrow('may not reach')
})

test('what unpacks to a gigabyte is unpacked as far as it is read', async () => {
  const { body } = await egress.fetch(get(`${origin}/bomb`), signal)
  const pid = await egress.findPid()
  let readBytes = 0
  while (readBytes < 16 * 1_048_576) readBytes += (await body?.read())?.length ?? bombBytes
  body?.cancel()
  expect(await textOf(await egress.fetch(get(`${origin}/`), signal))).toBe('served')
  expect(await egress.findPid()).toBe(pid)
})

test.each([
  ['endless headers', 'HTTP/1.1 200 OK\r\n' + 'x: y\r\n'.repeat(100_000)],
  ['no protocol at all', 'nonsense\r\n\r\n'],
  ['a body of another length', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort'],
])('a server that answers with %s fails its own request alone', async (_what, answer) => {
  const hostile = createNetServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end(answer),
  )
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve))
  const { port } = hostile.address() as AddressInfo
  const slow = egress.fetch(get(`${origin}/half`), signal)
  const failing = egress.fetch(get(`http://127.0.0.1:${port}/`), signal).then(textOf)
  await expect(failing).rejects.toThrow(/fetch failed|terminated/)
  expect(await (await slow).body?.read()).toEqual(Buffer.from('half'))
  await new Promise((resolve) => hostile.close(resolve))
})
