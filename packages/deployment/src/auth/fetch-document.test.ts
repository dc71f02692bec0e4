import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fetchDocument, withOwnOrigins } from './fetch-document.ts'

const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/good': (response) => response.setHeader('content-type', 'application/json').end('{"a":"ä"}'),
  '/moved': (response) => response.writeHead(302, { location: '/good' }).end(),
  '/silent': () => {},
  '/unfinished': (response) => response.write('{'),
  '/endless': (response) => {
    const more = (): void => {
      while (response.write('x'.repeat(10_000)));
      response.once('drain', more)
    }
    more()
  },
}

let server: Server
let url: string
beforeAll(async () => {
  server = createServer((request, response) => answers[request.url ?? '']?.(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

test('a document comes with its status and type', async () => {
  const document = { status: 200, contentType: 'application/json', text: '{"a":"ä"}' }
  expect(await fetchDocument(`${url}/good`)).toEqual(document)
})

test('a redirect is an answer, and leads nowhere', async () => {
  expect(await fetchDocument(`${url}/moved`)).toMatchObject({ status: 302, text: '' })
})

test.each([
  ['does not answer', '/silent', 'within 100 ms'],
  ['does not finish', '/unfinished', 'within 100 ms'],
  ['does not stop', '/endless', 'larger than 1000000 bytes'],
])('a server that %s is given up', async (_what, path, says) => {
  const reading = fetchDocument(`${url}${path}`, { timeoutMs: path === '/endless' ? 10_000 : 100, maxBytes: 1_000_000 })
  await expect(reading).rejects.toMatchObject({ name: 'DocumentUnavailable' })
  await expect(reading).rejects.toThrow(says)
})

test('a server that is not there is named by its failure', async () => {
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as AddressInfo
  await new Promise((resolve) => gone.close(resolve))
  const reading = fetchDocument(`http://127.0.0.1:${port}/`)
  await expect(reading).rejects.toMatchObject({ name: 'DocumentUnavailable' })
  await expect(reading).rejects.toThrow('there was no answer (ECONNREFUSED)')
})

test('documents of an own origin come from this process', async () => {
  const answer = { status: 200, contentType: 'text/plain', text: 'own' }
  const elsewhere = { ...answer, text: 'elsewhere' }
  const read = withOwnOrigins(new Map([['http://own.test:3210', async () => answer]]), async () => elsewhere)
  expect(await read('http://own.test:3210/.well-known/jwks.json')).toBe(answer)
  for (const other of ['http://own.test/', 'https://own.test:3210/', 'http://own.test:3210@evil.test/']) {
    expect(await read(other)).toBe(elsewhere)
  }
})
