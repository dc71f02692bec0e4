/** Function calls over HTTP (sync-and-http.md §2.1). Errors of functions are answers with status 200. */
import { BadRequest, bytesToHex, Forbidden, systemRandom } from '@concave/base'
import { type HttpReply, type HttpRequest, type RouteHandler, type Router } from '@concave/http'
import { decodeTs, encodeTs, type Identity, parseFunctionPath, readRequestClient } from '@concave/protocol'
import type { CallOutcome, FunctionCall } from '@concave/sync'
import { parseValue, stringifyExport, toCleanJson } from '@concave/values'
import { z } from 'zod'
import { type Access, requireAction, requireWrite } from '../access.ts'
import type { CallPermissions } from '../call-permissions.ts'
import type { FunctionService } from '../functions/function-service.ts'
import { deploymentLimits } from '../limits.ts'
import { readJson } from './read-json.ts'

type Format = 'json' | 'convex_encoded_json' | 'export_json'

const formats: Readonly<Record<string, Format>> = {
  json: 'json',
  convex_clean_json: 'json',
  convex_encoded_json: 'convex_encoded_json',
  convex_json: 'convex_encoded_json',
  export_json: 'export_json',
}

const callSchema = z.object({
  path: z.string(),
  args: z.unknown(),
  format: z.string().nullish(),
  componentPath: z.string().nullish(),
})
type CallBody = z.infer<typeof callSchema>

const callAtTsSchema = callSchema.extend({ ts: z.string() })
const batchSchema = z.object({ queries: z.array(callSchema) })
const oneOffSchema = z.object({
  adminKey: z.string().optional(),
  bundle: z.object({ source: z.string() }),
  args: z.unknown(),
  format: z.string().nullish(),
  componentId: z.string().nullish(),
})
const runSchema = z.object({ args: z.unknown(), format: z.string().nullish() })

const maxBytes = deploymentLimits.maxCallBodyBytes

type Deps = { readonly functions: FunctionService; readonly access: Access; readonly permissions: CallPermissions }

export function addFunctionRoutes(router: Router<RouteHandler>, deps: Deps): void {
  const { functions, access, permissions } = deps

  const open = async (request: HttpRequest, body: CallBody): Promise<{ call: FunctionCall; format: Format }> => {
    const format = readFormat(body.format, request)
    const identity = await identityOf(request, access)
    const call = toCall(body, identity, request)
    await permissions.check(call)
    return { call, format }
  }

  router.add('POST', '/api/query', async (request) => {
    const { call, format } = await open(request, await readJson(request, callSchema, maxBytes))
    return reply(await functions.query(call, functions.latestTs()), format)
  })
  router.add('GET', '/api/query', async (request) => {
    const { call, format } = await open(request, readQueryParameters(request))
    return reply(await functions.query(call, functions.latestTs()), format)
  })
  router.add('POST', '/api/query_ts', () => textJson(JSON.stringify({ ts: encodeTs(functions.latestTs()) })))
  router.add('POST', '/api/query_at_ts', async (request) => {
    const body = await readJson(request, callAtTsSchema, maxBytes)
    const { call, format } = await open(request, body)
    const ts = decodeTs(body.ts)
    if (ts === undefined || ts > functions.latestTs()) {
      throw new BadRequest('InvalidTimestamp', 'The timestamp is not one that this deployment has given out.')
    }
    return reply(await functions.query(call, ts), format)
  })
  router.add('POST', '/api/query_batch', async (request) => {
    const { queries } = await readJson(request, batchSchema, maxBytes)
    const opened = await Promise.all(queries.map((body) => open(request, body)))
    const ts = functions.latestTs()
    const results = await Promise.all(
      opened.map(async ({ call, format }) => outcomeText(await functions.query(call, ts), format)),
    )
    return textJson(`{"results":[${results.join(',')}]}`)
  })
  router.add('POST', '/api/mutation', async (request) => {
    const { call, format } = await open(request, await readJson(request, callSchema, maxBytes))
    if (call.identity.kind === 'admin') requireWrite(call.identity, 'OperationNotPermitted')
    return reply(await functions.mutation(call), format)
  })
  router.add('POST', '/api/action', async (request) => {
    const { call, format } = await open(request, await readJson(request, callSchema, maxBytes))
    if (call.identity.kind === 'admin') requireWrite(call.identity, 'OperationNotPermitted')
    return reply(await functions.runAction(call, 'HttpApi'), format)
  })
  for (const route of ['/api/function', '/api/run_function']) {
    router.add('POST', route, async (request) => {
      // The key first: an anonymous caller learns nothing about what the body should be.
      const identity = await access.requireAdmin(request.headers.authorization)
      const body = await readJson(request, callSchema, maxBytes)
      const format = readFormat(body.format, request)
      const call = toCall(body, identity, request)
      await permissions.check(call)
      const kind = await functions.kindOf(call)
      if (kind === 'mutation' || kind === 'action') {
        requireWrite(identity, route === '/api/function' ? 'OperationNotPermitted' : 'ReadOnlyAdminKey')
      }
      return reply(await functions.any(call), format)
    })
  }
  router.add('POST', '/api/run_test_function', async (request) => {
    const { authorization } = request.headers
    if (authorization !== undefined) await access.requireAdmin(authorization)
    const body = await readJson(request, oneOffSchema, maxBytes)
    const identity = await access.requireAdmin(authorization, body.adminKey)
    requireAction(identity, 'deployment:functions:runTestQuery')
    const componentPath = await functions.componentPathOf(body.componentId)
    const format = readFormat(body.format, request)
    const call = { componentPath, args: argumentObject(body.args), identity, requestId: requestIdOf(request) }
    return reply(await functions.oneOffQuery(body.bundle.source, call), format)
  })
  router.add('POST', '/api/run/{path*}', async (request) => {
    const segments = (request.params['path'] ?? '').split('/')
    const name = segments.pop()
    if (segments.length === 0 || name === undefined) {
      throw new BadRequest(
        'MissingIdentifier',
        'Call /api/run/{module}/{function}: the path names a module and a function.',
      )
    }
    const body = await readJson(request, runSchema, maxBytes)
    const path = `${segments.join('/')}:${name}`
    const { call, format } = await open(request, { ...body, path })
    return reply(await functions.any(call), format)
  })
}

