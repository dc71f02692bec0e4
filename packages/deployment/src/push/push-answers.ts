/** What the push routes answer, in the forms that the CLI checks (cli-protocol.md §3.5, §3.8). */
import { packageSetId } from '@concave/runtime'
import { exportPublicFunctions, showDefinitionExports } from '../components/component-exports.ts'
import { showComponentTree } from '../components/component-tree.ts'
import type { AuthDiff } from '../auth/auth-configuration.ts'
import type { ComponentSwitch } from './component-switch.ts'
import { definesCrons, showCronSpecs } from './cron-definitions.ts'
import type { ModuleDiff } from './live-code.ts'
import type { EvaluatedDefinition, EvaluatedPush } from './push-evaluation.ts'
import type { SchemaChange } from './schema-change.ts'

export type LiveChange = {
  readonly previousVersion: string | undefined
  readonly nextVersion: string
  readonly authDiff: AuthDiff
  /** By definition path. */
  readonly moduleDiffs: ReadonlyMap<string, ModuleDiff>
  /** By component path. */
  readonly components: ReadonlyMap<string, ComponentSwitch>
}

export function showStartedPush(pushId: string, evaluated: EvaluatedPush, schemaChange: SchemaChange): unknown {
  const { definitions, tree } = evaluated
  return {
    concavePushId: pushId,
    environmentVariables: userVariables(evaluated),
    externalDepsId: packageSetId(evaluated.requirements.packages) ?? null,
    componentDefinitionPackages: Object.fromEntries([...definitions.keys()].map((path) => [path, {}])),
    appAuth: evaluated.authProviders,
    analysis: Object.fromEntries(
      [...definitions].map(([path, definition]) => [path, showAnalysis(path, definition)] as const),
    ),
    app: showComponentTree(tree, definitions),
    schemaChange,
  }
}

/** Undefined of a dry run. */
export function showFinishedPush(change: LiveChange | undefined): unknown {
  if (change === undefined) return { authDiff: { added: [], removed: [] }, definitionDiffs: {}, componentDiffs: {} }
  const { authDiff, moduleDiffs, components } = change
  return {
    authDiff,
    definitionDiffs: Object.fromEntries(
      [...moduleDiffs].filter(([path]) => path !== '').map(([path, moduleDiff]) => [path, { moduleDiff }]),
    ),
    componentDiffs: Object.fromEntries(
      [...components].map(([path, component]) => [path, showComponentDiff(path, component, change)]),
    ),
  }
}

function showComponentDiff(path: string, component: ComponentSwitch, change: LiveChange): unknown {
  const { diffType, definitionPath, cronDiff, indexDiff, schemaDiff } = component
  const { previousVersion, nextVersion, moduleDiffs } = change
  const isSameVersion = path !== '' || previousVersion === undefined || previousVersion === nextVersion
  const moduleDiff = definitionPath === undefined ? undefined : moduleDiffs.get(definitionPath)
  return {
    diffType: { type: diffType },
    moduleDiff: moduleDiff ?? { added: [], removed: [] },
    udfConfigDiff: isSameVersion ? null : { previous_version: previousVersion, next_version: nextVersion },
    cronDiff,
    indexDiff,
    schemaDiff,
  }
}

function showAnalysis(path: string, evaluated: EvaluatedDefinition): unknown {
  const { definition, modules, schemaText, crons, serverVersion } = evaluated
  const exports = path === '' ? definition['exports'] : showDefinitionExports(exportPublicFunctions(modules))
  return {
    definition: { ...definition, path, exports },
    schema: schemaText === undefined ? null : (JSON.parse(schemaText) as unknown),
    functions: Object.fromEntries(
      [...modules].map(([modulePath, { functions }]) => [
        modulePath,
        {
          functions,
          sourceMapped: null,
          ...(definesCrons(modulePath) ? { cronSpecs: showCronSpecs(crons) } : {}),
        },
      ]),
    ),
    udfConfig: { serverVersion },
  }
}

/** Built-in variables are nobody's to change, so they cannot race. */
function userVariables(evaluated: EvaluatedPush): Readonly<Record<string, string>> {
  const { CONVEX_CLOUD_URL: _cloud, CONVEX_SITE_URL: _site, ...variables } = evaluated.env.variables
  return variables
}
