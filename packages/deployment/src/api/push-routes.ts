/** The deploy protocol (cli-protocol.md §3.2). Keys may come in the body; bodies may be compressed. */
import { BadRequest } from '@concave/base'
import { type HttpRequest, jsonReply, type RouteHandler, type Router } from '@concave/http'
import { z } from 'zod'
import { type Access, requireAction } from '../access.ts'
import { deploymentLimits } from '../limits.ts'
import { pushRequestSchema } from '../push/push-request.ts'
import type { PushService } from '../push/push-service.ts'
import { checkBody } from './read-json.ts'

const adminKeySchema = z.object({ adminKey: z.string().optional() })
const schemaChangeSchema = z.object({ schemaIds: z.record(z.string(), z.string().nullable()) })
const waitSchema = adminKeySchema.extend({
  schemaChange: schemaChangeSchema,
  timeoutMs: z.number().int().min(0).max(60_000).default(10_000),
})
const finishSchema = adminKeySchema.extend({
  startPush: z.looseObject({ concavePushId: z.string(), environmentVariables: z.record(z.string(), z.string()) }),
  dryRun: z.boolean().default(false),
  message: z.string().nullish(),
})

export function addPushRoutes(
  router: Router<RouteHandler>,
  deps: { readonly access: Access; readonly pushes: PushService; readonly onDeployed?: (() => void) | undefined },
): void {
  const { access, pushes } = deps

  /** The body, once its sender has shown a key that may deploy: nobody else learns what the body should be. */
  const open = async <Schema extends z.ZodType<{ adminKey?: string | undefined }>>(
    request: HttpRequest,
    schema: Schema,
  ): Promise<z.infer<Schema>> => {
    const { authorization } = request.headers
    if (authorization !== undefined) await access.requireAdmin(authorization)
    // Who shows a key only in the body has not shown one yet.
    const maxBytes = authorization === undefined ? deploymentLimits.maxCallBodyBytes : deploymentLimits.maxPushBytes
    const json = await request.json({ maxBytes })
    const { adminKey } = checkBody(json, adminKeySchema)
    const identity = await access.requireAdmin(authorization, adminKey)
    requireAction(identity, 'deployment:deploy')
    return checkBody(json, schema)
  }

  router.add('POST', '/api/get_config_hashes', async (request) => {
    await open(request, adminKeySchema)
    return jsonReply(await pushes.configHashes())
  })
  router.add('POST', '/api/deploy2/evaluate_push', async (request) =>
    jsonReply(await pushes.evaluate(await open(request, pushRequestSchema))),
  )
  router.add('POST', '/api/deploy2/evaluate_schema', async (request) =>
    jsonReply(await pushes.evaluateSchema(await open(request, pushRequestSchema))),
  )
  router.add('POST', '/api/deploy2/start_push', async (request) =>
    jsonReply(await pushes.start(await open(request, pushRequestSchema))),
  )
  router.add('POST', '/api/deploy2/wait_for_schema', async (request) => {
    const { schemaChange, timeoutMs } = await open(request, waitSchema)
    if (schemaChange.schemaIds[''] === undefined) {
      throw new BadRequest('BadJsonBody', 'schemaChange does not come from start_push: it names no schema of the app.')
    }
    return jsonReply(await pushes.waitForSchema(schemaChange.schemaIds, timeoutMs))
  })
  router.add('POST', '/api/deploy2/finish_push', async (request) => {
    const { startPush, dryRun, message } = await open(request, finishSchema)
    const finished = await pushes.finish(startPush.concavePushId, { isDryRun: dryRun, message: message ?? null })
    if (!dryRun) deps.onDeployed?.()
    return jsonReply(finished)
  })
  router.add('POST', '/api/deploy2/report_push_completed', async (request) => {
    await open(request, adminKeySchema)
    return jsonReply(null)
  })
}
