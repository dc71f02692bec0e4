/** Documents that the app's own HTTP actions publish, as a provider of its users' tokens may: read within this process. */
import { noClient } from '@concave/protocol'
import type { HttpActionHead } from '@concave/runtime'
import { DocumentUnavailable, type FetchDiscovery } from '../auth/fetch-document.ts'
import { authLimits } from '../auth/limits.ts'
import type { HttpActionService } from '../functions/http-action-service.ts'

/** `httpActions` comes into being after what asks for documents. */
export function openOwnSite(httpActions: () => HttpActionService): FetchDiscovery {
  return async (url) => {
    const { pathname } = new URL(url)
    const chunks: Uint8Array[] = []
    let head: HttpActionHead | undefined
    let size = 0
    const end = await httpActions().serve({
      request: { method: 'GET', url, headerPairs: [['accept', 'application/json']] },
      path: pathname,
      authorization: undefined,
      client: noClient,
      exchange: {
        requestBody: undefined,
        signal: AbortSignal.timeout(authLimits.fetchTimeoutMs),
        respond: (given) => void (head = given),
        responseBody: {
          write: async (bytes) => {
            size += bytes.byteLength
            if (size > authLimits.maxDocumentBytes) throw new Error('The document is too large.')
            chunks.push(bytes)
          },
          end: async () => undefined,
          abort: () => undefined,
        },
      },
      status: () => head?.status,
    })
    if (end.kind === 'notFound') return { status: 404, contentType: 'text/plain', text: end.text }
    if (end.kind === 'failed' || head === undefined)
      throw new DocumentUnavailable('the HTTP action that serves it failed')
    const contentType = head.headerPairs.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? ''
    return { status: head.status, contentType, text: Buffer.concat(chunks).toString('utf8') }
  }
}
