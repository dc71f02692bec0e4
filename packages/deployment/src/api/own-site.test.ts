import { describe, expect, test } from 'vitest'
import { DocumentUnavailable } from '../auth/fetch-document.ts'
import type { HttpActionService, HttpCall, HttpCallEnd } from '../functions/http-action-service.ts'
import { openOwnSite } from './own-site.ts'

/** Reads `url` where HTTP actions do what `serve` does. */
async function read(serve: (call: HttpCall) => Promise<HttpCallEnd>): Promise<unknown> {
  const fetchDiscovery = openOwnSite(() => ({ serve }) as unknown as HttpActionService)
  return await fetchDiscovery('http://site.test/.well-known/jwks.json?a=1')
}

describe('a document of the own site', () => {
  test('is what the HTTP action answers', async () => {
    const answer = await read(async ({ path, request, exchange }) => {
      expect([path, request.method, request.url]).toEqual([
        '/.well-known/jwks.json',
        'GET',
        'http://site.test/.well-known/jwks.json?a=1',
      ])
      exchange.respond({ status: 200, headerPairs: [['Content-Type', 'application/json']] })
      await exchange.responseBody.write(Buffer.from('{"keys"'))
      await exchange.responseBody.write(Buffer.from(':[]}'))
      await exchange.responseBody.end()
      return { kind: 'served' }
    })
    expect(answer).toEqual({ status: 200, contentType: 'application/json', text: '{"keys":[]}' })
  })

  test('is missing where no route is', async () => {
    expect(await read(async () => ({ kind: 'notFound', text: 'No matching routes found' }))).toEqual({
      status: 404,
      contentType: 'text/plain',
      text: 'No matching routes found',
    })
  })

  test('cannot be had from an action that fails', async () => {
    await expect(read(async () => ({ kind: 'failed', body: {} }))).rejects.toThrow(DocumentUnavailable)
  })

  test('is not read beyond the limit of documents', async () => {
    await read(async ({ exchange }) => {
      exchange.respond({ status: 200, headerPairs: [] })
      await expect(exchange.responseBody.write(new Uint8Array(600_000))).rejects.toThrow('too large')
      return { kind: 'served' }
    })
  })
})
