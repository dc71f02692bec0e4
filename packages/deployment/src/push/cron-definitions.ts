/** The cron jobs of a push: what `crons.ts` exports, checked against the functions it is pushed with. */
import { PlatformError } from '@concave/base'
import { canonicalFunctionPath, type FunctionPath, parseFunctionPath } from '@concave/protocol'
import type { AnalyzedModule } from '@concave/runtime'
import { decodeValue, encodeValue, isValueObject, parseJson, sizeOf, stringifyValue } from '@concave/values'
import { z } from 'zod'
import type { CronDefinition } from '../scheduler/cron-jobs.ts'
import { CronSyntaxError } from '../scheduler/cron-pattern.ts'
import { type CronSchedule, parseSchedule } from '../scheduler/cron-schedule.ts'
import { schedulerLimits } from '../scheduler/scheduler-limits.ts'
import { pushError } from './push-request.ts'

const cronsModule = 'crons.js'
const exportedSchema = z.record(
  z.string(),
  z.object({ name: z.string(), args: z.tuple([z.unknown()]), schedule: z.unknown() }),
)
type Exported = z.infer<typeof exportedSchema>[string]

/** Throws the push's error naming the first job that cannot be. */
export function readCronDefinitions(modules: ReadonlyMap<string, AnalyzedModule>): readonly CronDefinition[] {
  const exported = exportedSchema.safeParse(parseJson(modules.get(cronsModule)?.cronsText ?? '{}'))
  if (!exported.success) {
    throw pushError('InvalidCronJobs', `${cronsModule} does not export cron jobs as \`cronJobs()\` makes them.`)
  }
  return Object.entries(exported.data).map(([name, job]) => readDefinition(name, job, modules))
}

/** The jobs as the answer of `start_push` shows them. */
export function showCronSpecs(definitions: readonly CronDefinition[]): unknown {
  return definitions.map(({ name, path, args, schedule }) => ({
    identifier: name,
    spec: {
      udfPath: canonicalFunctionPath(path),
      udfArgs: encodeValue(new TextEncoder().encode(`[${args}]`)),
      cronSchedule: showSchedule(schedule),
    },
  }))
}

/** Where the jobs of a push stand. */
export function definesCrons(modulePath: string): boolean {
  return modulePath === cronsModule
}

function readDefinition(name: string, job: Exported, modules: ReadonlyMap<string, AnalyzedModule>): CronDefinition {
  if (!/^[ -~]*$/.test(name)) throw refused(name, 'its name may hold printable ASCII characters only')
  const path = parseFunctionPath(job.name)
  checkTarget(name, path, modules)
  return { name, path, args: readArguments(name, job.args[0]), schedule: readSchedule(name, job.schedule) }
}

function checkTarget(name: string, path: FunctionPath, modules: ReadonlyMap<string, AnalyzedModule>): void {
  const target = modules.get(path.module)?.functions.find((found) => found.name === path.name)
  const shown = canonicalFunctionPath(path)
  if (target === undefined) throw refused(name, `it runs ${shown}, which does not exist`)
  if (target.udfType === 'Query') throw refused(name, `it runs ${shown}, which is a query and changes nothing`)
}

function readArguments(name: string, json: unknown): string {
  try {
    const args = decodeValue(json)
    const size = sizeOf(args)
    if (!isValueObject(args)) throw refused(name, 'its arguments are no object')
    if (size > schedulerLimits.maxCronArgumentsBytes) throw refused(name, 'its arguments are larger than 1 MiB')
    return stringifyValue(args)
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code === invalidCode) throw error
    throw refused(name, `its arguments are no Convex value: ${error.message}`)
  }
}

function readSchedule(name: string, json: unknown): CronSchedule {
  try {
    return parseSchedule(json)
  } catch (error) {
    if (!(error instanceof CronSyntaxError)) throw error
    throw refused(name, `its schedule ${error.message}`)
  }
}

const invalidCode = 'InvalidCronJobs'

function refused(name: string, reason: string): PlatformError {
  return pushError(invalidCode, `The cron job "${name}" in convex/crons cannot be: ${reason}`)
}

function showSchedule(schedule: CronSchedule): unknown {
  return Object.fromEntries(
    Object.entries(schedule).map(([field, value]) => [field, typeof value === 'bigint' ? encodeValue(value) : value]),
  )
}
