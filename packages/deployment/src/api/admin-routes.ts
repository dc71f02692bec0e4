/** Routes that need an admin key: keys, URLs, environment variables, logs (sync-and-http.md §5.3, §5.4). */
import { BadRequest, Forbidden, Unauthenticated } from '@concave/base'
import type { Database } from '@concave/database'
import { emptyReply, type HttpRequest, jsonReply, type RouteHandler, type Router } from '@concave/http'
import { type DeploymentAction, deploymentActions, isAllowed, operationOf, sessionRequestId } from '@concave/protocol'
import { z } from 'zod'
import { type Access, type AdminIdentity, requireAction } from '../access.ts'
import type { AuthConfiguration } from '../auth/auth-configuration.ts'
import { changeEnvironmentVariables } from '../environment/environment-variables.ts'
import { deploymentLimits } from '../limits.ts'
import type { FunctionLog } from '../logs/function-log.ts'
import { environmentVariables } from '../records.ts'
import { readJson } from './read-json.ts'

const changesSchema = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullish() })),
})

/** What the control plane knows of a deployment. */
export type DeploymentInfo = {
  readonly id: number
  readonly teamId: number
  readonly projectId: number
  readonly projectName: string
  readonly projectSlug: string
  readonly deploymentType: string
  readonly reference: string
}

export function addAdminRoutes(
  router: Router<RouteHandler>,
  deps: {
    readonly access: Access
    readonly database: Database
    readonly functionLog: FunctionLog
    readonly authConfiguration: AuthConfiguration
    readonly url: string
    readonly siteUrl: string
    /** Absent where there is no control plane. */
    readonly describe?: (() => Promise<DeploymentInfo>) | undefined
  },
): void {
  const { access, database } = deps
  const admin = async (request: HttpRequest, action?: DeploymentAction): Promise<AdminIdentity> => {
    const identity = await access.requireAdmin(request.headers.authorization)
    if (action !== undefined) requireAction(identity, action)
    return identity
  }

  router.add('GET', '/api/check_admin_key', async (request) => {
    const { isReadOnly, allowedActions } = await admin(request)
    const allowed = deploymentActions.filter((action) => isAllowed(allowedActions, action))
    // No operations at all means every one.
    return jsonReply({
      success: true,
      allowedOps: allowedActions === 'all' ? [] : allowed.map(operationOf),
      isReadOnly,
    })
  })
  router.add('GET', '/api/v1/get_canonical_urls', async (request) => {
    await admin(request)
    return jsonReply({ convexCloudUrl: deps.url, convexSiteUrl: deps.siteUrl })
  })
  router.add('GET', '/api/v1/deployment_info', async (request) => {
    await admin(request, 'deployment:data:view')
    const info = await deps.describe?.()
    return jsonReply(info === undefined ? { kind: 'selfHosted' } : { kind: 'cloud', ...info })
  })
  for (const prefix of ['/api', '/api/v1']) {
    router.add('POST', `${prefix}/update_environment_variables`, async (request) => {
      await admin(request, 'deployment:env:write')
      const { changes } = await readJson(request, changesSchema, deploymentLimits.maxCallBodyBytes)
      await changeEnvironmentVariables(database, changes, (tx) => deps.authConfiguration.reevaluate(tx))
      return emptyReply()
    })
    router.add('GET', `${prefix}/list_environment_variables`, async (request) => {
      await admin(request, 'deployment:env:view')
      const { value: rows } = await database.read((tx) => environmentVariables.byIndex(tx, 'by_name', []))
      return jsonReply({ environmentVariables: Object.fromEntries(rows.map(({ name, value }) => [name, value])) })
    })
  }
  for (const path of ['/api/stream_function_logs', '/api/app_metrics/stream_function_logs']) {
    router.add('GET', path, async (request) => {
      await finalRefusal(admin(request, 'deployment:logs:view'))
      const page = await deps.functionLog.poll({
        cursor: readCursor(request),
        requestId: readRequestFilter(request),
        structured: isStructuredLogClient(request),
        timeoutMs: deploymentLimits.logPollMs,
        signal: request.signal,
      })
      return jsonReply(page)
    })
  }
}

/** The CLI polls for ever unless it hears 403: here that is the answer to every key that is not taken. */
async function finalRefusal<T>(checking: Promise<T>): Promise<T> {
  try {
    return await checking
  } catch (error) {
    if (!(error instanceof Unauthenticated)) throw error
    throw new Forbidden(error.code, error.message, { cause: error })
  }
}

function readCursor(request: HttpRequest): number {
  const cursor = Number(request.query.get('cursor') ?? '0')
  if (Number.isFinite(cursor) && cursor >= 0) return cursor
  throw new BadRequest('BadQueryArgs', 'The URL parameter "cursor" must be a number.')
}

/** `sessionId` and `clientRequestCounter` name one request of the sync protocol. */
function readRequestFilter(request: HttpRequest): string | undefined {
  const sessionId = request.query.get('sessionId')
  const counter = request.query.get('clientRequestCounter')
  if (sessionId === null || counter === null) return undefined
  return sessionRequestId(sessionId, counter)
}

function isStructuredLogClient(request: HttpRequest): boolean {
  const client = request.headers['convex-client']
  return typeof client === 'string' && /^(npm-cli|dashboard)-/.test(client)
}
