import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isInsideAddress } from './address-policy.ts'
import { HttpEgress } from './http-egress.ts'

let port: number
const seen: string[] = []
const server = createServer((request, response) => {
  seen.push(`${request.headers.host ?? ''}${request.url ?? ''} ${request.headers.authorization ?? '-'}`)
  if (request.url === '/elsewhere') response.writeHead(302, { location: `http://localhost:${port}/end` }).end()
  else response.end('served')
})

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const get = (url: string, headers: readonly (readonly [string, string])[] = []) =>
  ({ url, method: 'GET', headers, redirect: 'follow', body: undefined }) as const

describe('addresses inside', () => {
  test.each([
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '64:ff9b::10.0.0.1',
    '2002:7f00:1::',
    'ff02::1',
    'no address',
  ])('include %s', (address) => {
    expect(isInsideAddress(address)).toBe(true)
  })
  test.each(['1.1.1.1', '172.15.0.1', '172.32.0.1', '192.167.1.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])(
    'do not include %s',
    (address) => {
      expect(isInsideAddress(address)).toBe(false)
    },
  )
})

describe('a server that others can reach', () => {
  const refused = /is a loopback, private or link-local address, which actions of this server may not reach/

  test.each([
    'http://127.0.0.1:1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://localhost/',
    'http://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/',
  ])('fetches nothing from %s', async (url) => {
    using egress = new HttpEgress({ allowsPrivate: false })
    await expect(egress.fetch(get(url), new AbortController().signal)).rejects.toThrow(refused)
  })

  test('reaches a local server when that is allowed, and then only', async () => {
    using closed = new HttpEgress({ allowsPrivate: false })
    using open = new HttpEgress({ allowsPrivate: true })
    const { signal } = new AbortController()
    const before = seen.length
    await expect(closed.fetch(get(`http://127.0.0.1:${port}/`), signal)).rejects.toThrow(refused)
    await expect(closed.fetch(get(`http://localhost:${port}/`), signal)).rejects.toThrow(refused)
    expect(seen).toHaveLength(before)
    expect((await open.fetch(get(`http://localhost:${port}/`), signal)).status).toBe(200)
    expect(seen).toHaveLength(before + 1)
  })
})

test('takes no secrets to another origin', async () => {
  using egress = new HttpEgress({ allowsPrivate: true })
  seen.length = 0
  const headers = [['Authorization', 'Bearer secret']] as const
  await egress.fetch(get(`http://127.0.0.1:${port}/elsewhere`, headers), new AbortController().signal)
  expect(seen).toEqual([`127.0.0.1:${port}/elsewhere Bearer secret`, `localhost:${port}/end -`])
})
