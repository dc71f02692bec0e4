/**
 * One route of the API that the official command line uses beside the Management API (cli-protocol §2.2). It has no
 * published contract, so each route says what it reads as a schema. Success must be exactly 200, with JSON.
 */
import { BadRequest } from '@concave/base'
import { jsonReply, type HttpRequest, type RouteHandler } from '@concave/http'
import { z } from 'zod'
import type { Principal } from './principal.ts'
import type { Services } from './services.ts'

export type CliRoute = {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly path: string
  /** What it reads; absent for routes without a body. */
  readonly body: z.ZodType | undefined
  /** Where its credential is. */
  readonly credential: 'header' | 'body' | 'none'
  readonly open: (services: Services, authenticate: Authenticate) => RouteHandler
}

export type Authenticate = (request: HttpRequest) => Promise<Principal>

/** Unknown fields are ignored: newer command lines may send some. */
export function cliRoute<Body = undefined>(route: {
  readonly method: CliRoute['method']
  /** Below `/api`. */
  readonly path: string
  readonly body?: z.ZodType<Body>
  readonly run: (
    services: Services,
    input: {
      readonly body: Body
      readonly params: Readonly<Record<string, string>>
      readonly principal: Principal
    },
  ) => Promise<unknown>
}): CliRoute {
  return {
    method: route.method,
    path: route.path,
    body: route.body,
    credential: 'header',
    open: (services, authenticate) => async (request) => {
      const principal = await authenticate(request)
      const body = await readCliBody(request, route.body ?? noBody<Body>())
      return jsonReply(await route.run(services, { body, params: request.params, principal }))
    },
  }
}

/** A route whose credential is a key in the body; any `Authorization` header may be somebody else's and is ignored. */
export function keyRoute(route: {
  readonly path: string
  readonly run: (services: Services, deployKey: string) => Promise<unknown>
}): CliRoute {
  return {
    method: 'POST',
    path: route.path,
    body: keyBody,
    credential: 'body',
    open: (services) => async (request) => {
      const { deployKey } = await readCliBody(request, keyBody)
      return jsonReply(await route.run(services, deployKey))
    },
  }
}

/** A route that needs no credential, or has it in the body. */
export function openRoute<Body = undefined>(route: {
  readonly method: CliRoute['method']
  readonly path: string
  readonly body?: z.ZodType<Body>
  readonly run: (services: Services, body: Body) => Promise<unknown>
}): CliRoute {
  return {
    method: route.method,
    path: route.path,
    body: route.body,
    credential: route.body === undefined ? 'none' : 'body',
    open: (services) => async (request) => {
      const body = await readCliBody(request, route.body ?? noBody<Body>())
      return jsonReply(await route.run(services, body))
    },
  }
}

const keyBody = z.object({ deployKey: z.string() })

/** Which project: by slugs, or the one that owns a deployment. */
export const projectSelection = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('teamAndProjectSlugs'), teamSlug: z.string(), projectSlug: z.string() }),
  z.object({ kind: z.literal('deploymentName'), deploymentName: z.string() }),
])

export type ProjectSelection = z.infer<typeof projectSelection>

function noBody<Body>(): z.ZodType<Body> {
  return z.any()
}

async function readCliBody<Body>(request: HttpRequest, schema: z.ZodType<Body>): Promise<Body> {
  const sent = request.method === 'POST' ? await request.json({ allowEmpty: true }) : undefined
  const parsed = schema.safeParse(sent)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const place =
    issue === undefined || issue.path.length === 0 ? 'Request body' : `Request body \`${issue.path.join('.')}\``
  throw new BadRequest('BadJsonBody', `${place}: ${issue?.message ?? 'not valid'}.`)
}
