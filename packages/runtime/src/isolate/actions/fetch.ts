/** `fetch` in actions. The host makes the connections; bodies flow as fast as they are read. */
import { bytesToText } from '../byte-text.ts'
import { notAllowedError, state } from '../execution-state.ts'
import { reflectDefineProperty } from '../primordials.ts'
import { defineFunction } from '../web/interface.ts'
import { Request, type RequestInit, Response, responseOrigin, takeRequestBody } from '../web/messages.ts'
import { openByteSource, sendBody } from './body-transfer.ts'
import { notify, request as askHost } from './operations.ts'

type HostResponse = {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly (readonly [string, string])[]
  readonly url: string
  readonly isRedirected: boolean
  readonly hasBody: boolean
}

let lastFetchId = 0

async function fetch(input: unknown, init?: RequestInit): Promise<Response> {
  if (state.phase !== 'action') throw notAllowedError('fetch()')
  const request = new Request(input, init)
  const { signal } = request
  if (signal.aborted) throw signal.reason
  const fetchId = `fetch ${(lastFetchId += 1)}`
  const body = takeRequestBody(request)
  const args = {
    fetchId,
    url: request.url.replace(/#.*$/, ''),
    method: request.method,
    headers: [...request.headers],
    redirect: request.redirect,
    body: body === undefined ? 'none' : body.bytes === undefined ? 'stream' : 'bytes',
  }
  const bytes = body?.bytes === undefined ? '' : bytesToText(body.bytes)
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  aborted.catch(() => undefined)
  const stream = { fail: (_reason: unknown): void => undefined }
  const onAbort = (): void => {
    notify('fetch/abort', { fetchId })
    stream.fail(signal.reason)
    reject(signal.reason)
  }
  signal.addEventListener('abort', onAbort)
  const asked = askHost('fetch', JSON.stringify(args), bytes)
  // What cannot be sent is told by the answer.
  if (body?.stream !== undefined) void sendBody(fetchId, body.stream, signal).catch(() => undefined)
  asked.catch(() => undefined)
  const { text } = await Promise.race([asked, aborted])
  const head = JSON.parse(text) as HostResponse
  const source = head.hasBody
    ? openByteSource(fetchId, (fail) => {
        stream.fail = fail
      })
    : null
  return new Response(source, {
    status: head.status,
    statusText: head.statusText,
    headers: head.headers,
    [responseOrigin]: {
      type: 'basic',
      status: head.status,
      url: head.url,
      isRedirected: head.isRedirected,
    },
  })
}

export function installFetch(): void {
  reflectDefineProperty(fetch, 'length', { value: 1, configurable: true })
  defineFunction('fetch', fetch)
}
