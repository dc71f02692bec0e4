/** Routes that say who answers: health checks, network test (sync-and-http.md §2.5). */
import { type RouteHandler, type Router, textReply } from '@concave/http'

const maxEchoBytes = 128 * 1_048_576

export function addServiceRoutes(
  router: Router<RouteHandler>,
  deps: { readonly deploymentName: string; readonly version: string },
): void {
  router.add('GET', '/', () => textReply(`This is the Concave deployment ${deps.deploymentName}.\n`))
  router.add('GET', '/version', () => textReply(deps.version))
  router.add('GET', '/instance_version', () => textReply(deps.version))
  router.add('GET', '/instance_name', () => textReply(deps.deploymentName))
  router.add('POST', '/echo', async (request) => ({
    status: 200,
    body: { kind: 'bytes', bytes: await request.bytes(maxEchoBytes), contentType: 'application/octet-stream' },
  }))
}
