/** The door of HTTP actions: the site's origin, and `/http/…` of the API's. Adds no header of its own (no CORS either). */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '@concave/base'
import { errorReply, jsonReply, type NodeHandler, sendReply, textReply } from '@concave/http'
import { readRequestClient } from '@concave/protocol'
import type { HttpActionService } from '../functions/http-action-service.ts'
import { headerPairsOf, NodeHttpExchange, publicUrl } from './http-exchange.ts'

const apiPrefix = '/http'

/** Whether a request of the API's origin is one for HTTP actions. */
export function isHttpActionTarget(target: string): boolean {
  return target.startsWith(`${apiPrefix}/`)
}

/** `hasPrefix`: of the API's origin, whose prefix routes and handlers do not see. */
export function createSiteHandler(
  deps: { readonly httpActions: HttpActionService; readonly log: Log },
  options: { readonly hasPrefix: boolean },
): NodeHandler {
  const { httpActions, log } = deps
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = (request.url ?? '/').slice(options.hasPrefix ? apiPrefix.length : 0)
    const exchange = new NodeHttpExchange(request, response)
    try {
      const end = await httpActions.serve({
        request: {
          method: request.method ?? 'GET',
          url: publicUrl(request, target),
          headerPairs: headerPairsOf(request),
        },
        path: target.split('?', 1)[0] ?? '/',
        authorization: request.headers.authorization,
        client: readRequestClient({ headers: request.headers, remoteAddress: request.socket.remoteAddress }),
        exchange,
        status: () => exchange.status,
      })
      if (exchange.isCut) log.warn({}, 'HttpResponseTooLarge: HTTP actions support responses up to 20 MiB')
      if (end.kind === 'served') return
      if (exchange.status !== undefined) response.destroy()
      else if (end.kind === 'failed') await sendReply(response, jsonReply(end.body, { status: 500 }))
      else await sendReply(response, textReply(end.text, { status: 404, contentType: 'text/plain' }))
    } catch (error) {
      if (exchange.status !== undefined || response.destroyed) response.destroy()
      else await sendReply(response, errorReply(error, { log, requestId: randomBytes(8).toString('hex') }))
    } finally {
      // What the action did not read of the body is in the way of the connection's next request.
      exchange.requestBody?.cancel()
    }
  }
  return (request, response) => {
    serve(request, response).catch((error: unknown) => {
      log.debug({ err: error }, 'Could not finish an answer.')
      response.destroy()
    })
  }
}
