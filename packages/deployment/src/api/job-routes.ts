/** Cancellation of scheduled functions by admins (sync-and-http.md §5.5). */
import { BadRequest, type Clock } from '@concave/base'
import type { Database } from '@concave/database'
import { emptyReply, type HttpRequest, type RouteHandler, type Router } from '@concave/http'
import { canonicalFunctionPath, parseFunctionPath } from '@concave/protocol'
import { z } from 'zod'
import { type Access, requireAction } from '../access.ts'
import { FunctionError } from '../functions/function-error.ts'
import { deploymentLimits } from '../limits.ts'
import { auditLog } from '../records.ts'
import { cancelJobs, deleteJobs } from '../scheduler/job-batches.ts'
import { cancelJob } from '../scheduler/scheduled-jobs.ts'
import { readJson } from './read-json.ts'

/** Nanoseconds: a number, or its digits where a number would lose some. */
const timestamp = z
  .union([z.int().min(0), z.string().regex(/^\d{1,19}$/)])
  .transform((ts) => BigInt(ts))
  .nullish()
const componentSchema = z.object({ componentId: z.string().nullish() })
const cancelSchema = componentSchema.extend({ id: z.string() })
const cancelAllSchema = componentSchema.extend({
  componentPath: z.string().nullish(),
  udfPath: z.string().nullish(),
  startNextTs: timestamp,
  endNextTs: timestamp,
})

export function addJobRoutes(
  router: Router<RouteHandler>,
  deps: { readonly access: Access; readonly database: Database; readonly clock: Clock },
): void {
  const { access, database, clock } = deps

  const open = async <Schema extends z.ZodType<z.infer<typeof componentSchema>>>(
    request: HttpRequest,
    schema: Schema,
  ): Promise<z.infer<Schema>> => {
    requireAction(await access.requireAdmin(request.headers.authorization), 'deployment:data:write')
    const body = await readJson(request, schema, deploymentLimits.maxCallBodyBytes)
    if (typeof body.componentId === 'string') {
      throw new BadRequest('ComponentNotFound', `There is no component with the id ${body.componentId}.`)
    }
    return body
  }
  const record = async (action: string, metadata: object): Promise<void> => {
    await database.mutate(`system:${action}`, async (tx) => {
      await auditLog.insert(tx, { action, member_id: null, metadata: JSON.stringify(metadata) })
    })
  }

  router.add('POST', '/api/cancel_job', async (request) => {
    const { id } = await open(request, cancelSchema)
    await database.mutate('system:cancelJob', async (tx) => {
      try {
        await cancelJob(tx, id, clock.nowMs())
      } catch (error) {
        if (!(error instanceof FunctionError)) throw error
        throw new BadRequest('InvalidArgument', error.message, { cause: error })
      }
    })
    return emptyReply()
  })
  router.add('POST', '/api/cancel_all_jobs', async (request) => {
    const { udfPath, startNextTs, endNextTs } = await open(request, cancelAllSchema)
    const filter = {
      udfPath: typeof udfPath === 'string' ? canonicalFunctionPath(parseFunctionPath(udfPath)) : undefined,
      startTs: startNextTs ?? undefined,
      endTs: endNextTs ?? undefined,
    }
    await cancelJobs({ database, clock }, filter)
    await record('cancel_all_scheduled_functions', { udfPath: filter.udfPath ?? null })
    return emptyReply()
  })
  router.add('POST', '/api/delete_scheduled_functions_table', async (request) => {
    await open(request, componentSchema)
    await deleteJobs(database)
    await record('delete_scheduled_jobs_table', {})
    return emptyReply()
  })
}
