/**
 * HTTP on node:http for everything that is not on a deployment's hot path: routing, bounded bodies, JSON, CORS, errors
 * to answers, a server that ends gracefully, and the binding of an OpenAPI document to handlers. Knows no operation.
 */
/** `readBody(request, maxBytes)` decodes br, gzip, deflate; `parseJsonBody(contentType, bytes)` throws `BadJsonBody`. */
export { parseJsonBody, readBody } from './body.ts'
/** `bindContract({document, router, handlers, authenticate, validateResponses})`; `loadContract(fileUrl)`; `createSchemaCheck(document)` for tests. */
export {
  bindContract,
  createSchemaCheck,
  loadContract,
  type ContractBinding,
  type ContractDocument,
  type ContractOperation,
  type ContractParameter,
  type OperationCall,
  type OperationHandler,
} from './contract.ts'
/** `applyCors(request, response, {allowCredentials})`: true = it was a preflight and is answered. */
export { applyCors } from './cors.ts'
export { httpLimits } from './limits.ts'
/** Answers: `jsonReply(value, {status, headers})`, `emptyReply(status)`, `textReply(text)`; `errorReply(error, {log, requestId})` is the one place that words errors; `sendReply(response, reply)`. */
export { emptyReply, errorReply, jsonReply, sendReply, textReply, type HttpReply, type ReplyBody } from './reply.ts'
/** `router.add('POST', '/a/{id}', handler)`; `{rest*}` as last segment takes the rest; `//` is tolerated. */
export { Router, type RouteMatch } from './router.ts'
/** `serveRoutes({router, log, maxBodyBytes, headers, cors})` makes the node:http handler of a router. */
export { serveRoutes, type HttpRequest, type NodeHandler, type RouteHandler, type RoutesOptions } from './routes.ts'
/** `startServer({port, host, handler, onUpgrade, drainMs})` → `{port, url, close()}`. */
export { startServer, type RunningServer, type ServerOptions, type UpgradeHandler } from './server.ts'
