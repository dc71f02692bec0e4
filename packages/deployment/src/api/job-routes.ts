/** Cancellation of scheduled functions by admins (sync-and-http.md §5.5). */
import { BadRequest, type Clock } from '@concave/base'
import type { Database, Transaction } from '@concave/database'
import { emptyReply, type HttpRequest, type RouteHandler, type Router } from '@concave/http'
import { canonicalFunctionPath, parseFunctionPath } from '@concave/protocol'
import { z } from 'zod'
import { type Access, requireAction } from '../access.ts'
import { listMounted } from '../components/component-rows.ts'
import { FunctionError } from '../functions/function-error.ts'
import { deploymentLimits } from '../limits.ts'
import { auditLog } from '../records.ts'
import { cancelJobs, deleteJobs, type JobFilter } from '../scheduler/job-batches.ts'
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
    return await readJson(request, schema, deploymentLimits.maxCallBodyBytes)
  }
  const record = async (action: string, metadata: object): Promise<void> => {
    await database.mutate(`system:${action}`, async (tx) => {
      await auditLog.insert(tx, { action, member_id: null, metadata: JSON.stringify(metadata) })
    })
  }

  router.add('POST', '/api/cancel_job', async (request) => {
    const { id, componentId } = await open(request, cancelSchema)
    const { namespace } = await findJobs(database, componentId)
    const cancel = async (tx: Transaction): Promise<void> => {
      try {
        await cancelJob(tx, id, clock.nowMs())
      } catch (error) {
        if (!(error instanceof FunctionError)) throw error
        throw new BadRequest('InvalidArgument', error.message, { cause: error })
      }
    }
    await database.mutate('system:cancelJob', cancel, { namespace })
    return emptyReply()
  })
  router.add('POST', '/api/cancel_all_jobs', async (request) => {
    const body = await open(request, cancelAllSchema)
    const { componentId, componentPath, udfPath, startNextTs, endNextTs } = body
    const filter = {
      ...(await findJobs(database, componentId, componentPath)),
      udfPath: typeof udfPath === 'string' ? canonicalFunctionPath(parseFunctionPath(udfPath)) : undefined,
      startTs: startNextTs ?? undefined,
      endTs: endNextTs ?? undefined,
    }
    await cancelJobs({ database, clock }, filter)
    await record('cancel_all_scheduled_functions', {
      componentId: componentId ?? null,
      udfPath: filter.udfPath ?? null,
    })
    return emptyReply()
  })
  router.add('POST', '/api/delete_scheduled_functions_table', async (request) => {
    const { componentId } = await open(request, componentSchema)
    await deleteJobs(database, (await findJobs(database, componentId)).namespace)
    await record('delete_scheduled_jobs_table', { componentId: componentId ?? null })
    return emptyReply()
  })
}

/** Jobs that a component (the app without an id) has scheduled; with a path, those that run functions of that one. */
async function findJobs(
  database: Database,
  componentId: string | null | undefined,
  targetPath?: string | null,
): Promise<Pick<JobFilter, 'namespace' | 'targetComponentId'>> {
  const { value: mounted } = await database.read(listMounted)
  const namespace = componentId ?? ''
  if (namespace !== '' && !mounted.some(({ _id }) => _id === namespace)) {
    throw new BadRequest('ComponentNotFound', `There is no component with the id ${namespace}.`)
  }
  if (typeof targetPath !== 'string') return { namespace, targetComponentId: undefined }
  const target = targetPath === '' ? '' : mounted.find(({ path }) => path === targetPath)?._id
  if (target !== undefined) return { namespace, targetComponentId: target }
  throw new BadRequest('ComponentNotFound', `There is no component at the path "${targetPath}".`)
}