/** A read-only key may call queries anywhere; the function service refuses its mutations. */
async function identityOf(request: HttpRequest, access: Access): Promise<Identity> {
  return await access.identify(request.headers.authorization)
}

function toCall(body: CallBody, identity: Identity, request: HttpRequest): FunctionCall {
  const componentPath = body.componentPath ?? ''
  if (componentPath !== '' && identity.kind !== 'admin') {
    throw new Forbidden('ComponentAccessDenied', 'Only an admin key may name a component path.')
  }
  return {
    path: parseFunctionPath(body.path),
    componentPath,
    args: argumentObject(body.args),
    identity,
    requestId: requestIdOf(request),
    client: readRequestClient(request),
  }
}

/** An object, or an array of one; clients send both. Anything else is the function's own argument error. */
function argumentObject(args: unknown): unknown {
  if (args === undefined) return {}
  return Array.isArray(args) && args.length === 1 ? args[0] : args
}

function readFormat(format: string | null | undefined, request: HttpRequest): Format {
  if (format === undefined || format === null) return isOldClient(request) ? 'convex_encoded_json' : 'json'
  const known = Object.hasOwn(formats, format) ? formats[format] : undefined
  if (known === undefined) {
    throw new BadRequest('BadFormat', `format param must be one of [\`json\`]. Got ${format}`)
  }
  return known
}

/** Clients that predate the `format` argument expect the wire form. */
function isOldClient(request: HttpRequest): boolean {
  const client = request.headers['convex-client']
  const version = typeof client === 'string' ? /^npm-(\d+)\.(\d+)\.(\d+)/.exec(client) : null
  if (version === null) return false
  const [major = 0, minor = 0, patch = 0] = version.slice(1).map(Number)
  return major < 1 || (major === 1 && (minor < 4 || (minor === 4 && patch <= 1)))
}

export function requestIdOf(request: HttpRequest): string {
  const given = request.headers['convex-request-id']
  return typeof given === 'string' && /^[0-9a-f]{16}$/.test(given) ? given : bytesToHex(systemRandom.bytes(8))
}

function readQueryParameters(request: HttpRequest): CallBody {
  const path = request.query.get('path')
  if (path === null) throw new BadRequest('BadQueryArgs', 'The URL parameter "path" is missing.')
  let args: unknown
  try {
    args = JSON.parse(request.query.get('args') ?? '{}')
  } catch (error) {
    throw new BadRequest('BadQueryArgs', 'The URL parameter "args" is not JSON.', { cause: error })
  }
  return { path, args, format: request.query.get('format') }
}

function reply(outcome: CallOutcome, format: Format): HttpReply {
  return textJson(outcomeText(outcome, format))
}

function outcomeText(outcome: CallOutcome, format: Format): string {
  const logLines = outcome.logLines.length === 0 ? '' : `,"logLines":${JSON.stringify(outcome.logLines)}`
  if (outcome.kind === 'success') {
    return `{"status":"success","value":${renderText(outcome.valueText, format)}${logLines}}`
  }
  const data = outcome.dataText === undefined ? '' : `,"errorData":${renderText(outcome.dataText, format)}`
  return `{"status":"error","errorMessage":${JSON.stringify(outcome.message)}${data}${logLines}}`
}

function renderText(wireText: string, format: Format): string {
  switch (format) {
    case 'convex_encoded_json':
      return wireText
    case 'json':
      return JSON.stringify(toCleanJson(parseValue(wireText)))
    case 'export_json':
      return stringifyExport(parseValue(wireText))
  }
}

function textJson(text: string): HttpReply {
  return { status: 200, body: { kind: 'bytes', bytes: text, contentType: 'application/json' } }
}
