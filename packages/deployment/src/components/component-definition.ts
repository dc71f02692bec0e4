/** What `convex.config.ts` of an app or a component says: `default.export()` (function-runtime.md §1.10). */
import { z } from 'zod'

const environmentBindingSchema = z.union([
  z.object({ type: z.literal('value'), value: z.string() }),
  z.object({ type: z.literal('envVar'), name: z.string() }),
])

/** Fields that are not looked at travel on as they came. */
export const componentDefinitionSchema = z.looseObject({
  /** Of a component: the name that it is mounted under unless `use` says another. */
  name: z.string().optional(),
  definitionType: z.looseObject({ type: z.enum(['app', 'childComponent']) }),
  childComponents: z.array(
    z.looseObject({
      name: z.string(),
      /** Definition path of what is mounted. */
      path: z.string(),
      env: z.array(z.tuple([z.string(), environmentBindingSchema])).nullish(),
    }),
  ),
  /** Path prefix to `_reference/childComponent/{name}`. */
  httpMounts: z.record(z.string(), z.string()),
  httpPrefix: z.string().nullish(),
  /** Declared environment variables; `value` is the JSON text of a validator. */
  envVars: z
    .array(
      z.tuple([
        z.string(),
        z.looseObject({ type: z.literal('value'), value: z.string(), optional: z.boolean().optional() }),
      ]),
    )
    .nullish(),
})

export type ComponentDefinition = z.infer<typeof componentDefinitionSchema>

/** Of an app that was pushed without `convex.config.js`. */
export const emptyAppDefinition: ComponentDefinition = {
  definitionType: { type: 'app' },
  childComponents: [],
  httpMounts: {},
  exports: { type: 'branch', branch: [] },
}
