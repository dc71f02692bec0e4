/** The control plane's routes: the Management API under `/v1`, the command line's API under `/api`. */
import { Forbidden, Unauthenticated, type Log } from '@concave/base'
import {
  bindContract,
  jsonReply,
  loadContract,
  Router,
  serveRoutes,
  type HttpRequest,
  type NodeHandler,
  type RouteHandler,
} from '@concave/http'
import { describeCliRoutes } from './cli-document.ts'
import { cliRoutes } from './cli-routes.ts'
import { featureNotAvailable } from './feature-not-available.ts'
import { notImplemented } from './not-implemented.ts'
import { operations } from './operations.ts'
import { schemeOf, type Principal } from './principal.ts'
import type { Services } from './services.ts'

const contractFile = new URL('../../../contracts/management.openapi.json', import.meta.url)

export function createRoutes(
  services: Services,
  options: { readonly log: Log; readonly validateResponses: boolean },
): NodeHandler {
  const router = new Router<RouteHandler>()
  const document = loadContract(contractFile)
  bindContract<Principal>({
    document,
    router,
    handlers: Object.fromEntries(operations.map(({ id, run }) => [id, async (call) => await run(services, call)])),
    authenticate: async (request, schemes) => await authenticate(services, request, schemes),
    validateResponses: options.validateResponses,
  })
  router.add('GET', '/v1/openapi.json', () => jsonReply(document))
  // The command line asks this for news before a push; we have none.
  router.add('GET', '/v1/version', () => jsonReply({ message: null }))
  for (const { method, path, id } of notImplemented) {
    router.add(method, `/v1${path}`, () => {
      throw featureNotAvailable(`The operation "${id}"`)
    })
  }
  // Asked by `login --vercel`, at the root: no team waits there.
  router.add('GET', '/vercel/potential_teams', () => jsonReply([]))
  router.add('GET', '/api/openapi.json', () => jsonReply(describeCliRoutes(cliRoutes)))
  for (const { method, path, open } of cliRoutes) {
    router.add(
      method,
      `/api${path}`,
      open(services, async (request) => await authenticate(services, request)),
    )
  }
  return serveRoutes({
    router,
    log: options.log,
    cors: { allowCredentials: false },
    // Answers carry secrets.
    headers: { 'Cache-Control': 'no-store' },
  })
}

/** `schemes`: the kinds of credential that will do; without it any kind. Throws 401 or 403. */
async function authenticate(
  { accessTokens }: Services,
  request: HttpRequest,
  schemes?: readonly string[],
): Promise<Principal> {
  const presented = /^bearer +(?<token>\S.*)$/i.exec(request.headers.authorization ?? '')?.groups?.['token']
  if (presented === undefined) {
    throw new Unauthenticated(
      'AccessTokenInvalid',
      'The access token could not be decoded: send it as `Authorization: Bearer <token>`.',
    )
  }
  const principal = await accessTokens.authenticate(presented.trim())
  const scheme = schemeOf[principal.kind]
  if (schemes === undefined || schemes.includes(scheme)) return principal
  throw new Forbidden(
    'AccessTokenForbidden',
    `A credential of the kind "${scheme}" cannot do this; it takes one of: ${schemes.join(', ')}.`,
  )
}
