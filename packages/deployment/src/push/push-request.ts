/** The body of `start_push`, `evaluate_push` and `evaluate_schema` (cli-protocol.md §3.4), and what this server can't serve yet. */
import { BadRequest } from '@concave/base'
import type { NodeRequirements } from '@concave/runtime'
import { z } from 'zod'

const moduleSchema = z.object({
  path: z.string(),
  source: z.string(),
  sourceMap: z.string().nullish(),
  environment: z.enum(['isolate', 'node']),
})

const componentDefinitionSchema = z.object({
  /** Folder of the definition, relative to the functions folder. */
  definitionPath: z.string(),
  definition: moduleSchema,
  dependencies: z.array(z.string()),
  schema: moduleSchema.nullable(),
  /** Always complete. */
  functions: z.array(moduleSchema),
  udfServerVersion: z.string(),
})

export const pushRequestSchema = z.object({
  adminKey: z.string().optional(),
  dryRun: z.boolean().default(false),
  functions: z.string(),
  appDefinition: z.object({
    definition: moduleSchema.nullable(),
    dependencies: z.array(z.string()),
    schema: moduleSchema.nullable(),
    changedModules: z.array(moduleSchema),
    unchangedModuleHashes: z
      .array(z.object({ path: z.string(), environment: z.enum(['isolate', 'node']), sha256: z.string() }))
      .default([]),
    udfServerVersion: z.string(),
  }),
  componentDefinitions: z.array(componentDefinitionSchema).default([]),
  nodeDependencies: z.array(z.object({ name: z.string(), version: z.string() })).default([]),
  nodeVersion: z.string().nullish(),
  forCodegen: z.boolean().default(false),
})

export type PushRequest = z.infer<typeof pushRequestSchema>
export type PushedModule = z.infer<typeof moduleSchema>
export type PushedComponent = z.infer<typeof componentDefinitionSchema>

/** Prefix of every message of the push routes, as clients print them. */
export const pushErrorPrefix = 'Hit an error while pushing:\n'

/** A push that cannot go live; the CLI prints `code: message` and the old code stays. */
export function pushError(code: string, message: string, options?: ErrorOptions): BadRequest {
  return new BadRequest(code, `${pushErrorPrefix}${message}`, options)
}

/** Refuses, by name, what a push needs and this server does not have. Nothing is ever half served. */
export function refuseUnsupported(request: PushRequest): void {
  for (const { definitionPath, functions } of request.componentDefinitions) {
    const nodeModule = functions.find(({ environment }) => environment === 'node')
    if (nodeModule === undefined) continue
    throw pushError(
      'NodeActionsNotSupported',
      `The module ${nodeModule.path} of the component "${definitionPath}" says "use node", which is not available in components.`,
    )
  }
}

/** What the push's Node actions need, in one order however it was sent. */
export function readNodeRequirements({ nodeVersion, nodeDependencies }: PushRequest): NodeRequirements {
  const packages = nodeDependencies.map(({ name, version }) => ({ name, version }))
  return {
    nodeVersion: nodeVersion ?? undefined,
    packages: packages.sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}
