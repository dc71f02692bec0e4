/**
 * What a deployment promises, as documents; and operations of the published deployment API that it does not have yet, so
 * that a client learns the reason. 400, since clients repeat what is answered with 404 for half a minute.
 */
import { readFileSync } from 'node:fs'
import { BadRequest } from '@concave/base'
import { type HttpReply, type RouteHandler, type Router } from '@concave/http'

const folder = new URL('../../../../contracts/', import.meta.url)

const documents = [
  ['/api/v1/openapi.json', 'deployment.openapi.json'],
  ['/api/function_logs_openapi.json', 'function-logs.openapi.json'],
] as const

/** A line leaves this list when its operation is there. */
const notImplemented = [
  ['GET', 'list_audit_log_events'],
  ['GET', 'get_current_usage'],
  ['GET', 'list_usage_limits'],
  ['POST', 'create_usage_limit'],
  ['POST', 'update_usage_limit/{id}'],
  ['POST', 'delete_usage_limit/{id}'],
  ['POST', 'update_canonical_url'],
  ['GET', 'list_log_streams'],
  ['GET', 'get_log_stream/{id}'],
  ['POST', 'create_log_stream'],
  ['POST', 'update_log_stream/{id}'],
  ['POST', 'delete_log_stream/{id}'],
  ['POST', 'rotate_webhook_secret/{id}'],
  ['POST', 'pause_deployment'],
  ['POST', 'unpause_deployment'],
  ['POST', 'data/sync'],
  ['GET', 'data/list_active_syncs'],
] as const

export function addContractRoutes(router: Router<RouteHandler>): void {
  for (const [path, file] of documents) router.add('GET', path, () => readDocument(file))
  for (const [method, path] of notImplemented) {
    router.add(method, `/api/v1/${path}`, () => {
      throw new BadRequest('FeatureNotAvailable', `The operation "${path}" is not available on this server yet.`)
    })
  }
}

/** Asked for seldom: read when it is. */
function readDocument(file: string): HttpReply {
  const bytes = readFileSync(new URL(file, folder))
  return { status: 200, body: { kind: 'bytes', bytes, contentType: 'application/json' } }
}
