/** Stands between a client and a deployment and keeps the bodies of the requests that pass. HTTP only, no WebSockets. */
import { createServer, type IncomingHttpHeaders, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliDecompressSync } from 'node:zlib'

export type RecordedRequest = { readonly path: string; readonly body: string }

export type RecordingProxy = AsyncDisposable & { readonly url: string; readonly requests: readonly RecordedRequest[] }

export async function openRecordingProxy(targetUrl: string): Promise<RecordingProxy> {
  const target = new URL(targetUrl)
  const requests: RecordedRequest[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const { url: path = '/', method, headers } = request
      requests.push({ path, body: decode(body, headers) })
      const onward = forward({ host: target.hostname, port: target.port, path, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', (error) => response.destroy(error))
      response.on('close', () => onward.destroy())
      onward.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function decode(body: Buffer, headers: IncomingHttpHeaders): string {
  return (headers['content-encoding'] === 'br' ? brotliDecompressSync(body) : body).toString('utf8')
}

export type PushedModule = { readonly path: string; readonly source: string }

type PushBody = {
  readonly appDefinition: {
    readonly changedModules: readonly PushedModule[]
    readonly unchangedModuleHashes: readonly { readonly path: string }[]
  }
}

/** The modules of the last push that were sent in full. */
export function findPushedModules(requests: readonly RecordedRequest[]): readonly PushedModule[] {
  return findPush(requests).changedModules
}

/** Paths of the modules of the last push that were sent by hash. */
export function findModulesSentByHash(requests: readonly RecordedRequest[]): readonly string[] {
  return findPush(requests).unchangedModuleHashes.map(({ path }) => path)
}

function findPush(requests: readonly RecordedRequest[]): PushBody['appDefinition'] {
  const push = requests.findLast(({ path }) => path === '/api/deploy2/start_push')
  if (push === undefined) throw new Error('Nothing has been pushed through this proxy.')
  return (JSON.parse(push.body) as PushBody).appDefinition
}
